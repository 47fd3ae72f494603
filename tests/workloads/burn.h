/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workloads share: a unit of work that the compiler leaves alone, and the report that a
 * workload prints when it ends, "key=value" per line, for the tests to compare profiles with.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/*
 * Never inlined, never cloned: its frame is on the stack under its own name. (Not with gcc's
 * attribute optimize, which forgets -fno-omit-frame-pointer.)
 */
#ifdef __clang__
#define NAMED __attribute__((noinline))
#else
#define NAMED __attribute__((noinline, noclone))
#endif

/* Keeps a call from being the last thing of its caller. */
#define NOT_A_TAIL_CALL __asm__ volatile("" ::: "memory")

/*
 * The same few instructions in whatever function it is used, inlined. They touch the stack once,
 * because gcc sets up no frame in a function that does not, whatever its flags say.
 */
static inline __attribute__((always_inline)) void burn(unsigned int rounds)
{
	volatile unsigned int anchor = rounds;
	unsigned int x = anchor;

	for (unsigned int i = 0; i < rounds; i++) {
		x = x * 1664525 + 1013904223;
		__asm__ volatile("" : "+r"(x));
	}
}

static inline double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time of the process, user and system, ns. */
static inline uint64_t cpu_used(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline void print_usage(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("pid=%d\n", getpid());
	printf("user_us=%lld\n", (long long)u.ru_utime.tv_sec * 1000000 + u.ru_utime.tv_usec);
	printf("system_us=%lld\n", (long long)u.ru_stime.tv_sec * 1000000 + u.ru_stime.tv_usec);
	printf("cpu_ns=%llu\n", (unsigned long long)cpu_used());
	fflush(stdout);
}

static inline double seconds_argument(int argc, char **argv, int i, double otherwise)
{
	return argc > i ? strtod(argv[i], NULL) : otherwise;
}
