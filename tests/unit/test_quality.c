/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "profile/quality.h"

static void join(const char *text, void *userdata)
{
	strcat(userdata, text);
	strcat(userdata, "\n");
}

static void test_lines(void **state)
{
	struct quality q = { .samples_attempted = 10, .samples_lost = 1, .frames = 33 };
	char text[2048] = "";

	(void)state;
	q.user_stacks[ABI_STACK_none] = 2;
	q.user_stacks[ABI_STACK_complete] = 4;
	q.user_stacks[ABI_STACK_too_deep] = 3;
	q.user_stacks[ABI_STACK_slice_cut] = 1;
	q.user_stacks[ABI_STACK_exec] = 6;
	q.frames_unnamed = 5;
	q.unnamed[UNNAMED_stripped] = 3;
	q.unnamed[UNNAMED_gone] = 2;
	quality_lines(&q, join, text);
	assert_string_equal(text, "profd: samples_attempted=10\n"
				  "profd: samples_lost=1\n"
				  "profd: sideband_lost=0\n"
				  "profd: user_stacks_attempted=8\n"
				  "profd: user_stacks_complete=4\n"
				  "profd: user_stacks_truncated_too_deep=3\n"
				  "profd: user_stacks_truncated_slice_cut=1\n"
				  "profd: user_stacks_in_exec=6\n"
				  "profd: user_frames_guessed=0\n"
				  "profd: user_stacks_from_slices=0\n"
				  "profd: frames=33\n"
				  "profd: frames_unnamed=5\n"
				  "profd: frames_unnamed_stripped=3\n"
				  "profd: frames_unnamed_gone=2\n");
}

/* Every member is a uint64_t: filled with a pattern, each must have been added. */
static void test_add_adds_everything(void **state)
{
	struct quality sum, q;
	uint64_t words[sizeof(q) / sizeof(uint64_t)];

	(void)state;
	_Static_assert(sizeof(q) % sizeof(uint64_t) == 0, "made of uint64_t");
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		words[i] = i + 1;
	memcpy(&q, words, sizeof(q));
	memcpy(&sum, words, sizeof(sum));
	quality_add(&sum, &q);
	memcpy(words, &sum, sizeof(sum));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		assert_int_equal(words[i], 2 * (i + 1));
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(quality_end_name(ABI_STACK_complete), "complete");
	assert_string_equal(quality_end_name(ABI_STACK_internal), "internal");
	assert_string_equal(quality_end_name(ABI_STACK_ENDS_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_add_adds_everything),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
