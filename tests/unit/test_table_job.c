/* SPDX-License-Identifier: Apache-2.0 */
/* Unwinding tables built in the parser process are those that are built here. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "unwind/table.h"
#include "unwind/table_job.h"
#include "worker/worker.h"
#include "worker_wait.h"

static const struct worker_job jobs[] = { { "table", table_job_run } };

static int setup(void **state)
{
	const struct worker_options o = { .jobs = jobs,
					  .n_jobs = ARRAY_SIZE(jobs),
					  .time_limit = 60 * NS_PER_S };

	return worker_new(&o, (struct worker **)state, NULL);
}

static int teardown(void **state)
{
	worker_free(*state);
	return 0;
}

static void assert_same_tables(struct worker *worker, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ void *here = NULL, *there = NULL;
	size_t size_here, size_there;
	struct table_answer answer;

	assert_true(fd >= 0);
	assert_int_equal(table_job_run(&fd, 1, NULL, 0, &here, &size_here), 0);
	assert_int_equal(worker_wait(worker, 0, &fd, 1, NULL, 0, &there, &size_there), 0);
	assert_int_equal(table_job_check(there, size_there, &answer), 0);
	assert_true(((struct unwind_table *)there)->n_rows > 100);
	assert_int_equal(size_there, size_here);
	assert_memory_equal(there, here, size_here);
	assert_false(answer.wants_debug_file || answer.has_debug_file);
}

static void test_same_as_here(void **state)
{
	Dl_info libc;

	assert_true(dladdr(dlsym(RTLD_DEFAULT, "getaddrinfo"), &libc) != 0);
	assert_same_tables(*state, libc.dli_fname);
	assert_same_tables(*state, "/proc/self/exe");
}

static void test_refuses_what_is_not_elf(void **state)
{
	_cleanup_close_ int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ void *data = NULL;
	size_t size;

	assert_int_equal(worker_wait(*state, 0, &fd, 1, NULL, 0, &data, &size), -ENOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_as_here, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_what_is_not_elf, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
