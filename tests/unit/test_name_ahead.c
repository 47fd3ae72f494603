/* SPDX-License-Identifier: Apache-2.0 */
/* Names are asked for while a window is open: once each, and ever more often towards its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "name_ahead.h"
#include "profile_world.h"

#define END (8 * NS_PER_S)

static void add(struct window *w, uint64_t address)
{
	const struct frame frames[] = {
		{ .kind = FRAME_KERNEL, .address = WORLD_KERNEL_START },
		{ .kind = FRAME_FILE, .executable = &world_app, .address = address },
		{ .kind = FRAME_FILE, .executable = &world_library, .address = address },
		{ .kind = FRAME_ADDRESS, .address = address },
	};
	const struct sample sample = world_plain_sample(frames, ARRAY_SIZE(frames));

	assert_int_equal(window_add(w, &sample), 0);
}

/* How many frames are asked for at @now. */
static size_t step(struct name_ahead *a, struct window *w, uint64_t now)
{
	struct symbolizer s = {};

	name_ahead_step(a, w, &s, now);
	return s.wanted;
}

static void test_each_is_asked_for_once(void **state)
{
	struct name_ahead ahead = { .end = END }, *a = &ahead;
	struct window *w = window_new(0);

	(void)state;
	add(w, 0x1000);
	assert_int_equal(step(a, w, 1), 0);
	assert_int_equal(step(a, w, END / 2 - NS_PER_S), 0);
	assert_int_equal(step(a, w, END / 2 + 1), 4);
	add(w, 0x1000);
	add(w, 0x1010);
	assert_int_equal(step(a, w, END / 2 + 2), 0);
	assert_int_equal(step(a, w, END / 4 * 3 + 1), 3);
	assert_int_equal(step(a, w, END / 8 * 7 + 1), 0);
	/* So near to the end it is left to who encodes the window. */
	add(w, 0x1020);
	assert_int_equal(step(a, w, END - NS_PER_MS), 3);
	add(w, 0x1030);
	assert_int_equal(step(a, w, END), 0);
	window_free(w);
}

/* Also of one that is ended by hand, or in a long time. */
static void test_without_an_end(void **state)
{
	struct name_ahead ahead = { .end = UINT64_MAX }, *a = &ahead;
	struct window *w = window_new(0);

	(void)state;
	add(w, 0x1000);
	assert_int_equal(step(a, w, 1), 0);
	assert_int_equal(step(a, w, 60 * NS_PER_S), 4);
	add(w, 0x1010);
	assert_int_equal(step(a, w, 61 * NS_PER_S), 0);
	assert_int_equal(step(a, w, 120 * NS_PER_S), 3);
	window_free(w);
}

static void test_whole(void **state)
{
	struct window *w = window_new(0);
	struct symbolizer s = {};

	(void)state;
	add(w, 0x1000);
	add(w, 0x1010);
	window_close(w, 1);
	name_ahead_whole(w, &s);
	assert_int_equal(s.wanted, 7);
	window_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_asked_for_once),
		cmocka_unit_test(test_without_an_end),
		cmocka_unit_test(test_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
