/* SPDX-License-Identifier: Apache-2.0 */
/* The block that lines travel in: what goes in comes out, and a damaged one is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "elf/line_table.h"

static void *example(size_t *ret_size)
{
	const struct line_frame frames[] = {
		{ "_ZN1a1bEv", "/src/a.h", 10, 3, 8, false },
		{ "main", "/src/main.c", 100, 7, 90, true },
	};
	const struct line_frame nameless = { .line = 5 };
	struct line_builder *b = line_builder_new(3);
	void *data;

	assert_non_null(b);
	assert_int_equal(line_builder_set(b, 2, frames, ARRAY_SIZE(frames)), 0);
	assert_int_equal(line_builder_set(b, 0, &nameless, 1), 0);
	assert_true(line_builder_has(b, 2));
	assert_false(line_builder_has(b, 1));
	assert_int_equal(line_builder_finish(b, &data, ret_size), 0);
	line_builder_free(b);
	return data;
}

static void test_what_goes_in_comes_out(void **state)
{
	struct line_frame frames[LINE_MAX_CHAIN];
	struct line_table t;
	size_t size;
	_cleanup_free_ void *data = example(&size);

	(void)state;
	assert_int_equal(line_table_open(data, size, 3, &t), 0);
	assert_int_equal(line_table_get(&t, 1, frames, LINE_MAX_CHAIN), 0);
	assert_int_equal(line_table_get(&t, 2, frames, 1), 1);
	assert_int_equal(line_table_get(&t, 2, frames, LINE_MAX_CHAIN), 2);
	assert_string_equal(frames[0].name, "_ZN1a1bEv");
	assert_string_equal(frames[1].file, "/src/main.c");
	assert_int_equal(frames[1].line, 100);
	assert_int_equal(frames[1].column, 7);
	assert_int_equal(frames[1].start_line, 90);
	assert_true(frames[1].is_exact && !frames[0].is_exact);
	assert_int_equal(line_table_get(&t, 0, frames, LINE_MAX_CHAIN), 1);
	assert_string_equal(frames[0].name, "");
	assert_string_equal(frames[0].file, "");
	assert_int_equal(frames[0].line, 5);
}

static void test_chains_and_strings_are_cut(void **state)
{
	struct line_frame frames[LINE_MAX_CHAIN + 1] = {};
	struct line_builder *b = line_builder_new(1);
	char text[LINE_MAX_STRING + 100];
	_cleanup_free_ void *data = NULL;
	struct line_table t;
	size_t size;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	frames[0].name = text;
	assert_int_equal(line_builder_set(b, 0, frames, ARRAY_SIZE(frames)), 0);
	assert_int_equal(line_builder_finish(b, &data, &size), 0);
	line_builder_free(b);
	assert_int_equal(line_table_open(data, size, 1, &t), 0);
	assert_int_equal(line_table_get(&t, 0, frames, ARRAY_SIZE(frames)), LINE_MAX_CHAIN);
	assert_int_equal(strlen(frames[0].name), LINE_MAX_STRING);
}

/* Whatever one byte is changed to, no look-up leaves the block (the sanitizer watches). */
static void test_damaged_blocks(void **state)
{
	struct line_frame frames[LINE_MAX_CHAIN];
	struct line_table t;
	size_t size, refused = 0;
	_cleanup_free_ void *data = example(&size);
	_cleanup_free_ uint8_t *copy = malloc(size);

	(void)state;
	assert_int_equal(line_table_open(data, size, 2, &t), -EBADMSG);
	for (size_t cut = 0; cut < size; cut++) {
		memcpy(copy, data, size);
		assert_int_equal(line_table_open(copy, cut, 3, &t), -EBADMSG);
	}
	for (size_t at = 0; at < size; at++) {
		memcpy(copy, data, size);
		copy[at] ^= 0xff;
		if (line_table_open(copy, size, 3, &t) < 0) {
			refused++;
			continue;
		}
		for (uint32_t i = 0; i < 3; i++)
			for (size_t k = line_table_get(&t, i, frames, LINE_MAX_CHAIN); k-- > 0;)
				assert_true(strlen(frames[k].name) + strlen(frames[k].file) < size);
	}
	assert_true(refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_goes_in_comes_out),
		cmocka_unit_test(test_chains_and_strings_are_cut),
		cmocka_unit_test(test_damaged_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
