/* SPDX-License-Identifier: Apache-2.0 */
/* Windows are encoded, decoded again, and looked at; also by google/pprof's rules. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pprof_encoded.h"

static void test_no_samples(void **state)
{
	struct window *w = window_new(0);
	struct encoded e = encode_one(w, NULL);

	(void)state;
	check_rules(&e);
	assert_int_equal(e.profile->n_samples, 0);
	assert_int_equal(e.profile->n_types, 2);
	assert_string_equal(e.profile->types[0], "samples");
	assert_string_equal(e.profile->units[0], "count");
	assert_string_equal(e.profile->types[1], "cpu");
	assert_string_equal(e.profile->units[1], "nanoseconds");
	assert_int_equal(e.profile->period, PERIOD);
	assert_true(e.profile->time == 1700000000000000000);
	assert_true(e.profile->duration == 10000000000);
	assert_true(has_comment(&e, "profd: samples_attempted=0"));
	assert_true(has_comment(&e, "profd: version=test"));
	encoded_done(&e);
	window_free(w);
}

static void test_no_windows(void **state)
{
	struct encoded e = encode(NULL, 0, ABI_KIND_MUTEX, NULL);

	(void)state;
	check_rules(&e);
	assert_string_equal(e.profile->types[0], "contentions");
	assert_string_equal(e.profile->types[1], "delay");
	assert_int_equal(e.profile->period, 1);
	encoded_done(&e);
}

static void test_unknown_kind(void **state)
{
	const struct pprof_options o = { .kind = 77 };
	struct symbolizer symbolizer = {};
	size_t size;
	void *data;

	(void)state;
	assert_int_equal(pprof_encode(NULL, 0, &o, &symbolizer, &data, &size, NULL), -EINVAL);
}

static void test_one_process(void **state)
{
	const struct frame frames[] = { library_frame, app_frame };
	const struct selection selection = { .pids = { 100 }, .n_pids = 1 };
	struct window *w = window_new(0);
	const struct pprof_sample *s;
	struct encoded e;

	(void)state;
	add(w, 0, ABI_STACK_complete, frames, 2);
	add(w, 0, ABI_STACK_complete, frames, 2);
	add(w, 1, ABI_STACK_complete, frames, 2);
	e = encode_one(w, &selection);
	check_rules(&e);
	/* The program is first though the library was seen first. */
	assert_string_equal(e.profile->mappings[0].file, "/usr/bin/app");
	assert_string_equal(e.profile->mappings[0].build_id, "deadbeef");
	/* Whole pages around both segments. */
	assert_int_equal(e.profile->mappings[0].start, 0x401000);
	assert_int_equal(e.profile->mappings[0].limit, 0x407000);
	assert_int_equal(e.profile->mappings[0].offset, 0x1000);
	assert_int_equal(e.profile->n_mappings, 2);
	assert_int_equal(e.profile->n_samples, 1);
	s = &e.profile->samples[0];
	assert_int_equal(s->n_locations, 2);
	assert_int_equal(s->values[0], 2);
	assert_int_equal(s->values[1], 2 * PERIOD);
	assert_string_equal(name(&e, 0, 0, 0), "libdemo.so.1::f261()");
	assert_string_equal(name(&e, 0, 1, 0), "app::f10()");
	assert_int_equal(location(&e, 0, 1)->address, 0x401050);
	assert_string_equal(mapping(&e, 0, 0)->file, "/usr/lib/libdemo.so.1");
	assert_int_equal(label(s, "pid")->number, 100);
	assert_string_equal(label(s, "pid")->unit, "pid");
	assert_int_equal(label(s, "tid")->number, 101);
	assert_string_equal(label(s, "comm")->string, "app");
	assert_string_equal(label(s, "unit")->string, "app.service");
	assert_null(label(s, "container"));
	assert_int_equal(e.quality.samples_attempted, 2);
	encoded_done(&e);
	window_free(w);
}

/* The header of a report shows the first mapping: of one program it is that, of many it says so. */
static void test_first_mapping(void **state)
{
	const struct selection app = { .comm = (char *)"app" };
	const struct selection several = { .pids = { 100, 300 }, .n_pids = 2 };
	const struct selection kernel = { .pids = { 2 }, .n_pids = 1 };
	const struct selection gone = { .pids = { 300 }, .n_pids = 1 };
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		add(w, i, ABI_STACK_complete, &library_frame, 1);
	e = encode_one(w, NULL);
	assert_string_equal(e.profile->mappings[0].file, "[processes]");
	encoded_done(&e);
	e = encode_one(w, &several);
	assert_string_equal(e.profile->mappings[0].file, "[processes]");
	encoded_done(&e);
	e = encode_one(w, &kernel);
	assert_string_equal(e.profile->mappings[0].file, "[processes]");
	encoded_done(&e);
	/* Two processes of one program. */
	e = encode_one(w, &app);
	assert_string_equal(e.profile->mappings[0].file, "/usr/bin/app");
	encoded_done(&e);
	/* No frame of it was seen. */
	e = encode_one(w, &gone);
	check_rules(&e);
	assert_string_equal(e.profile->mappings[0].file, "/tmp/gone");
	encoded_done(&e);
	window_free(w);
}

static void test_labels_of_everybody(void **state)
{
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		add(w, i, ABI_STACK_complete, &app_frame, 1);
	e = encode_one(w, NULL);
	check_rules(&e);
	assert_int_equal(e.profile->n_samples, 4);
	assert_int_equal(e.profile->n_locations, 1);
	assert_string_equal(label(&e.profile->samples[1], "container")->string, "0123456789abcdef");
	assert_string_equal(label(&e.profile->samples[2], "comm")->string, "f\xc3\xbcnf");
	assert_null(label(&e.profile->samples[2], "unit"));
	encoded_done(&e);
	window_free(w);
}

/* What a process calls itself reaches a terminal through pprof. */
static void test_labels_without_control_characters(void **state)
{
	struct window *w = window_new(0);
	struct process *p = &world_processes[2];
	char *comm = p->comm;
	struct encoded e;

	(void)state;
	p->comm = (char[]){ "a\nb\x1b[31m" };
	add(w, 2, ABI_STACK_complete, &app_frame, 1);
	e = encode_one(w, NULL);
	p->comm = comm;
	check_rules(&e);
	assert_string_equal(label(&e.profile->samples[0], "comm")->string, "a\xef\xbf\xbd"
									   "b\xef\xbf\xbd[31m");
	encoded_done(&e);
	window_free(w);
}

static void test_truncated_stacks_say_so(void **state)
{
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	add(w, 0, ABI_STACK_bad_frame_pointer, &app_frame, 1);
	add(w, 0, ABI_STACK_too_deep, &app_frame, 1);
	add(w, 0, ABI_STACK_no_registers, NULL, 0);
	add(w, 3, ABI_STACK_none, NULL, 0);
	e = encode_one(w, NULL);
	check_rules(&e);
	assert_int_equal(e.profile->n_samples, 4);
	assert_int_equal(e.profile->samples[0].n_locations, 2);
	assert_string_equal(name(&e, 0, 0, 0), "app::f10()");
	assert_string_equal(name(&e, 0, 1, 0), "[truncated: bad_frame_pointer]");
	assert_string_equal(name(&e, 1, 1, 0), "[truncated: too_deep]");
	assert_true(location(&e, 0, 1)->address != location(&e, 1, 1)->address);
	assert_string_equal(name(&e, 2, 0, 0), "[truncated: no_registers]");
	assert_string_equal(name(&e, 3, 0, 0), "[no stack]");
	assert_true(has_comment(&e, "profd: user_stacks_truncated_bad_frame_pointer=1"));
	assert_true(has_comment(&e, "profd: user_stacks_attempted=3"));
	encoded_done(&e);
	window_free(w);
}

static void test_kernel_frames(void **state)
{
	const struct frame frames[] = {
		{ .kind = FRAME_KERNEL, .address = WORLD_KERNEL_START + 0x1234 },
		{ .kind = FRAME_KERNEL, .address = 0xffffffffc0001000 }, /* a module */
	};
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	add(w, 3, ABI_STACK_exec, frames, 2);
	e = encode_one(w, NULL);
	check_rules(&e);
	assert_string_equal(mapping(&e, 0, 0)->file, "[kernel.kallsyms]_stext");
	assert_true(mapping(&e, 0, 0)->start == WORLD_KERNEL_START);
	assert_int_equal(mapping(&e, 0, 0)->offset, 0);
	assert_int_equal(mapping(&e, 0, 0)->limit - mapping(&e, 0, 0)->start, 1 << 30);
	assert_string_equal(mapping(&e, 0, 1)->file, "[kernel]");
	assert_string_equal(name(&e, 0, 1, 0), "kernel_ffffffffc00010");
	encoded_done(&e);
	window_free(w);
}

/* The same address in two processes is two functions; that of one process is one. */
static void test_code_without_a_file(void **state)
{
	const struct frame frame = { .kind = FRAME_ADDRESS, .address = 0x7f1234567890 };
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	add(w, 0, ABI_STACK_complete, &frame, 1);
	add(w, 1, ABI_STACK_complete, &frame, 1);
	add(w, 1, ABI_STACK_complete, &frame, 1);
	e = encode_one(w, NULL);
	check_rules(&e);
	assert_int_equal(e.profile->n_locations, 2);
	assert_string_equal(mapping(&e, 0, 0)->file, "//anon");
	assert_int_equal(location(&e, 0, 0)->address, 0x7f1234567890);
	assert_string_equal(name(&e, 0, 0, 0), "jit_100_7f12345678");
	assert_string_equal(name(&e, 1, 0, 0), "jit_200_7f12345678");
	encoded_done(&e);
	window_free(w);
}

static void test_files_without_addresses(void **state)
{
	const struct frame frames[] = {
		{ .kind = FRAME_FILE, .executable = &world_gone, .address = 0 },
		{ .kind = FRAME_FILE, .executable = &world_gone, .address = 0x700 },
		/* In no executable segment. */
		{ .kind = FRAME_FILE, .executable = &world_app, .address = 0x100000 },
		app_frame,
	};
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	add(w, 0, ABI_STACK_complete, frames, ARRAY_SIZE(frames));
	e = encode_one(w, NULL);
	check_rules(&e);
	assert_int_equal(location(&e, 0, 1)->address, 0x700);
	assert_int_equal(mapping(&e, 0, 1)->start, 0);
	assert_string_equal(mapping(&e, 0, 1)->build_id, "");
	assert_string_equal(mapping(&e, 0, 2)->file, "/usr/bin/app");
	assert_int_equal(location(&e, 0, 2)->address, 0x100000);
	assert_ptr_not_equal(mapping(&e, 0, 2), mapping(&e, 0, 3));
	encoded_done(&e);
	window_free(w);
}

static struct executable_segment first_segment[] = { { .offset = 0, .size = 0xf80, .address = 0 } };

static void test_one_mapping_of_a_build_id(void **state)
{
	struct executable copies[] = {
		{ .refs = 1, .path = (char *)"/tmp/a/x", .build_id = { 1 }, .build_id_size = 1 },
		{ .refs = 1, .path = (char *)"/tmp/b/x", .build_id = { 1 }, .build_id_size = 1 },
	};
	struct executable vdso = { .refs = 1,
				   .path = (char *)"/[vdso]",
				   .build_id = { 2 },
				   .build_id_size = 1,
				   .readable = true,
				   .n_segments = 1,
				   .segments = first_segment };
	const struct frame frames[] = {
		{ .kind = FRAME_FILE, .executable = &copies[0], .address = 0x700 },
		{ .kind = FRAME_FILE, .executable = &copies[1], .address = 0x800 },
		{ .kind = FRAME_FILE, .executable = &vdso, .address = 0x100 },
		{ .kind = FRAME_FILE, .executable = &vdso, .address = 0xff0 }, /* behind it */
	};
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	add(w, 0, ABI_STACK_complete, frames, ARRAY_SIZE(frames));
	e = encode_one(w, NULL);
	check_rules(&e);
	assert_ptr_equal(mapping(&e, 0, 0), mapping(&e, 0, 1));
	assert_string_equal(mapping(&e, 0, 0)->build_id, "01");
	assert_string_equal(mapping(&e, 0, 0)->file, "/tmp/a/x");
	assert_string_equal(mapping(&e, 0, 2)->build_id, "02");
	assert_string_equal(mapping(&e, 0, 3)->build_id, "");
	assert_string_equal(mapping(&e, 0, 3)->file, "/[vdso]");
	encoded_done(&e);
	window_free(w);
}

/* Samples of before it was known which file it is are samples of that file. */
static void test_turned_out_to_be_another(void **state)
{
	struct executable unread = { .refs = 1,
				     .path = (char *)"/tmp/libdemo.so.1",
				     .build_id = { 0x01, 0x02, 0xfe },
				     .build_id_size = 3 };
	const struct frame frames[] = {
		{ .kind = FRAME_FILE, .executable = &unread, .address = 0x26100 },
		library_frame,
	};
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	add(w, 0, ABI_STACK_complete, frames, ARRAY_SIZE(frames));
	unread.same = &world_library;
	e = encode_one(w, NULL);
	check_rules(&e);
	assert_ptr_equal(location(&e, 0, 0), location(&e, 0, 1));
	assert_string_equal(mapping(&e, 0, 0)->file, "/usr/lib/libdemo.so.1");
	encoded_done(&e);
	window_free(w);
}

/* Segments that no loader would take: an end beyond the address space, no size, no congruence. */
static void test_hostile_segments(void **state)
{
	static struct executable_segment segments[3][1] = {
		{ { .offset = 0, .size = 0x2000, .address = UINT64_MAX - 0x1000 } },
		{ { .offset = 0x10, .size = UINT64_MAX, .address = 0x10 } },
		{ { .offset = 0x10, .size = 0x2000, .address = 0x1234567 } },
	};
	struct frame frame = { .kind = FRAME_FILE, .address = 0x800 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct executable x = { .refs = 1,
					.path = (char *)"/tmp/x",
					.readable = true,
					.n_segments = 1,
					.segments = segments[i] };
		struct window *w = window_new(0);
		struct encoded e;

		frame.executable = &x;
		add(w, 0, ABI_STACK_complete, &frame, 1);
		e = encode_one(w, NULL);
		check_rules(&e);
		encoded_done(&e);
		window_free(w);
	}
}

static void test_inlined_and_unnamed(void **state)
{
	const struct frame frames[] = {
		{ .kind = FRAME_FILE, .executable = &world_app, .address = 0x104f },
		{ .kind = FRAME_FILE, .executable = &world_app, .address = 0x104e },
	};
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	add(w, 0, ABI_STACK_complete, frames, 2);
	add(w, 0, ABI_STACK_complete, frames, 2);
	e = encode_one(w, NULL);
	check_rules(&e);
	assert_int_equal(location(&e, 0, 0)->n_lines, 2);
	assert_string_equal(name(&e, 0, 0, 0), "inlined");
	assert_int_equal(location(&e, 0, 0)->lines[0].line, 7);
	assert_string_equal(name(&e, 0, 0, 1), "app::f10()");
	assert_string_equal(e.profile->functions[location(&e, 0, 0)->lines[1].function].system_name,
			    "_Zapp10");
	assert_string_equal(name(&e, 0, 1, 0), "app+0x104e");
	assert_int_equal(e.quality.frames, 4);
	assert_int_equal(e.quality.frames_unnamed, 2);
	assert_true(has_comment(&e, "profd: frames_unnamed=2"));
	assert_true(has_comment(&e, "profd: frames_unnamed_stripped=2"));
	/* Flags are the mapping's: [processes] is first. */
	assert_true(e.message->mapping[1]->has_filenames);
	assert_true(e.message->mapping[1]->has_line_numbers);
	assert_true(e.message->mapping[1]->has_inline_frames);
	assert_false(e.message->mapping[0]->has_filenames);
	assert_int_equal(e.symbolizer.calls, 2);
	assert_int_equal(e.symbolizer.prepared, 2);
	encoded_done(&e);
	window_free(w);
}

static void test_losses(void **state)
{
	const struct selection selection = { .pids = { 100 }, .n_pids = 1 };
	struct window *windows[2] = { window_new(0), window_new(1) };
	struct encoded e;

	(void)state;
	add(windows[0], 0, ABI_STACK_complete, &app_frame, 1);
	add(windows[1], 2, ABI_STACK_complete, &app_frame, 1);
	window_quality(windows[0], ABI_KIND_CPU)->samples_lost = 3;
	window_quality(windows[1], ABI_KIND_CPU)->samples_lost = 4;
	window_quality(windows[1], ABI_KIND_CPU)->sideband_lost = 5;
	e = encode(windows, 2, ABI_KIND_CPU, &selection);
	assert_true(has_comment(&e, "profd: samples_attempted=8"));
	assert_true(has_comment(&e, "profd: samples_lost=7"));
	assert_true(has_comment(&e, "profd: sideband_lost=5"));
	encoded_done(&e);
	window_free(windows[0]);
	window_free(windows[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_samples),
		cmocka_unit_test(test_no_windows),
		cmocka_unit_test(test_unknown_kind),
		cmocka_unit_test(test_one_process),
		cmocka_unit_test(test_first_mapping),
		cmocka_unit_test(test_labels_of_everybody),
		cmocka_unit_test(test_labels_without_control_characters),
		cmocka_unit_test(test_truncated_stacks_say_so),
		cmocka_unit_test(test_kernel_frames),
		cmocka_unit_test(test_code_without_a_file),
		cmocka_unit_test(test_files_without_addresses),
		cmocka_unit_test(test_one_mapping_of_a_build_id),
		cmocka_unit_test(test_turned_out_to_be_another),
		cmocka_unit_test(test_hostile_segments),
		cmocka_unit_test(test_inlined_and_unnamed),
		cmocka_unit_test(test_losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
