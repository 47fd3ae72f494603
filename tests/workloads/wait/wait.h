/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of this folder share: each measures its own waits, call by call, and prints the
 * sums at its end as "name_wait_ns=", "name_runqueue_ns=" and "name_count=", for the tests to
 * compare profiles with.
 *
 * A call's wall-clock time is three things: CPU time, the wait, and the time after the wait (or
 * after a preemption) until there was a CPU. The kernel counts the first and the last for each
 * thread (CLOCK_THREAD_CPUTIME_ID, and the second number of /proc/thread-self/schedstat, which is
 * sched_info.run_delay), so what is left is the wait, however busy the machine.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

#include "burn.h"

#define MSEC 1000000ULL
#define USEC 1000ULL

/* A program's end is said by the clock, so that no thread waits for being told. */
extern uint64_t end_ns;

struct tally {
	const char *name;
	_Atomic uint64_t wait_ns, runqueue_ns, wall_ns, count;
};

struct moment {
	uint64_t wall_ns, cpu_ns, runqueue_ns;
};

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline bool time_is_up(void)
{
	return now_ns() >= end_ns;
}

/* What the calling thread was runnable without a CPU until now. 0 where the kernel does not count.
 */
static inline uint64_t runqueue_ns(void)
{
	static _Thread_local int fd;
	char text[96] = "";
	char *space;
	ssize_t n;

	if (fd == 0)
		fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	n = pread(fd, text, sizeof(text) - 1, 0);
	space = n > 0 ? strchr(text, ' ') : NULL;
	return space ? strtoull(space, NULL, 10) : 0;
}

/*
 * All three at one moment. What passes between one reading and the next would count for the one and
 * not for the others: a reading that took long is repeated. In an emulated machine that of the CPU
 * time takes a ms behind a lock, when the thread that released it is still on its way to sleep.
 */
static inline struct moment moment_now(void)
{
	static _Thread_local uint64_t quickest = UINT64_MAX;
	int attempts = 5;
	struct moment m;
	uint64_t took;

	do {
		m.wall_ns = now_ns();
		m.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		m.runqueue_ns = runqueue_ns();
		took = now_ns() - m.wall_ns;
		if (took < quickest)
			quickest = took;
	} while (took > 2 * quickest && --attempts);
	return m;
}

/* What passed since @m without the CPU being used or queued for. */
static inline uint64_t moment_end(struct tally *t, struct moment m)
{
	struct moment now = moment_now();
	uint64_t wall = now.wall_ns - m.wall_ns;
	uint64_t cpu = now.cpu_ns - m.cpu_ns;
	uint64_t queued = now.runqueue_ns - m.runqueue_ns;
	uint64_t wait = wall > cpu + queued ? wall - cpu - queued : 0;

	t->wall_ns += wall;
	t->wait_ns += wait;
	t->runqueue_ns += queued;
	t->count++;
	return wait;
}

/* Does the call, and adds what it waited to the tally. */
#define MEASURED(tally, call)                                                                      \
	do {                                                                                       \
		struct moment begin_ = moment_now();                                               \
		call;                                                                              \
		moment_end(tally, begin_);                                                         \
		NOT_A_TAIL_CALL;                                                                   \
	} while (0)

static inline void tally_print(const struct tally *t)
{
	printf("%s_wait_ns=%llu\n", t->name, (unsigned long long)t->wait_ns);
	printf("%s_runqueue_ns=%llu\n", t->name, (unsigned long long)t->runqueue_ns);
	printf("%s_wall_ns=%llu\n", t->name, (unsigned long long)t->wall_ns);
	printf("%s_count=%llu\n", t->name, (unsigned long long)t->count);
}

static inline void pause_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}

static inline int thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

/* Does a thread of this process sleep, in such a way that a signal would wake it? */
static inline bool is_asleep(int tid)
{
	char path[64], text[128] = "";
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	end = n > 0 ? strrchr(text, ')') : NULL; /* of its name */
	return end && strncmp(end, ") S", 3) == 0;
}

static inline void must(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	exit(1);
}

static inline pthread_t begin_thread(void *(*function)(void *), void *argument)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, function, argument);
	must(errno == 0, "pthread_create");
	return thread;
}

struct part {
	const char *name;
	void (*run)(void);
	struct tally *tally; /* NULL: it prints by itself */
};

/*
 * main() of a program of parts: PROGRAM PART SECONDS [LINGER]. It stays for LINGER seconds after
 * its report, for what asks about a process that is there; no wait of that time is in the report.
 */
static inline int run_part(const struct part *parts, size_t n, int argc, char **argv)
{
	for (size_t i = 0; i < n && argc > 2; i++) {
		if (strcmp(parts[i].name, argv[1]) != 0)
			continue;
		end_ns = now_ns() + (uint64_t)(strtod(argv[2], NULL) * 1e9);
		parts[i].run();
		if (parts[i].tally)
			tally_print(parts[i].tally);
		print_usage();
		if (argc > 3)
			pause_ns((uint64_t)(strtod(argv[3], NULL) * 1e9));
		return 0;
	}
	fprintf(stderr, "usage: %s PART SECONDS [LINGER]\nparts:", argv[0]);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " %s", parts[i].name);
	fprintf(stderr, "\n");
	return 2;
}
