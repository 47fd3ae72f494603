/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes to valid UTF-8, into any room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/utf8.h"

static void test_clean(void **state)
{
	static const struct {
		const char *in, *out;
	} texts[] = {
		{ "plain", "plain" },
		{ "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80",
		  "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "a\xff"
		  "b",
		  "a\xef\xbf\xbd"
		  "b" },
		{ "\xc3", "\xef\xbf\xbd" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "a\nb\x7f", "a\xef\xbf\xbd"
			      "b\xef\xbf\xbd" },
		{ "\xc2\x85", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "", "" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t n = utf8_clean(text, sizeof(text), texts[i].in, strlen(texts[i].in));

		assert_string_equal(text, texts[i].out);
		assert_int_equal(n, strlen(text));
	}
	/* Cut between characters, and never beyond the buffer. */
	for (size_t size = 4; size < 14; size++) {
		size_t n = utf8_clean(text, size,
				      "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 12);

		assert_true(n < size);
		assert_int_equal(strlen(text), n);
		assert_true(size == 13 ? n == 12 : (n - 3) % 3 == 0);
	}
}

static void test_has_control(void **state)
{
	(void)state;
	assert_false(utf8_has_control(""));
	assert_false(utf8_has_control("na\xc3\xafve \xc2\xa0 \xe2\x82\x80 \xf0\x9f\x98\x80~"));
	assert_true(utf8_has_control("a\x1b[31m"));
	assert_true(utf8_has_control("\x7f"));
	assert_true(utf8_has_control("a\n"));
	assert_true(utf8_has_control("\xc2\x85"));
}

static void test_copy(void **state)
{
	static const struct {
		const char *in, *out;
	} texts[] = {
		{ "/tmp/a\nb", "/tmp/a\nb" },
		{ "\xc2\x85", "\xc2\x85" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x8f\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xff", "\xef\xbf\xbd" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(utf8_copy(text, sizeof(text), texts[i].in), strlen(texts[i].out));
		assert_string_equal(text, texts[i].out);
	}
	/* Cut between characters, without a sign of it. */
	for (size_t size = 1; size < 14; size++) {
		size_t n =
			utf8_copy(text, size, "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac");

		assert_int_equal(n, (size - 1) / 3 * 3);
		assert_int_equal(strlen(text), n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_has_control),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
