/* SPDX-License-Identifier: Apache-2.0 */
/* Windows are encoded, decoded again, and looked at; also by google/pprof's rules and its tools. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "profile.pb-c.h"
#include "profile/gunzip.h"
#include "profile/pprof_ahead.h"
#include "profile_world.h"
#include "scratch.h"

#define PERIOD 10101010

struct encoded {
	void *data;
	size_t size;
	struct quality quality;
	struct pprof_profile *profile;
	Perftools__Profiles__Profile *message; /* as it is in the file */
	struct symbolizer symbolizer;
};

static const char *const comments[] = { "profd: version=test", NULL };

static uint64_t get_varint(const uint8_t *data, size_t size, size_t *at)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		assert_true(*at < size);
		value |= (uint64_t)(data[*at] & 0x7f) << shift;
		if (!(data[(*at)++] & 0x80))
			return value;
	}
	fail_msg("a number of more than 64 bits");
	return 0;
}

/* Copies the fields with this number, as they are, one behind the other. Returns their bytes. */
static size_t fields_of(const uint8_t *data, size_t size, unsigned int number, uint8_t *to)
{
	size_t at = 0, n = 0;

	while (at < size) {
		size_t first = at;
		uint64_t tag = get_varint(data, size, &at);
		uint64_t value = get_varint(data, size, &at);

		assert_true((tag & 7) == 0 || (tag & 7) == 2);
		at += (tag & 7) == 2 ? value : 0;
		assert_true(at <= size);
		if (tag >> 3 != number)
			continue;
		memcpy(to + n, data + first, at - first);
		n += at - first;
	}
	return n;
}

/* Each field is written byte for byte as protobuf-c writes it; only their order is our own. */
static void compare_with_protobuf_c(const Perftools__Profiles__Profile *message, const uint8_t *raw,
				    size_t size)
{
	_cleanup_free_ uint8_t *packed = malloc(size), *ours = malloc(size), *its = malloc(size);

	assert_int_equal(perftools__profiles__profile__get_packed_size(message), size);
	perftools__profiles__profile__pack(message, packed);
	for (unsigned int number = 0; number < 32; number++) {
		size_t n = fields_of(raw, size, number, ours);

		assert_int_equal(fields_of(packed, size, number, its), n);
		assert_memory_equal(ours, its, n);
	}
}

static struct encoded encode(struct window *const *windows, size_t n, uint8_t kind,
			     const struct selection *selection)
{
	struct encoded e = { .symbolizer = { .kernel_start = WORLD_KERNEL_START,
					     .kernel_end = WORLD_KERNEL_END } };
	const struct pprof_options o = { .kind = kind,
					 .selection = selection,
					 .period = PERIOD,
					 .time = 1700000000000000000,
					 .duration = 10000000000,
					 .comments = comments };
	_cleanup_free_ void *raw = NULL;
	size_t size;

	assert_int_equal(pprof_encode(windows, n, &o, &e.symbolizer, &e.data, &e.size, &e.quality),
			 0);
	assert_int_equal(pprof_decode(e.data, e.size, &e.profile), 0);
	assert_int_equal(gunzip(e.data, e.size, 1 << 30, &raw, &size), 0);
	e.message = perftools__profiles__profile__unpack(NULL, size, raw);
	assert_non_null(e.message);
	compare_with_protobuf_c(e.message, raw, size);
	return e;
}

static void encoded_done(struct encoded *e)
{
	free(e->data);
	pprof_profile_free(e->profile);
	perftools__profiles__profile__free_unpacked(e->message, NULL);
}

static struct encoded encode_one(struct window *w, const struct selection *selection)
{
	return encode(&w, 1, ABI_KIND_CPU, selection);
}

static void add(struct window *w, size_t process, uint8_t end, const struct frame *frames, size_t n)
{
	const struct sample s = { .kind = ABI_KIND_CPU,
				  .user_end = end,
				  .tid = world_processes[process].tgid + 1,
				  .count = 1,
				  .value = PERIOD,
				  .process = &world_processes[process],
				  .n_frames = n,
				  .frames = frames };

	assert_int_equal(window_add(w, &s), 0);
}

static const struct frame app_frame = { .kind = FRAME_FILE,
					.executable = &world_app,
					.address = 0x1050 };
static const struct frame library_frame = { .kind = FRAME_FILE,
					    .executable = &world_library,
					    .address = 0x26100 };

static const struct pprof_location *location(const struct encoded *e, uint32_t sample, uint32_t i)
{
	return &e->profile->locations[e->profile->samples[sample].locations[i]];
}

static const char *name(const struct encoded *e, uint32_t sample, uint32_t i, uint32_t line)
{
	return e->profile->functions[location(e, sample, i)->lines[line].function].name;
}

static const struct pprof_mapping *mapping(const struct encoded *e, uint32_t sample, uint32_t i)
{
	return &e->profile->mappings[location(e, sample, i)->mapping];
}

static const struct pprof_label *label(const struct pprof_sample *s, const char *key)
{
	for (uint32_t i = 0; i < s->n_labels; i++)
		if (strcmp(s->labels[i].key, key) == 0)
			return &s->labels[i];
	return NULL;
}

static bool has_comment(const struct encoded *e, const char *text)
{
	for (uint32_t i = 0; i < e->profile->n_comments; i++)
		if (strcmp(e->profile->comments[i], text) == 0)
			return true;
	return false;
}

/* Clients that go by build ids take them for one file that is mapped in two ways. */
static bool are_the_same_place(const Perftools__Profiles__Profile *m, size_t i, size_t k)
{
	const Perftools__Profiles__Mapping *a = m->mapping[i], *b = m->mapping[k];

	return m->string_table[a->build_id][0] && a->build_id == b->build_id &&
	       a->memory_start == b->memory_start && a->file_offset == b->file_offset;
}

/* What readers demand of any profile. */
static void check_rules(const struct encoded *e)
{
	const Perftools__Profiles__Profile *m = e->message;

	assert_string_equal(m->string_table[0], "");
	assert_non_null(m->period_type);
	assert_true(m->time_nanos != 0);
	for (size_t i = 0; i < m->n_mapping; i++) {
		assert_int_equal(m->mapping[i]->id, i + 1);
		assert_true(m->mapping[i]->has_functions);
		assert_true(m->mapping[i]->memory_start < m->mapping[i]->memory_limit);
		for (size_t k = 0; k < i; k++)
			assert_false(are_the_same_place(m, i, k));
	}
	for (size_t i = 0; i < m->n_function; i++)
		assert_int_equal(m->function[i]->id, i + 1);
	for (size_t i = 0; i < m->n_location; i++) {
		const Perftools__Profiles__Location *l = m->location[i];
		const Perftools__Profiles__Mapping *in;

		assert_int_equal(l->id, i + 1);
		assert_true(l->n_line >= 1);
		assert_true(l->address != 0);
		assert_true(l->mapping_id >= 1 && l->mapping_id <= m->n_mapping);
		in = m->mapping[l->mapping_id - 1];
		assert_true(l->address >= in->memory_start && l->address < in->memory_limit);
	}
	for (size_t i = 0; i < m->n_sample; i++) {
		assert_true(m->sample[i]->n_location_id >= 1);
		assert_int_equal(m->sample[i]->n_value, m->n_sample_type);
		for (size_t j = 0; j < m->sample[i]->n_label; j++)
			assert_true(m->sample[i]->label[j]->str ||
				    m->sample[i]->label[j]->num_unit);
	}
}

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

static int64_t sum_values(const struct pprof_profile *p, uint32_t column)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < p->n_samples; i++)
		sum += p->samples[i].values[column];
	return sum;
}

/* One line per sample: names, labels, values. */
static char *sample_text(const struct encoded *e, uint32_t index)
{
	const struct pprof_sample *s = &e->profile->samples[index];
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	for (uint32_t i = 0; i < s->n_locations; i++)
		for (uint32_t j = 0; j < location(e, index, i)->n_lines; j++)
			fprintf(f, "%s@%s;", name(e, index, i, j), mapping(e, index, i)->file);
	for (uint32_t i = 0; i < s->n_labels; i++)
		fprintf(f, " %s=%s/%" PRId64, s->labels[i].key,
			s->labels[i].string ? s->labels[i].string : "", s->labels[i].number);
	fprintf(f, " %" PRId64 " %" PRId64, s->values[0], s->values[1]);
	fclose(f);
	return text;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* However samples are cut into windows, and in whatever order those are merged: one profile. */
static void test_merging(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct window *many[5], *reversed[5], *one = window_new(0);
		uint64_t random = seed * 0x9e3779b97f4a7c15ULL;
		struct encoded e[3];
		int64_t count = 0, value = 0;
		char **texts[3];

		for (size_t i = 0; i < 5; i++)
			many[i] = reversed[4 - i] = window_new(i);
		for (int i = 0; i < 500; i++) {
			struct frame frames[6];
			struct sample s = world_sample(&random, frames, ARRAY_SIZE(frames));

			count += s.count;
			value += s.value;
			window_add(one, &s);
			window_add(many[world_random(&random) % 5], &s);
		}
		e[0] = encode(&one, 1, ABI_KIND_CPU, NULL);
		e[1] = encode(many, 5, ABI_KIND_CPU, NULL);
		e[2] = encode(reversed, 5, ABI_KIND_CPU, NULL);
		for (size_t i = 0; i < 3; i++) {
			uint32_t n = e[i].profile->n_samples;

			check_rules(&e[i]);
			assert_int_equal(sum_values(e[i].profile, 0), count);
			assert_int_equal(sum_values(e[i].profile, 1), value);
			assert_memory_equal(&e[i].quality, &e[0].quality, sizeof(e[0].quality));
			assert_int_equal(n, e[0].profile->n_samples);
			texts[i] = calloc(n, sizeof(char *));
			for (uint32_t j = 0; j < n; j++)
				texts[i][j] = sample_text(&e[i], j);
			qsort(texts[i], n, sizeof(char *), compare_texts);
			for (uint32_t j = 0; j < n; j++) {
				assert_string_equal(texts[i][j], texts[0][j]);
				/* All equal ones have met. */
				if (j > 0)
					assert_string_not_equal(texts[i][j], texts[i][j - 1]);
			}
		}
		for (size_t i = 0; i < 3; i++) {
			for (uint32_t j = 0; j < e[i].profile->n_samples; j++)
				free(texts[i][j]);
			free(texts[i]);
			encoded_done(&e[i]);
		}
		for (size_t i = 0; i < 5; i++)
			window_free(many[i]);
		window_free(one);
	}
}

/* Other tools must read it too ($PROFILE). Skipped where they are missing. */
static void run_tool(const char *tool, const char *command, const struct encoded *e)
{
	char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16], line[128];
	FILE *file;

	snprintf(line, sizeof(line), "command -v %s >/dev/null 2>&1", tool);
	if (system(line) != 0) {
		print_message("no %s: skipped\n", tool);
		return;
	}
	assert_int_equal(scratch_make(directory), 0);
	snprintf(path, sizeof(path), "%s/profile", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(e->data, 1, e->size, file), e->size);
	fclose(file);
	setenv("PROFILE", path, 1);
	if (system(command) != 0)
		fail_msg("%s", command);
	assert_int_equal(scratch_remove(directory), 0);
}

static void test_tools(void **state)
{
	struct window *w = window_new(0);
	uint64_t random = 4711;
	struct encoded e;

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct frame frames[8];
		struct sample s = world_sample(&random, frames, ARRAY_SIZE(frames));

		window_add(w, &s);
	}
	e = encode_one(w, NULL);
	run_tool(
		"protoc",
		"gzip -dc $PROFILE | protoc --decode=perftools.profiles.Profile --proto_path=proto "
		"profile.proto | grep -q 'period: 10101010'",
		&e);
	run_tool("go", "go tool pprof -top $PROFILE 2>/dev/null | grep -q 'File: .processes'", &e);
	run_tool("go",
		 "go tool pprof -tagfocus=pid=200 -traces $PROFILE 2>/dev/null | grep -q "
		 "'container: *0123456789abcdef'",
		 &e);
	run_tool("go",
		 "go tool pprof -raw $PROFILE 2>/dev/null | grep -q 'PeriodType: cpu nanoseconds'",
		 &e);
	encoded_done(&e);
	window_free(w);
}

static const struct frame names_frame[] = {
	{ .kind = FRAME_FILE, .executable = &world_library, .address = WORLD_NAMES },
	{ .kind = FRAME_FILE, .executable = &world_library, .address = WORLD_NAMES + 1 },
	{ .kind = FRAME_FILE, .executable = &world_library, .address = WORLD_NAMES + 2 },
};

/* The system call futex: 202. */
static struct sample wait_sample(uint8_t reason, uint8_t lock, int16_t call, int64_t ms)
{
	return (struct sample){
		.kind = ABI_KIND_BLOCK,
		.user_end = ABI_STACK_complete,
		.tid = 101,
		.count = ABI_COUNT_ONE,
		.value = ms * 1000000,
		.wait = { reason, lock, .system_call = call },
		.process = &world_processes[0],
		.n_frames = 1,
		.frames = &app_frame,
	};
}

static struct encoded encode_waits(struct window *w, const struct pprof_options *o)
{
	struct encoded e = { .symbolizer = { .kernel_start = WORLD_KERNEL_START,
					     .kernel_end = WORLD_KERNEL_END } };
	_cleanup_free_ void *raw = NULL;
	size_t size;

	assert_int_equal(pprof_encode(&w, 1, o, &e.symbolizer, &e.data, &e.size, &e.quality), 0);
	assert_int_equal(pprof_decode(e.data, e.size, &e.profile), 0);
	assert_int_equal(gunzip(e.data, e.size, 1 << 30, &raw, &size), 0);
	e.message = perftools__profiles__profile__unpack(NULL, size, raw);
	assert_non_null(e.message);
	check_rules(&e);
	return e;
}

static struct window *a_few_waits(void)
{
	struct window *w = window_new(0);
	struct sample disk = wait_sample(WAIT_disk, 0, 0, 5);
	struct sample sleeping = wait_sample(WAIT_sleep, 0, 230, 1000);
	struct sample lock = wait_sample(WAIT_sync, WAIT_LOCK_condition, 202, 7);
	struct sample unknown = wait_sample(WAIT_other, 0, 3333, 1);
	struct sample mutex = wait_sample(WAIT_lock, WAIT_LOCK_mutex, 202, 40);

	lock.frames = names_frame; /* "pthread_mutex_lock": it is no condition variable */
	disk.count = ABI_COUNT_ONE * 5 / 2;
	unknown.count = 1;
	mutex.kind = ABI_KIND_MUTEX;
	mutex.tid = 0;
	assert_int_equal(window_add(w, &disk), 0);
	assert_int_equal(window_add(w, &disk), 0);
	assert_int_equal(window_add(w, &sleeping), 0);
	assert_int_equal(window_add(w, &lock), 0);
	assert_int_equal(window_add(w, &unknown), 0);
	assert_int_equal(window_add(w, &mutex), 0);
	return w;
}

static const struct pprof_sample *sample_of(const struct encoded *e, const char *reason)
{
	for (uint32_t i = 0; i < e->profile->n_samples; i++)
		if (strcmp(label(&e->profile->samples[i], "reason")->string, reason) == 0)
			return &e->profile->samples[i];
	return NULL;
}

static void test_waits(void **state)
{
	const struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1 };
	struct window *w = a_few_waits();
	struct encoded e = encode_waits(w, &o);
	const struct pprof_sample *s;

	(void)state;
	assert_int_equal(e.profile->n_samples, 3);
	assert_null(sample_of(&e, "sleep")); /* idle */
	assert_null(sample_of(&e, "sync"));
	s = sample_of(&e, "disk");
	assert_int_equal(s->values[0], 5); /* 2.5 twice */
	assert_int_equal(s->values[1], 10000000);
	assert_string_equal(label(s, "syscall")->string, "read");
	assert_null(label(s, "lock"));
	assert_int_equal(label(s, "tid")->number, 101);
	s = sample_of(&e, "lock");
	assert_string_equal(label(s, "lock")->string, "mutex");
	assert_string_equal(label(s, "syscall")->string, "futex");
	s = sample_of(&e, "other");
	assert_int_equal(s->values[0], 1); /* never 0 */
	assert_string_equal(label(s, "syscall")->string, "syscall_3333");
	assert_string_equal(e.profile->types[1], "delay");
	assert_true(has_comment(&e, "profd: type=block"));
	assert_true(has_comment(&e, "profd: samples_attempted=4"));
	assert_int_equal(e.profile->duration, 0);
	assert_int_equal(e.message->period, 1);
	encoded_done(&e);
	window_free(w);
}

static void test_filters(void **state)
{
	struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1 };
	struct window *w = a_few_waits();
	struct encoded e;

	(void)state;
	o.filter = (struct wait_filter){ 1U << WAIT_sleep, UINT32_MAX };
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->n_samples, 1);
	assert_non_null(sample_of(&e, "sleep"));
	encoded_done(&e);
	/* What was taken for a condition variable is none. */
	o.filter.reasons = 1U << WAIT_sync;
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->n_samples, 0);
	encoded_done(&e);
	o.filter = (struct wait_filter){ UINT32_MAX, 1U << WAIT_LOCK_mutex };
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->n_samples, 1);
	encoded_done(&e);
	o = (struct pprof_options){ .kind = ABI_KIND_MUTEX, .time = 1 };
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->n_samples, 1);
	assert_int_equal(e.profile->samples[0].values[1], 40000000);
	/* Of all threads together: there is no thread to tell. */
	assert_null(label(&e.profile->samples[0], "tid"));
	assert_true(has_comment(&e, "profd: type=mutex"));
	encoded_done(&e);
	window_free(w);
}

static void test_names_make_monitors(void **state)
{
	const struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1 };
	struct sample s = wait_sample(WAIT_sync, WAIT_LOCK_condition, 202, 7);
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	s.frames = names_frame + 1; /* pthread_cond_wait < ObjectMonitor::enter */
	s.n_frames = 2;
	assert_int_equal(window_add(w, &s), 0);
	s.n_frames = 1;
	assert_int_equal(window_add(w, &s), 0);
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->n_samples, 2);
	assert_string_equal(label(sample_of(&e, "lock"), "lock")->string, "monitor");
	assert_string_equal(label(sample_of(&e, "sync"), "lock")->string, "condition");
	encoded_done(&e);
	window_free(w);
}

static void test_wakers(void **state)
{
	const struct selection selection = { .pids = { 100 }, .n_pids = 1 };
	struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1, .selection = &selection };
	const struct frame waker[] = { library_frame, app_frame };
	struct sample s = wait_sample(WAIT_pipe, 0, 0, 9);
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	s.waker = &world_processes[2];
	s.waker_frames = waker;
	s.n_waker_frames = 2;
	assert_int_equal(window_add(w, &s), 0);
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->samples[0].n_locations, 1);
	encoded_done(&e);
	o.wakers = PPROF_WAKERS_ALL;
	e = encode_waits(w, &o);
	/* Upside down: what the waker runs in, down to what woke, then the one that waited. */
	assert_int_equal(e.profile->samples[0].n_locations, 4);
	assert_string_equal(name(&e, 0, 0, 0), "app::f10()");
	assert_string_equal(name(&e, 0, 1, 0), "libdemo.so.1::f261()");
	assert_string_equal(name(&e, 0, 2, 0), "--- woken by f\xc3\xbcnf ---");
	assert_string_equal(name(&e, 0, 3, 0), "app::f10()");
	encoded_done(&e);
	/* Somebody else's process is not for everybody to see. */
	o.wakers = PPROF_WAKERS_SELECTED;
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->samples[0].n_locations, 1);
	encoded_done(&e);
	window_free(w);
}

static void test_folded(void **state)
{
	const struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1 };
	struct sample s = wait_sample(WAIT_lock, WAIT_LOCK_mutex, -1, 9);
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	s.folded = true;
	s.n_frames = 0;
	s.user_end = ABI_STACK_none;
	assert_int_equal(window_add(w, &s), 0);
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->samples[0].n_locations, 1);
	assert_string_equal(name(&e, 0, 0, 0), "[older waits]");
	assert_null(label(&e.profile->samples[0], "syscall"));
	encoded_done(&e);
	window_free(w);
}

/* As google/pprof's reader wants it: it takes one from each address. */
static void test_text(void **state)
{
	struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1 };
	struct symbolizer symbolizer = { 0 };
	struct window *w = a_few_waits();
	char *text;
	size_t size;

	(void)state;
	assert_int_equal(pprof_encode_text(&w, 1, &o, &symbolizer, &text, &size), 0);
	assert_int_equal(size, strlen(text));
	assert_string_equal(text, "--- contention:\n"
				  "cycles/second=1000000000\n"
				  "10000000 5 @ 0x401051\n"
				  "#\t0x401050\tapp::f10()\n\n"
				  "7000000 1 @ 0x30001\n"
				  "#\t0x30000\tpthread_mutex_lock\n\n"
				  "1000000 1 @ 0x401051\n"
				  "#\t0x401050\tapp::f10()\n\n");
	free(text);
	o.kind = ABI_KIND_MUTEX;
	assert_int_equal(pprof_encode_text(&w, 1, &o, &symbolizer, &text, &size), 0);
	assert_string_equal(text, "--- mutex:\n"
				  "cycles/second=1000000000\n"
				  "sampling period=1\n"
				  "40000000 1 @ 0x401051\n"
				  "#\t0x401050\tapp::f10()\n\n");
	free(text);
	o.kind = ABI_KIND_CPU;
	assert_int_equal(pprof_encode_text(&w, 1, &o, &symbolizer, &text, &size), -EINVAL);
	window_free(w);
}

static void compare_locations(const struct pprof_profile *a, const struct pprof_location *x,
			      const struct pprof_profile *b, const struct pprof_location *y)
{
	assert_true(x->address == y->address);
	assert_int_equal(x->n_lines, y->n_lines);
	assert_string_equal(a->mappings[x->mapping].file, b->mappings[y->mapping].file);
	for (uint32_t i = 0; i < x->n_lines; i++) {
		const struct pprof_function *f = &a->functions[x->lines[i].function];
		const struct pprof_function *g = &b->functions[y->lines[i].function];

		assert_string_equal(f->name, g->name);
		assert_string_equal(f->system_name, g->system_name);
		assert_string_equal(f->file, g->file);
		assert_int_equal(x->lines[i].line, y->lines[i].line);
	}
}

static void compare_samples(const struct pprof_profile *a, const struct pprof_profile *b)
{
	assert_int_equal(a->n_samples, b->n_samples);
	assert_int_equal(a->n_locations, b->n_locations);
	assert_int_equal(a->n_functions, b->n_functions);
	assert_int_equal(a->n_mappings, b->n_mappings);
	for (uint32_t i = 0; i < a->n_samples; i++) {
		const struct pprof_sample *s = &a->samples[i], *t = &b->samples[i];

		assert_int_equal(s->n_locations, t->n_locations);
		assert_memory_equal(s->values, t->values, 2 * sizeof(*s->values));
		for (uint32_t k = 0; k < s->n_locations; k++)
			compare_locations(a, &a->locations[s->locations[k]], b,
					  &b->locations[t->locations[k]]);
	}
}

/* What was made while the window was open changes nothing but what is left to do. */
static void test_made_ahead(void **state)
{
	struct symbolizer symbolizer = { .kernel_start = WORLD_KERNEL_START,
					 .kernel_end = WORLD_KERNEL_END };
	struct pprof_ahead *ahead = pprof_ahead_new(&symbolizer);
	struct pprof_options o = { .kind = ABI_KIND_CPU, .period = PERIOD, .ahead = ahead };
	struct window *w = window_new(0);
	struct pprof_profile *profile;
	uint64_t random = 7;
	struct encoded e;
	void *data;
	size_t size;

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct frame frames[12];
		struct sample sample = world_sample(&random, frames, ARRAY_SIZE(frames));

		sample.kind = ABI_KIND_CPU;
		assert_int_equal(window_add(w, &sample), 0);
		if (i % 150 == 149)
			pprof_ahead_step(ahead, w);
	}
	window_close(w, 1);
	e = encode_one(w, NULL);
	assert_int_equal(pprof_encode(&w, 1, &o, &symbolizer, &data, &size, NULL), 0);
	assert_int_equal(pprof_decode(data, size, &profile), 0);
	compare_samples(e.profile, profile);
	assert_true(symbolizer.prepared > 0 && symbolizer.prepared < e.symbolizer.prepared);
	assert_null(pprof_ahead_free(ahead));
	pprof_profile_free(profile);
	free(data);
	encoded_done(&e);
	window_free(w);
}

/* A file that is found while the window is open is in the profile as it was found. */
static void test_read_while_made_ahead(void **state)
{
	struct symbolizer symbolizer = {};
	struct pprof_ahead *ahead = pprof_ahead_new(&symbolizer);
	struct pprof_options o = { .kind = ABI_KIND_CPU, .period = PERIOD, .ahead = ahead };
	struct executable x = { .refs = 1, .path = (char *)"/late" };
	const struct frame frame = { .kind = FRAME_FILE, .executable = &x, .address = 0x100 };
	struct window *w = window_new(0);
	struct encoded e = {};

	(void)state;
	add(w, 0, ABI_STACK_complete, &frame, 1);
	pprof_ahead_step(ahead, w);
	x.path = (char *)"/usr/bin/late";
	x.build_id[0] = 3;
	x.build_id_size = 1;
	x.segments = first_segment;
	x.n_segments = 1;
	x.readable = true;
	assert_int_equal(pprof_encode(&w, 1, &o, &symbolizer, &e.data, &e.size, NULL), 0);
	assert_int_equal(pprof_decode(e.data, e.size, &e.profile), 0);
	assert_string_equal(mapping(&e, 0, 0)->file, "/usr/bin/late");
	assert_string_equal(mapping(&e, 0, 0)->build_id, "03");
	assert_int_equal(mapping(&e, 0, 0)->limit, 0x1000);
	assert_null(pprof_ahead_free(ahead));
	pprof_profile_free(e.profile);
	free(e.data);
	window_free(w);
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
		cmocka_unit_test(test_merging),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_names_make_monitors),
		cmocka_unit_test(test_wakers),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_made_ahead),
		cmocka_unit_test(test_read_while_made_ahead),
		cmocka_unit_test(test_tools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
