/* SPDX-License-Identifier: Apache-2.0 */
/* The parser worker: jobs that answer, refuse, crash, hang, eat memory or try to get out. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "worker/worker.h"
#include "scratch.h"
#include "skip.h"
#include "worker_wait.h"
#include "worker_world.h"

/* Of jobs that hang; and long enough for all others, whatever else the machine does. */
#define TIME_LIMIT NS_PER_S

/* Answers with what the first descriptor holds, followed by the arguments. */
static int run_echo(const int *fds, size_t n_fds, const void *args, size_t args_size,
		    void **ret_data, size_t *ret_size)
{
	char *data = malloc(4096 + args_size);
	ssize_t n = n_fds > 0 ? pread(fds[0], data, 4096, 0) : 0;

	if (n < 0) {
		free(data);
		return -errno;
	}
	memcpy(data + n, args, args_size);
	*ret_data = data;
	*ret_size = (size_t)n + args_size;
	return 0;
}

static int run_refuse(const int *fds, size_t n_fds, const void *args, size_t args_size,
		      void **ret_data, size_t *ret_size)
{
	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	return -EBADMSG;
}

static int run_hang(const int *fds, size_t n_fds, const void *args, size_t args_size,
		    void **ret_data, size_t *ret_size)
{
	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	for (volatile bool forever = true; forever;)
		;
	return 0;
}

/* Wants more memory than it may have; says so as a good parser does. */
static int run_eat(const int *fds, size_t n_fds, const void *args, size_t args_size,
		   void **ret_data, size_t *ret_size)
{
	void *p = malloc(512UL << 20);

	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	if (!p)
		return -ENOMEM;
	free(p);
	return -EEXIST;
}

static int run_open(const int *fds, size_t n_fds, const void *args, size_t args_size,
		    void **ret_data, size_t *ret_size)
{
	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	return open("/etc/passwd", O_RDONLY) >= 0 ? -EEXIST : -errno;
}

static int run_map_code(const int *fds, size_t n_fds, const void *args, size_t args_size,
			void **ret_data, size_t *ret_size)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	return p != MAP_FAILED ? -EEXIST : -errno;
}

/* 1 byte: how many capabilities are left. */
static int run_rights(const int *fds, size_t n_fds, const void *args, size_t args_size,
		      void **ret_data, size_t *ret_size)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	char *left = malloc(1);

	(void)fds, (void)n_fds, (void)args, (void)args_size;
	*left = 0;
	if (capget(&header, data) == 0 &&
	    (data[0].effective || data[1].effective || data[0].permitted || data[1].permitted))
		*left = 1;
	*ret_data = left;
	*ret_size = 1;
	return 0;
}

/* Uses some CPU time, a tenth of WORK_LIMIT. */
#define WORK_LIMIT (NS_PER_S / 2)

static int run_work(const int *fds, size_t n_fds, const void *args, size_t args_size,
		    void **ret_data, size_t *ret_size)
{
	uint64_t end = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + WORK_LIMIT / 10;

	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	while (clock_ns(CLOCK_PROCESS_CPUTIME_ID) < end)
		;
	return -EEXIST;
}

/* Waits for ever, and uses no CPU time. */
static int run_block(const int *fds, size_t n_fds, const void *args, size_t args_size,
		     void **ret_data, size_t *ret_size)
{
	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	poll(NULL, 0, -1);
	return 0;
}

enum { ECHO_, REFUSE, CRASH, HANG, EAT, OPEN, MAP_CODE, RIGHTS, WORK, BLOCK };

static const struct worker_job jobs[] = {
	[ECHO_] = { "echo", run_echo },	      [REFUSE] = { "refuse", run_refuse },
	[CRASH] = { "crash", run_crash },     [HANG] = { "hang", run_hang },
	[EAT] = { "eat", run_eat },	      [OPEN] = { "open", run_open },
	[MAP_CODE] = { "map", run_map_code }, [RIGHTS] = { "rights", run_rights },
	[WORK] = { "work", run_work },	      [BLOCK] = { "block", run_block },
};

static int setup(void **state)
{
	struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.memory_limit = 256UL << 20,
		.time_limit = TIME_LIMIT,
	};

	return worker_new(&o, (struct worker **)state, NULL);
}

static int teardown(void **state)
{
	worker_free(*state);
	return 0;
}

static void assert_echo_works(struct worker *w)
{
	_cleanup_close_ int fd = file_with("hello ");
	_cleanup_free_ void *data = NULL;
	size_t size;

	assert_int_equal(worker_wait(w, ECHO_, &fd, 1, "world", 5, &data, &size), 0);
	assert_int_equal(size, 11);
	assert_memory_equal(data, "hello world", 11);
}

static void test_answers(void **state)
{
	for (int i = 0; i < 100; i++)
		assert_echo_works(*state);
}

static void test_refuses(void **state)
{
	assert_int_equal(call(*state, REFUSE), -EBADMSG);
	assert_int_equal(call(*state, ARRAY_SIZE(jobs)), -EINVAL);
	assert_echo_works(*state);
}

static void test_crash_costs_one_job(void **state)
{
	struct worker_stats stats;

	assert_int_equal(call(*state, CRASH), -ECHILD);
	assert_echo_works(*state);
	worker_get_stats(*state, &stats);
	assert_int_equal(stats.jobs_crashed, 1);
	assert_int_equal(stats.starts, 2);
}

static void assert_timed_out(struct worker *w, uint64_t n)
{
	struct worker_stats stats;

	worker_get_stats(w, &stats);
	assert_int_equal(stats.jobs_timed_out, n);
	assert_int_equal(stats.jobs_crashed, 0);
}

static void test_hang_costs_one_job(void **state)
{
	assert_int_equal(call(*state, HANG), -ETIME);
	assert_echo_works(*state);
	assert_timed_out(*state, 1);
}

static void test_block_costs_one_job(void **state)
{
	assert_int_equal(call(*state, BLOCK), -ETIME);
	assert_echo_works(*state);
	assert_timed_out(*state, 1);
}

static void test_memory_is_limited(void **state)
{
	if (is_sanitized())
		skip_because("the sandbox is not whole under sanitizers");
	assert_int_equal(call(*state, EAT), -ENOMEM);
	assert_echo_works(*state);
}

static void test_cannot_open_files(void **state)
{
	if (is_sanitized())
		skip_because("the sandbox is not whole under sanitizers");
	assert_int_equal(call(*state, OPEN), -ECHILD);
	assert_echo_works(*state);
}

static void test_cannot_map_code(void **state)
{
	if (is_sanitized())
		skip_because("the sandbox is not whole under sanitizers");
	assert_int_equal(call(*state, MAP_CODE), -ECHILD);
}

static void test_has_no_rights(void **state)
{
	_cleanup_free_ char *left = NULL;
	size_t size;
	int r = worker_wait(*state, RIGHTS, NULL, 0, NULL, 0, (void **)&left, &size);

	/* capget() is not among the system calls that are left; where it is, nothing is. */
	if (!is_sanitized()) {
		assert_int_equal(r, -ECHILD);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(*left, 0);
}

struct seen {
	int order[8];
	int n;
};

static struct seen seen;

static void note(void *userdata, int status, const void *data, size_t size)
{
	(void)data, (void)size;
	assert_in_range(seen.n, 0, 7);
	seen.order[seen.n++] = (int)(intptr_t)userdata * (status < 0 ? -1 : 1);
}

static void wait_for(struct worker *w, int n)
{
	uint64_t give_up = clock_monotonic_ns() + 20 * NS_PER_S;

	while (seen.n < n && clock_monotonic_ns() < give_up) {
		struct pollfd p = { .fd = worker_fd(w), .events = POLLIN };

		poll(&p, 1, 50);
		worker_process(w, clock_monotonic_ns());
	}
	assert_int_equal(seen.n, n);
}

static void test_queue_keeps_order(void **state)
{
	struct worker *w = *state;

	seen = (struct seen){ 0 };
	assert_int_equal(worker_submit(w, ECHO_, NULL, 0, "a", 1, note, (void *)1), 0);
	assert_int_equal(worker_submit(w, CRASH, NULL, 0, NULL, 0, note, (void *)2), 0);
	assert_int_equal(worker_submit(w, HANG, NULL, 0, NULL, 0, note, (void *)3), 0);
	assert_int_equal(worker_submit(w, ECHO_, NULL, 0, "b", 1, note, (void *)4), 0);
	assert_int_equal(seen.n, 0);
	wait_for(w, 4);
	assert_int_equal(seen.order[0], 1);
	assert_int_equal(seen.order[1], -2);
	assert_int_equal(seen.order[2], -3);
	assert_int_equal(seen.order[3], 4);
}

/* What has ended is told by worker_process() alone, and worker_fd() says that there is some. */
static void test_nobody_is_told_out_of_turn(void **state)
{
	struct worker *w = *state;
	struct pollfd p = { .fd = worker_fd(w), .events = POLLIN };

	seen = (struct seen){ 0 };
	assert_int_equal(worker_submit(w, ECHO_, NULL, 0, "a", 1, note, (void *)1), 0);
	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(worker_submit(w, ECHO_, NULL, 0, "b", 1, note, (void *)2), 0);
	assert_int_equal(seen.n, 0);
	worker_process(w, clock_monotonic_ns());
	assert_int_equal(seen.n, 1);
	/* Told or not, it goes with the worker. */
	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(seen.n, 1);
}

static bool set_cap_kill(cap_flag_value_t value)
{
	return set_caps(&(cap_value_t){ CAP_KILL }, 1, value);
}

/* The child is nobody, and we may not end it: nothing waits for it, and its own timer ends it. */
static void test_without_the_right_to_end_it(void **state)
{
	uint64_t begin = clock_monotonic_ns();
	struct worker *w = NULL;
	int status = 0;
	pid_t ended;

	(void)state;
	if (geteuid() != 0 || !set_cap_kill(CAP_SET)) /* then the child stays who we are */
		skip_because("needs root and CAP_KILL");
	alarm(20);
	assert_int_equal(setup((void **)&w), 0);
	assert_true(set_cap_kill(CAP_CLEAR));
	assert_echo_works(w);
	w = worker_free(w);
	while (waitpid(-1, NULL, 0) > 0)
		;
	assert_int_equal(setup((void **)&w), 0);
	assert_int_equal(call(w, HANG), -ETIME);
	/* Whoever is first told of it. */
	ended = waitpid(-1, &status, 0);
	assert_true(ended > 0 ? WIFEXITED(status) : errno == ECHILD);
	assert_echo_works(w);
	worker_free(w);
	alarm(0);
	assert_true(clock_monotonic_ns() - begin < 15 * NS_PER_S);
	assert_true(set_cap_kill(CAP_SET));
}

/* The only child there is; 0 if the kernel does not tell. */
static pid_t child(void)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(AT_FDCWD, "/proc/thread-self/children", 256, &text, NULL) < 0)
		return 0;
	return (pid_t)strtol(text, NULL, 10);
}

/* Of the session of a process, where those share the CPUs out; else @otherwise. */
static int session_nice(pid_t pid, int otherwise)
{
	_cleanup_free_ char *text = NULL;
	const char *nice;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
	if (file_read(AT_FDCWD, path, 256, &text, NULL) < 0)
		return otherwise;
	nice = strstr(text, "nice ");
	return nice ? atoi(nice + strlen("nice ")) : otherwise;
}

static int setup_work(void **state)
{
	struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.cpu_limit = WORK_LIMIT,
		.time_limit = 100 * NS_PER_S,
	};

	return worker_new(&o, (struct worker **)state, NULL);
}

/* One that gets no CPU is not slow. */
static void test_only_cpu_time_counts(void **state)
{
	struct worker *w = *state;
	pid_t pid = child();

	if (!pid)
		skip_because("the kernel does not tell the children of a process");
	seen = (struct seen){ 0 };
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(worker_submit(w, WORK, NULL, 0, NULL, 0, note, (void *)1), 0);
	usleep(2 * WORK_LIMIT / 1000);
	worker_process(w, clock_monotonic_ns());
	assert_int_equal(seen.n, 0);
	assert_int_equal(kill(pid, SIGCONT), 0);
	wait_for(w, 1);
	assert_int_equal(call(w, WORK), -EEXIST);
	assert_timed_out(w, 0);
	assert_int_equal(call(w, HANG), -ETIME);
	assert_echo_works(w);
	assert_timed_out(w, 1);
}

/* That a job was ended for its time is known although nobody looked when it was. */
static void test_late_callers_see_no_crash(void **state)
{
	static const int endless[] = { HANG, BLOCK };
	struct worker *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(endless); i++) {
		seen = (struct seen){ 0 };
		assert_int_equal(worker_submit(w, endless[i], NULL, 0, NULL, 0, note, (void *)1),
				 0);
		usleep((TIME_LIMIT + NS_PER_S) / 1000);
		wait_for(w, 1);
		assert_int_equal(seen.order[0], -1);
		assert_timed_out(w, i + 1);
	}
	assert_echo_works(w);
}

static void test_priorities(void **state)
{
	struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.priority = WORKER_IDLE,
	};
	struct worker *w;
	pid_t pid;

	(void)state;
	assert_int_equal(worker_new(&o, &w, NULL), 0);
	assert_echo_works(w);
	pid = child();
	if (!pid) {
		worker_free(w);
		skip();
	}
	assert_int_equal(sched_getscheduler(pid), SCHED_IDLE);
	assert_int_equal(session_nice(pid, 19), 19);
	assert_int_not_equal(getsid(pid), getsid(0));
	worker_free(w);
	/* It is not waited for, because it may get no time to die in. */
	while (waitpid(-1, NULL, 0) > 0)
		;

	/* More than others have is given to who has the right to. */
	o.priority = WORKER_AWAITED;
	assert_int_equal(worker_new(&o, &w, NULL), 0);
	assert_echo_works(w);
	pid = child();
	if (geteuid() == 0) {
		assert_true(getpriority(PRIO_PROCESS, (id_t)pid) < 0);
		assert_true(session_nice(pid, -1) < 0);
	}
	worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crash_costs_one_job, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hang_costs_one_job, setup, teardown),
		cmocka_unit_test_setup_teardown(test_block_costs_one_job, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_cpu_time_counts, setup_work, teardown),
		cmocka_unit_test_setup_teardown(test_late_callers_see_no_crash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_is_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cannot_open_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cannot_map_code, setup, teardown),
		cmocka_unit_test_setup_teardown(test_has_no_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_keeps_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_is_told_out_of_turn, setup, teardown),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_without_the_right_to_end_it),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
