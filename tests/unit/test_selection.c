/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "profile/selection.h"

static const struct process nginx = {
	.tgid = 77,
	.comm = (char *)"nginx",
	.unit = (char *)"nginx.service",
	.container = (char *)"0123456789abcdef0123456789abcdef",
};
static const struct process plain = { .tgid = 78, .comm = (char *)"nginx2" };

static void test_everything(void **state)
{
	struct selection s = {};

	(void)state;
	assert_true(selection_is_everything(NULL));
	assert_true(selection_is_everything(&s));
	assert_true(selection_matches(NULL, &plain));
	assert_true(selection_matches(&s, &plain));
	s.n_pids = 1;
	assert_false(selection_is_everything(&s));
	s = (struct selection){ .container = (char *)"x" };
	assert_false(selection_is_everything(&s));
}

static void test_each_criterion(void **state)
{
	static const struct {
		struct selection selection;
		bool nginx, plain;
	} cases[] = {
		{ { .pids = { 5, 77 }, .n_pids = 2 }, true, false },
		{ { .pids = { 5 }, .n_pids = 1 }, false, false },
		{ { .comm = (char *)"nginx" }, true, false },
		{ { .comm = (char *)"nginx2" }, false, true },
		{ { .unit = (char *)"nginx.service" }, true, false },
		{ { .unit = (char *)"nginx" }, true, false },
		{ { .unit = (char *)"ngin" }, false, false },
		{ { .unit = (char *)"nginx.servic" }, false, false },
		{ { .container = (char *)"01234567" }, true, false },
		{ { .container = (char *)"0123456" }, false, false },
		{ { .container = (char *)"0123456789abcdef0123456789abcdef" }, true, false },
		{ { .container = (char *)"0123456789abcdef0123456789abcdef0" }, false, false },
		/* All must hold. */
		{ { .pids = { 77 }, .n_pids = 1, .comm = (char *)"nginx2" }, false, false },
		{ { .pids = { 78 }, .n_pids = 1, .comm = (char *)"nginx2" }, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(selection_matches(&cases[i].selection, &nginx), cases[i].nginx);
		assert_int_equal(selection_matches(&cases[i].selection, &plain), cases[i].plain);
	}
}

static void test_copy(void **state)
{
	struct selection s = {
		.pids = { 77, 1 }, .n_pids = 2, .comm = (char *)"nginx", .unit = (char *)"nginx"
	};
	struct selection copy;

	(void)state;
	assert_int_equal(selection_copy(&s, &copy), 0);
	assert_int_equal(copy.n_pids, 2);
	assert_int_equal(copy.pids[1], 1);
	assert_string_equal(copy.comm, "nginx");
	assert_ptr_not_equal(copy.comm, s.comm);
	assert_true(selection_matches(&copy, &nginx));
	assert_null(copy.container);
	selection_done(&copy);
	assert_true(selection_is_everything(&copy));
	assert_int_equal(selection_copy(NULL, &copy), 0);
	assert_true(selection_is_everything(&copy));
	selection_done(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_each_criterion),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
