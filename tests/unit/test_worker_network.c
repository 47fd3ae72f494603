/* SPDX-License-Identifier: Apache-2.0 */
/* A worker with a network: what it needs, and what it may not do, whoever it is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "worker/worker.h"
#include "scratch.h"
#include "skip.h"
#include "worker_world.h"

/* The ways to change a file, or to get the right to: 0 or -errno. */
enum way {
	CREATE,
	WRITE,
	READ_WRITE,
	TRUNCATE,
	OPEN2,
	CREAT,
	MKNOD,
	CHMOD,
	SERVICE,
	NEW_USER,
	WAYS
};

struct attempt {
	enum way way;
	char path[SCRATCH_SIZE + 16]; /* it is there, but for CREATE, CREAT and MKNOD */
};

static long attempt(const struct attempt *a)
{
	static const int flags[] = {
		[CREATE] = O_WRONLY | O_CREAT,
		[WRITE] = O_WRONLY,
		[READ_WRITE] = O_RDWR,
		[TRUNCATE] = O_RDONLY | O_TRUNC,
	};
	struct open_how how = { .flags = O_WRONLY };

	switch (a->way) {
	case OPEN2:
		return syscall(SYS_openat2, AT_FDCWD, a->path, &how, sizeof(how));
	case CREAT:
		return creat(a->path, 0600);
	case MKNOD:
		return mknod(a->path, S_IFREG | 0600, 0);
	case CHMOD:
		return fchmod(open(a->path, O_RDONLY), 0666);
	case SERVICE:
		return socket(AF_UNIX, SOCK_STREAM, 0);
	case NEW_USER:
		return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	default:
		return open(a->path, flags[a->way], 0600);
	}
}

static int run_attempt(const int *fds, size_t n_fds, const void *args, size_t args_size,
		       void **ret_data, size_t *ret_size)
{
	long r = attempt(args);

	(void)fds, (void)n_fds, (void)args_size, (void)ret_data, (void)ret_size;
	if (r == 0 && ((const struct attempt *)args)->way == NEW_USER)
		_exit(0); /* the child's child */
	return r >= 0 ? 0 : -errno;
}

static void *do_nothing(void *argument)
{
	return argument;
}

/* What a fetcher needs: threads, names, files to read, one to write. */
static int run_resolve(const int *fds, size_t n_fds, const void *args, size_t args_size,
		       void **ret_data, size_t *ret_size)
{
	struct addrinfo *found = NULL;
	pthread_t thread;

	(void)args, (void)args_size, (void)ret_data, (void)ret_size;
	if (pthread_create(&thread, NULL, do_nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return -EAGAIN;
	if (getaddrinfo("localhost", "80", NULL, &found) != 0)
		return -EHOSTUNREACH;
	freeaddrinfo(found);
	if (open("/etc/passwd", O_RDONLY) < 0)
		return -errno;
	if (socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0)
		return -errno;
	return n_fds == 1 && pwrite(fds[0], "hello", 5, 0) == 5 ? 0 : -errno;
}

enum { CRASH, ATTEMPT, RESOLVE };

static const struct worker_job jobs[] = {
	[CRASH] = { "crash", run_crash },
	[ATTEMPT] = { "attempt", run_attempt },
	[RESOLVE] = { "resolve", run_resolve },
};

static void assert_confined(struct worker *w, const char *directory)
{
	_cleanup_close_ int fd = file_with("");
	_cleanup_free_ void *data = NULL;
	struct attempt a;
	struct stat before, after;
	size_t size;
	char path[sizeof(a.path)];

	snprintf(path, sizeof(path), "%s/there", directory);
	assert_int_equal(stat(path, &before), 0);
	for (a.way = 0; a.way < WAYS; a.way++) {
		bool makes = a.way == CREATE || a.way == CREAT || a.way == MKNOD;
		int expected = a.way == OPEN2 ? -ENOSYS : a.way == SERVICE ? -EAFNOSUPPORT : -EPERM;

		snprintf(a.path, sizeof(a.path), "%s/%s", directory, makes ? "new" : "there");
		assert_int_equal(worker_wait(w, ATTEMPT, NULL, 0, &a, sizeof(a), &data, &size),
				 expected);
		freep(&data);
		data = NULL;
	}
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(worker_wait(w, RESOLVE, &fd, 1, NULL, 0, &data, &size), 0);
}

/* A file of root's that root may write. */
static void make_file(const char *directory)
{
	char path[SCRATCH_SIZE + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/there", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

/* Also when it was started again by one who may not become somebody else any more. */
static void test_network_writes_no_files(void **state)
{
	static const cap_value_t change_user[] = { CAP_SETUID, CAP_SETGID };
	const struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.time_limit = 100 * NS_PER_S,
		.network = "test-network",
	};
	char directory[SCRATCH_SIZE];
	struct worker_stats stats;
	struct worker *w;

	(void)state;
	if (is_sanitized())
		skip_because("the sandbox is not whole under sanitizers");
	assert_int_equal(scratch_make(directory), 0);
	make_file(directory);
	assert_int_equal(worker_new(&o, &w, NULL), 0);
	assert_confined(w, directory);
	if (geteuid() == 0)
		assert_true(set_caps(change_user, 2, CAP_CLEAR));
	assert_int_equal(call(w, CRASH), -ECHILD);
	assert_confined(w, directory);
	if (geteuid() == 0)
		assert_true(set_caps(change_user, 2, CAP_SET));
	worker_get_stats(w, &stats);
	assert_int_equal(stats.starts, 2);
	worker_free(w);
	assert_int_equal(scratch_remove(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_network_writes_no_files),
	};

	return cmocka_run_group_tests_name("worker_network", tests, NULL, NULL);
}
