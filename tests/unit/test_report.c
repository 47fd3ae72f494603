/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "profile/pprof.h"
#include "profile/report.h"

/*
 * main calls work, work calls itself and has leaf inlined; "work" is also the name of a function of
 * another file; location 4 has no function.
 */
static struct pprof_function functions[] = {
	{ "main", "main", "a.c" },
	{ "work", "work", "a.c" },
	{ "leaf", "leaf", "a.c" },
	{ "work", "work", "b.c" },
};
static struct pprof_line lines[] = {
	{ 0, 1, 0 }, { 2, 5, 0 }, { 1, 2, 0 }, { 1, 3, 0 }, { 3, 4, 0 }
};
static struct pprof_location locations[] = {
	{ .n_lines = 1, .lines = &lines[0] }, /* main */
	{ .n_lines = 2, .lines = &lines[1] }, /* leaf in work */
	{ .n_lines = 1, .lines = &lines[3] }, /* work */
	{ .n_lines = 1, .lines = &lines[4] }, /* the other work */
	{ .n_lines = 0 },
};
static struct pprof_label labels[][3] = {
	{ { .key = "pid", .number = 10, .unit = "pid" },
	  { .key = "comm", .string = "alpha" },
	  { .key = "unit", .string = "a.service" } },
	{ { .key = "pid", .number = 20, .unit = "pid" }, { .key = "comm", .string = "beta" } },
	{ { .key = "pid", .number = 10, .unit = "pid" }, { .key = "comm", .string = "gamma" } },
};
static struct pprof_sample samples[] = {
	{ 4, 3, (uint32_t[]){ 1, 2, 2, 0 }, (int64_t[]){ 1, 100 }, labels[0] },
	{ 2, 2, (uint32_t[]){ 2, 0 }, (int64_t[]){ 1, 10 }, labels[1] },
	{ 2, 2, (uint32_t[]){ 3, 0 }, (int64_t[]){ 1, 500 }, labels[1] },
	{ 2, 3, (uint32_t[]){ 4, 0 }, (int64_t[]){ 1, 7 }, labels[0] },
	{ 0, 2, NULL, (int64_t[]){ 1, 3 }, labels[2] },
};
static struct pprof_profile profile = {
	.n_types = 2,
	.n_samples = ARRAY_SIZE(samples),
	.n_locations = ARRAY_SIZE(locations),
	.n_functions = ARRAY_SIZE(functions),
	.samples = samples,
	.locations = locations,
	.functions = functions,
};

static void check(const struct report_row *row, const char *name, int64_t flat, int64_t cumulative)
{
	assert_string_equal(row->name, name);
	assert_int_equal(row->flat, flat);
	assert_int_equal(row->cumulative, cumulative);
}

static void test_top(void **state)
{
	_cleanup_free_ struct report_row *rows = NULL;
	int64_t total;
	size_t n;

	(void)state;
	assert_int_equal(report_top(&profile, 1, 0, &rows, &n, &total), 0);
	assert_int_equal(total, 620);
	assert_int_equal(n, 4);
	check(&rows[0], "work", 510, 610);
	check(&rows[1], "leaf", 100, 100);
	check(&rows[2], "<unknown>", 7, 7);
	check(&rows[3], "main", 0, 617);
}

static void test_top_by_cumulative(void **state)
{
	_cleanup_free_ struct report_row *rows = NULL;
	int64_t total;
	size_t n;

	(void)state;
	assert_int_equal(report_top(&profile, 0, 1, &rows, &n, &total), 0);
	assert_int_equal(total, 5);
	check(&rows[0], "main", 0, 4);
	check(&rows[1], "work", 2, 3);
}

static void test_processes(void **state)
{
	_cleanup_free_ struct report_process *rows = NULL;
	size_t n;

	(void)state;
	assert_int_equal(report_processes(&profile, 1, &rows, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(rows[0].pid, 20);
	assert_int_equal(rows[0].value, 510);
	assert_string_equal(rows[0].comm, "beta");
	assert_null(rows[0].unit);
	assert_int_equal(rows[1].pid, 10);
	assert_int_equal(rows[1].value, 107);
	assert_string_equal(rows[1].unit, "a.service");
	assert_string_equal(rows[2].comm, "gamma");
}

static void test_limits(void **state)
{
	struct pprof_profile empty = { .n_types = 1 };
	_cleanup_free_ struct report_process *processes = NULL;
	_cleanup_free_ struct report_row *rows = NULL;
	int64_t total;
	size_t n;

	(void)state;
	assert_int_equal(report_top(&profile, 2, 0, &rows, &n, &total), -EINVAL);
	assert_int_equal(report_processes(&profile, 2, &processes, &n), -EINVAL);
	assert_int_equal(report_top(&empty, 0, 0, &rows, &n, &total), 0);
	assert_int_equal(n, 0);
	assert_int_equal(total, 0);
	assert_int_equal(report_processes(&empty, 0, &processes, &n), 0);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_top_by_cumulative),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
