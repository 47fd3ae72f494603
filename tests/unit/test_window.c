/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "profile_world.h"

struct sums {
	size_t entries;
	uint64_t samples;
	int64_t count, value;
	struct window_entry last;
	struct frame frames[SAMPLE_MAX_FRAMES];
};

static int sum(const struct window_entry *e, void *userdata)
{
	struct sums *s = userdata;

	s->entries++;
	s->samples += e->samples;
	s->count += e->count;
	s->value += e->value;
	s->last = *e;
	for (size_t i = 0; i < e->n_frames; i++)
		s->frames[i] = window_frame(e->window, e->frames[i], NULL);
	return 0;
}

static void test_empty(void **state)
{
	struct window *w = window_new(5);
	struct sums s = {};

	(void)state;
	assert_non_null(w);
	window_close(w, 9);
	assert_int_equal(window_start(w), 5);
	assert_int_equal(window_end(w), 9);
	assert_int_equal(window_samples(w), 0);
	assert_int_equal(window_each(w, sum, &s), 0);
	assert_int_equal(s.entries, 0);
	assert_null(window_free(w));
	assert_null(window_free(NULL));
}

/* Every kind of frame comes out as it went in, at the ends of its range too. */
static void test_frames_survive(void **state)
{
	const struct frame frames[] = {
		{ .kind = FRAME_KERNEL, .address = UINT64_MAX },
		{ .kind = FRAME_KERNEL, .address = 0xffff800080000000ULL },
		{ .kind = FRAME_FILE, .executable = &world_app, .address = 0 },
		{ .kind = FRAME_FILE,
		  .executable = &world_library,
		  .address = ABI_FRAME_OFFSET_MASK,
		  .guessed = true },
		{ .kind = FRAME_ADDRESS, .address = 0 },
		{ .kind = FRAME_ADDRESS, .address = ABI_FRAME_ADDRESS_MASK, .guessed = true },
	};
	struct sample sample = world_plain_sample(frames, ARRAY_SIZE(frames));
	struct window *w = window_new(0);
	struct sums s = {};

	(void)state;
	assert_int_equal(window_add(w, &sample), 0);
	window_each(w, sum, &s);
	assert_int_equal(s.entries, 1);
	assert_int_equal(s.last.n_frames, ARRAY_SIZE(frames));
	assert_ptr_equal(s.last.process, &world_processes[0]);
	assert_int_equal(s.last.tid, 7);
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		assert_int_equal(s.frames[i].kind, frames[i].kind);
		assert_true(s.frames[i].address == frames[i].address);
		assert_ptr_equal(s.frames[i].executable, frames[i].executable);
		assert_int_equal(s.frames[i].guessed, frames[i].guessed);
	}
	assert_int_equal(window_quality(w, ABI_KIND_CPU)->user_frames, 4);
	assert_int_equal(window_quality(w, ABI_KIND_CPU)->user_frames_guessed, 2);
	assert_int_equal(window_quality(w, ABI_KIND_CPU)->frames, 6);
	window_free(w);
}

static void test_equal_samples_are_one_entry(void **state)
{
	struct frame frame = { .kind = FRAME_FILE, .executable = &world_app, .address = 0x1050 };
	struct sample sample = { .kind = ABI_KIND_CPU,
				 .user_end = ABI_STACK_complete,
				 .tid = 1,
				 .value = 10,
				 .count = 2,
				 .process = &world_processes[0],
				 .n_frames = 1,
				 .frames = &frame };
	const struct frame waker_frame = { .kind = FRAME_KERNEL,
					   .address = WORLD_KERNEL_START + 5 };
	struct window *w = window_new(0);
	struct sums s = {};

	(void)state;
	window_add(w, &sample);
	window_add(w, &sample);
	window_each(w, sum, &s);
	assert_int_equal(s.entries, 1);
	assert_int_equal(s.samples, 2);
	assert_int_equal(s.count, 4);
	assert_int_equal(s.value, 20);

	/* Each of these makes an entry of its own. */
	sample.tid = 2;
	window_add(w, &sample);
	sample.kind = ABI_KIND_BLOCK;
	window_add(w, &sample);
	sample.wait.reason = WAIT_disk;
	window_add(w, &sample);
	sample.wait.system_call = 7;
	window_add(w, &sample);
	sample.waker = &world_processes[2];
	window_add(w, &sample);
	sample.n_waker_frames = 1;
	sample.waker_frames = &waker_frame;
	window_add(w, &sample);
	sample.folded = true;
	window_add(w, &sample);
	sample.user_end = ABI_STACK_too_deep;
	window_add(w, &sample);
	sample.process = &world_processes[1];
	window_add(w, &sample);
	frame.address++;
	window_add(w, &sample);
	sample.n_frames = 0;
	window_add(w, &sample);
	s = (struct sums){};
	window_each(w, sum, &s);
	assert_int_equal(s.entries, 12);
	assert_int_equal(s.last.n_frames, 0);
	assert_int_equal(s.last.n_waker_frames, 1);
	assert_int_equal(window_frame(w, s.last.waker_frames[0], NULL).address,
			 waker_frame.address);
	assert_ptr_equal(s.last.waker, &world_processes[2]);
	assert_true(s.last.folded);
	assert_int_equal(s.last.wait.system_call, 7);
	/* Each kind has a quality record of its own. */
	assert_int_equal(window_samples(w), 6);
	assert_int_equal(window_quality(w, ABI_KIND_CPU)->samples_attempted, 3);
	assert_int_equal(window_quality(w, ABI_KIND_CPU)->user_stacks[ABI_STACK_too_deep], 0);
	assert_int_equal(window_quality(w, ABI_KIND_BLOCK)->samples_attempted, 10);
	assert_int_equal(window_quality(w, ABI_KIND_BLOCK)->user_stacks[ABI_STACK_too_deep], 4);
	assert_true(window_has_kind(w, ABI_KIND_CPU) && window_has_kind(w, ABI_KIND_BLOCK));
	assert_false(window_has_kind(w, ABI_KIND_MUTEX) || window_has_kind(w, ABI_KIND_WAKER));
	/* What cannot be in a window is not. */
	sample.kind = ABI_KIND_WAKER;
	assert_int_equal(window_add(w, &sample), -EOVERFLOW);
	window_free(w);
}

static void test_references(void **state)
{
	struct frame frame = { .kind = FRAME_FILE, .executable = &world_app, .address = 1 };
	struct sample sample = { .kind = ABI_KIND_CPU,
				 .process = &world_processes[0],
				 .n_frames = 1,
				 .frames = &frame };
	uint32_t process_refs = world_processes[0].refs, executable_refs = world_app.refs;
	struct window *w = window_new(0);

	(void)state;
	window_add(w, &sample);
	window_add(w, &sample);
	assert_int_equal(world_processes[0].refs, process_refs + 1);
	assert_int_equal(world_app.refs, executable_refs + 1);
	window_free(w);
	assert_int_equal(world_processes[0].refs, process_refs);
	assert_int_equal(world_app.refs, executable_refs);
}

static void test_bounds(void **state)
{
	static struct frame frames[SAMPLE_MAX_FRAMES + 1];
	struct sample sample = { .kind = ABI_KIND_CPU,
				 .process = &world_processes[0],
				 .count = INT64_MAX,
				 .value = INT64_MAX,
				 .n_frames = SAMPLE_MAX_FRAMES + 1,
				 .frames = frames };
	struct window *w = window_new(0);
	struct sums s = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		frames[i] = (struct frame){ .kind = FRAME_ADDRESS, .address = i };
	assert_int_equal(window_add(w, &sample), -EOVERFLOW);
	sample.n_frames--;
	assert_int_equal(window_add(w, &sample), 0);
	assert_int_equal(window_add(w, &sample), 0);
	frames[0] = (struct frame){ .kind = FRAME_FILE,
				    .executable = &world_app,
				    .address = ABI_FRAME_OFFSET_MASK + 1 };
	assert_int_equal(window_add(w, &sample), -EOVERFLOW);
	window_each(w, sum, &s);
	assert_int_equal(s.entries, 1);
	assert_true(s.value == INT64_MAX);
	assert_true(window_samples(w) == INT64_MAX);
	assert_int_equal(window_quality(w, ABI_KIND_CPU)->samples_attempted, 2);
	window_free(w);
}

/* What goes in comes out, whatever it is and in whatever order. */
static void test_sums(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct window *w = window_new(0);
		uint64_t random = seed * 0x9e3779b97f4a7c15ULL;
		struct sums in = {}, out = {};
		size_t open_bytes;

		for (int i = 0; i < 2000; i++) {
			struct frame frames[12];
			struct sample sample = world_sample(&random, frames, ARRAY_SIZE(frames));

			assert_int_equal(window_add(w, &sample), 0);
			in.samples++;
			in.count += sample.count;
			in.value += sample.value;
		}
		open_bytes = window_memory(w);
		window_close(w, 1);
		assert_true(window_memory(w) < open_bytes);
		window_each(w, sum, &out);
		assert_int_equal(out.samples, in.samples);
		assert_int_equal(out.count, in.count);
		assert_int_equal(out.value, in.value);
		assert_int_equal(window_samples(w), in.count);
		assert_true(window_memory(w) > 0);
		window_free(w);
	}
}

/* More than are remembered by their words at one time, in turns; and which process has them. */
static void test_stacks_that_come_again(void **state)
{
	enum { STACKS = 1000, ROUNDS = 3 };
	struct window *w = window_new(0);
	struct sums s = {};

	(void)state;
	for (unsigned int i = 0; i < ROUNDS * STACKS; i++) {
		const struct frame frames[] = {
			{ .kind = FRAME_FILE, .executable = &world_app, .address = i % STACKS },
			{ .kind = i % 2 ? FRAME_ADDRESS : FRAME_KERNEL,
			  .address = i % 2 ? 0x7000 : WORLD_KERNEL_START },
		};

		for (unsigned int p = 0; p < 2; p++) {
			const struct sample sample = {
				.kind = ABI_KIND_CPU,
				.user_end = ABI_STACK_complete,
				.tid = 1,
				.value = 10,
				.count = 1,
				.process = &world_processes[p],
				.n_frames = ARRAY_SIZE(frames),
				.frames = frames,
			};

			assert_int_equal(window_add(w, &sample), 0);
		}
	}
	assert_int_equal(window_each(w, sum, &s), 0);
	assert_int_equal(s.entries, 2 * STACKS);
	assert_int_equal(s.samples, 2 * STACKS * ROUNDS);
	/* Code without a file is another in each process; all else is one, of the last that had it.
	 */
	assert_int_equal(window_frames(w), STACKS + 1 + 2);
	for (uint32_t id = 1; id <= window_frames(w); id++) {
		struct process *process;
		struct frame f = window_frame(w, id, &process);

		if (f.kind != FRAME_ADDRESS)
			assert_ptr_equal(process, &world_processes[1]);
	}
	for (uint32_t i = 0; i < window_entries(w); i++) {
		struct window_entry e = window_get(w, i);
		struct process *process;

		if (window_frame(w, e.frames[1], &process).kind == FRAME_ADDRESS)
			assert_ptr_equal(process, e.process);
	}
	window_free(w);
}

static int stop(const struct window_entry *e, void *userdata)
{
	(void)e;
	return ++*(int *)userdata == 2 ? -EINTR : 0;
}

static void test_each_stops(void **state)
{
	struct window *w = window_new(0);
	struct sample sample = { .kind = ABI_KIND_CPU, .process = &world_processes[0] };
	int calls = 0;

	(void)state;
	for (sample.tid = 0; sample.tid < 5; sample.tid++)
		window_add(w, &sample);
	assert_int_equal(window_each(w, stop, &calls), -EINTR);
	assert_int_equal(calls, 2);
	window_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_frames_survive),
		cmocka_unit_test(test_equal_samples_are_one_entry),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_stacks_that_come_again),
		cmocka_unit_test(test_each_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
