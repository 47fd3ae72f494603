/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of waits: reasons, locks, wakers, and the text that Go's tools read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pprof_encoded.h"

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
	struct encoded e = encode_with(&w, 1, o);

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

/* Two processes wait alike: to who subtracts they are one, unless their labels differ. */
static void test_subtractable(void **state)
{
	struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1 };
	struct process twin = world_processes[0];
	struct process *const waiters[] = { &world_processes[0], &twin, &world_processes[1] };
	struct sample s = wait_sample(WAIT_pipe, 0, 0, 9);
	struct window *w = window_new(0);
	struct encoded e;

	(void)state;
	twin.tgid = 101;
	s.tid = 0;
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		s.process = waiters[i];
		assert_int_equal(window_add(w, &s), 0);
	}
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->n_samples, 3);
	assert_int_equal(label(&e.profile->samples[1], "pid")->number, 101);
	encoded_done(&e);
	o.subtractable = true;
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->n_samples, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct pprof_sample *one = &e.profile->samples[i];

		assert_null(label(one, "pid"));
		assert_string_equal(label(one, "comm")->string, "app");
		assert_int_equal(one->values[0], i ? 1 : 2);
		assert_int_equal(one->values[1], i ? 9000000 : 18000000);
	}
	assert_null(label(&e.profile->samples[0], "container"));
	assert_non_null(label(&e.profile->samples[1], "container"));
	encoded_done(&e);
	window_free(w);
}

static void test_folded(void **state)
{
	struct pprof_options o = { .kind = ABI_KIND_BLOCK, .time = 1 };
	struct symbolizer symbolizer = { 0 };
	char *text;
	size_t size;
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
	assert_false(has_comment(&e, "profd: folded_contentions=1"));
	encoded_done(&e);
	/* It was in other samples before: one of its own would be the same waits once more. */
	o.subtractable = true;
	e = encode_waits(w, &o);
	assert_int_equal(e.profile->n_samples, 0);
	assert_true(has_comment(&e, "profd: folded_contentions=1"));
	assert_true(has_comment(&e, "profd: folded_delay_ns=9000000"));
	encoded_done(&e);
	assert_int_equal(pprof_encode_text(&w, 1, &o, &symbolizer, &text, &size), 0);
	assert_string_equal(text, "--- contention:\n"
				  "cycles/second=1000000000\n"
				  "# profd: folded_contentions=1\n"
				  "# profd: folded_delay_ns=9000000\n");
	free(text);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_names_make_monitors),
		cmocka_unit_test(test_wakers),
		cmocka_unit_test(test_subtractable),
		cmocka_unit_test(test_folded),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
