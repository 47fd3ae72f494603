/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "profile/lock_frames.h"
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
	assert_int_equal(report_top(&profile, 1, NULL, 0, &rows, &n, &total), 0);
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
	assert_int_equal(report_top(&profile, 0, NULL, 1, &rows, &n, &total), 0);
	assert_int_equal(total, 5);
	check(&rows[0], "main", 0, 4);
	check(&rows[1], "work", 2, 3);
}

/* Who calls "leaf" has its time, and what has no caller stays. */
static void test_frames_that_are_dropped(void **state)
{
	_cleanup_free_ struct report_row *rows = NULL, *of_roots = NULL;
	int64_t total;
	size_t n;

	(void)state;
	assert_int_equal(report_top(&profile, 1, "le.f|wor", 0, &rows, &n, &total), 0);
	assert_int_equal(total, 620);
	assert_int_equal(n, 3);
	check(&rows[0], "work", 610, 610);
	check(&rows[1], "<unknown>", 7, 7);
	check(&rows[2], "main", 0, 617);
	assert_int_equal(report_top(&profile, 1, "main|work", 0, &of_roots, &n, &total), 0);
	check(&of_roots[0], "work", 510, 610);
	check(&of_roots[1], "leaf", 100, 100);
}

static void test_functions_that_locks_are_made_of(void **state)
{
	static const struct {
		const char *name;
		bool dropped;
	} cases[] = {
		{ "pthread_mutex_lock", true },
		{ "___pthread_cond_clockwait64", true },
		{ "__lll_lock_wait_private", true },
		{ "__futex_abstimed_wait_common", true },
		{ "__new_sem_wait_slow64.constprop.0", true },
		{ "__timedwait_cp", true },
		{ "std::shared_mutex::lock_shared", true },
		{ "std::_V2::condition_variable_any::notify_one", true },
		{ "std::shared_lock<std::shared_mutex>::shared_lock", true },
		{ "<std::sys::sync::mutex::futex::Mutex>::lock_contended", true },
		{ "std::sys::unix::locks::futex_mutex::Mutex::lock_contended", true },
		{ "<std::sync::poison::mutex::Mutex<u64>>::lock", true },
		{ "core::ptr::drop_in_place::<std::sync::poison::mutex::MutexGuard<u64>>", true },
		{ "parking_lot::raw_mutex::RawMutex::lock_slow", true },
		{ "runtime.lock2", true },
		{ "ObjectMonitor::enter", true },
		{ "monitorenter_nofpu Runtime1 stub", true },
		{ "take_gil", true },
		{ "LWLockAcquire", true },
		{ "[truncated: no_frame_pointer]", true },
		/* They call what is given to them, which may wait for anything. */
		{ "pthread_once", false },
		{ "__pthread_once_slow", false },
		{ "pthread_exit", false },
		{ "std::call_once<main::{lambda()#1}>", false },
		{ "std::sys::sync::once::futex::Once::call", false },
		{ "<std::sync::lazy_lock::LazyLock<T>>::force", false },
		{ "runtime.main", false },
		/* Programs' own, by names alike; and what the kernel waits in. */
		{ "office::Desk::holds_mutex", false },
		{ "app::mutex::Mutex::with", false },
		{ "sem_take", false },
		{ "wait", false },
		{ "lock", false },
		{ "syscalls", false },
		{ "LWLockHolders::report", false },
		{ "io_schedule", false },
		{ "futex_do_wait", false },
	};
	_cleanup_free_ char *pattern = NULL;
	regex_t regex;

	(void)state;
	assert_true(asprintf(&pattern, "^(%s)$", lock_frames()) > 0);
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (cases[i].dropped != (regexec(&regex, cases[i].name, 0, NULL, 0) == 0))
			fail_msg("%s", cases[i].name);
	regfree(&regex);
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
	assert_int_equal(report_top(&profile, 2, NULL, 0, &rows, &n, &total), -EINVAL);
	assert_int_equal(report_top(&profile, 1, "(", 0, &rows, &n, &total), -EINVAL);
	assert_int_equal(report_processes(&profile, 2, &processes, &n), -EINVAL);
	assert_int_equal(report_top(&empty, 0, NULL, 0, &rows, &n, &total), 0);
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
		cmocka_unit_test(test_frames_that_are_dropped),
		cmocka_unit_test(test_functions_that_locks_are_made_of),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
