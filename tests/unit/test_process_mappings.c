/* SPDX-License-Identifier: Apache-2.0 */
/* What the process table keeps of mappings: names, sharing after fork(), bounds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "process/mappings.h"
#include "process_events.h"

static void test_script(void **state)
{
	struct process_table *t = *state;

	run(t, 100, 50, "script.sh", "/usr/bin/dash");
	assert_string_equal(look(t, 50, 150)->comm, "script.sh");
	assert_string_equal(look(t, 50, 150)->executable, "/usr/bin/dash");
}

static void test_static_binary_and_jit(void **state)
{
	struct process_table *t = *state;
	struct process_mapping m;

	fork_process(t, 100, 50, 1);
	exec(t, 101, 50, "busybox");
	map(t, 102, 50, 0x8000, "//anon");
	map(t, 103, 50, 0x20000, "[vdso]");
	map(t, 104, 50, 0x1000, "/bin/busybox");
	assert_string_equal(look(t, 50, 150)->executable, "/bin/busybox");
	assert_int_equal(process_table_mapping(t, 50, 0, 0x8000, &m), -ENOENT);
	assert_int_equal(process_table_mapping(t, 50, 0, 0x20000, &m), 0);
	assert_string_equal(m.path, "[vdso]");
	/* Code made at run time in the place of a file hides it. */
	map(t, 105, 50, 0x1800, "//anon");
	assert_int_equal(process_table_mapping(t, 50, 0, 0x17ff, &m), 0);
	assert_int_equal(process_table_mapping(t, 50, 0, 0x1800, &m), -ENOENT);
}

static void test_fork_inherits(void **state)
{
	struct process_table *t = *state;
	struct process_mapping m;

	run(t, 100, 50, "sh", "/bin/sh");
	fork_process(t, 200, 51, 50);
	assert_string_equal(look(t, 51, 201)->comm, "sh");
	assert_string_equal(look(t, 51, 201)->executable, "/bin/sh");
	assert_int_equal(look(t, 51, 201)->parent, 50);
	assert_int_equal(process_table_mapping(t, 51, 0, 0x1000, &m), 0);
	/* posix_spawn: the child execs, the parent stays what it is. */
	exec(t, 202, 51, "true");
	map(t, 203, 51, 0x1000, "/bin/true");
	assert_int_equal(process_table_mapping(t, 51, 0, 0x1000, &m), 0);
	assert_string_equal(m.path, "/bin/true");
	assert_int_equal(process_table_mapping(t, 50, 0, 0x1000, &m), 0);
	assert_string_equal(m.path, "/bin/sh");
	assert_string_equal(look(t, 50, 204)->comm, "sh");
}

static void test_shared_mappings_are_copied_on_change(void **state)
{
	struct process_table *t = *state;
	struct process_mapping m;

	run(t, 100, 50, "sh", "/bin/sh");
	fork_process(t, 200, 51, 50);
	map(t, 201, 51, 0x40000, "/lib/plugin.so");
	assert_int_equal(process_table_mapping(t, 51, 0, 0x40000, &m), 0);
	assert_int_equal(process_table_mapping(t, 51, 0, 0x10000, &m), 0);
	assert_int_equal(process_table_mapping(t, 50, 0, 0x40000, &m), -ENOENT);
	assert_int_equal(stats(t).mappings, 3 + 4);
}

static void test_deleted_and_memfd(void **state)
{
	struct process_table *t = *state;
	struct process_mapping m;

	run(t, 100, 50, "x", "/tmp/x (deleted)");
	assert_string_equal(look(t, 50, 150)->executable, "/tmp/x");
	assert_int_equal(process_table_mapping(t, 50, 0, 0x1000, &m), 0);
	assert_string_equal(m.path, "/tmp/x");
	assert_true(m.deleted);
	run(t, 100, 51, "3", "/memfd:code (deleted)");
	assert_string_equal(look(t, 51, 150)->executable, "/memfd:code");
	run(t, 100, 52, "y", "/tmp/ (deleted)y");
	assert_string_equal(look(t, 52, 150)->executable, "/tmp/ (deleted)y");
}

static void test_hostile_names(void **state)
{
	struct process_table *t = *state;
	char path[5000];

	run(t, 100, 50, "a\xff\xc0\x80z", "/tmp/\xe4\xf6");
	assert_string_equal(look(t, 50, 150)->comm, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
	assert_string_equal(look(t, 50, 150)->executable, "/tmp/\xef\xbf\xbd\xef\xbf\xbd");
	run(t, 200, 51, "\xe2\x82\xac\xf0\x9f\x98\x80", "/tmp/\xed\xa0\x80\xe2\x82");
	assert_string_equal(look(t, 51, 250)->comm, "\xe2\x82\xac\xf0\x9f\x98\x80");
	memset(path, '\xff', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	run(t, 300, 52, path, path);
	assert_in_range(strlen(look(t, 52, 350)->comm), 1, 64);
	assert_in_range(strlen(look(t, 52, 350)->executable), 1, 4096);
}

static void test_mappings_are_bounded(void **state)
{
	struct process_table *t = *state;
	struct process_mapping m;

	run(t, 1, 50, "loader", "/bin/loader");
	for (uint64_t i = 0; i < 3 * MAPPINGS_MAX; i++)
		map(t, 10 + i, 50, 0x100000 + i * 0x2000, "/lib/plugin.so");
	assert_in_range(stats(t).mappings, MAPPINGS_MAX / 2, MAPPINGS_MAX);
	assert_true(stats(t).mappings_dropped > 0);
	assert_int_equal(
		process_table_mapping(t, 50, 0, 0x100000 + (3 * MAPPINGS_MAX - 1) * 0x2000ULL, &m),
		0);
	/* The same place again and again is one mapping. */
	run(t, 1, 51, "loader", "/bin/loader");
	for (uint64_t i = 0; i < 100; i++)
		map(t, 10 + i, 51, 0x100000, "/lib/plugin.so");
	exit_thread(t, 900000, 50, 50);
	process_table_expire(t, 3600 * NS_PER_S);
	assert_int_equal(stats(t).mappings, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_script),
		TEST(test_static_binary_and_jit),
		TEST(test_fork_inherits),
		TEST(test_shared_mappings_are_copied_on_change),
		TEST(test_deleted_and_memfd),
		TEST(test_hostile_names),
		TEST(test_mappings_are_bounded),
	};

	return cmocka_run_group_tests_name("process_mappings", tests, NULL, NULL);
}
