/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack that is sampled: a chain of calls compiled without frame pointers, of which each
 * function notes where it returns to.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#include "base/clock.h"

#define DEPTH	26
#define SHALLOW 3
#define NAPS	200

/* chain[0] is where spin() returns to, chain[1] where its caller does, and so on. */
static uint64_t chain[DEPTH];
static unsigned int chain_length;

#ifdef __clang__
#define CHAIN_FUNCTION __attribute__((noinline, no_sanitize("address", "undefined"))) static
#else
#define CHAIN_FUNCTION                                                                             \
	__attribute__((noinline, noclone, optimize("omit-frame-pointer"),                          \
		       no_sanitize("address", "undefined"))) static
#endif

/* Works until the process has used so much CPU time; with 0 it sleeps some hundred times. */
CHAIN_FUNCTION uint64_t spin(uint64_t until)
{
	const struct timespec moment = { .tv_nsec = 50000 };
	uint64_t n = 0;

	chain[0] = (uint64_t)(uintptr_t)__builtin_return_address(0);
	while (!until && n < NAPS)
		n += !nanosleep(&moment, NULL);
	while (n % 100000 || clock_ns(CLOCK_PROCESS_CPUTIME_ID) < until)
		n += until | 1;
	return n;
}

/* Functions with frames of many sizes; the last one called is spin(). */
#define LEVEL(n, next)                                                                             \
	CHAIN_FUNCTION uint64_t level_##n(uint64_t until, uint64_t a, uint64_t b)                  \
	{                                                                                          \
		volatile char room[8 + 24 * ((n) % 3)];                                            \
                                                                                                   \
		chain[n] = (uint64_t)(uintptr_t)__builtin_return_address(0);                       \
		room[0] = (char)a;                                                                 \
		return next + (uint64_t)room[0] + a * b;                                           \
	}
#define CALL(n) LEVEL(n, level_##n##_next(until, b, a + b))

#define level_1_next(until, a, b) spin(until)
CALL(1)
#define level_2_next level_1
CALL(2)
#define level_3_next level_2
CALL(3)
#define level_4_next level_3
CALL(4)
#define level_5_next level_4
CALL(5)
#define level_6_next level_5
CALL(6)
#define level_7_next level_6
CALL(7)
#define level_8_next level_7
CALL(8)
#define level_9_next level_8
CALL(9)
#define level_10_next level_9
CALL(10)
#define level_11_next level_10
CALL(11)
#define level_12_next level_11
CALL(12)
#define level_13_next level_12
CALL(13)
#define level_14_next level_13
CALL(14)
#define level_15_next level_14
CALL(15)
#define level_16_next level_15
CALL(16)
#define level_17_next level_16
CALL(17)
#define level_18_next level_17
CALL(18)
#define level_19_next level_18
CALL(19)
#define level_20_next level_19
CALL(20)
#define level_21_next level_20
CALL(21)
#define level_22_next level_21
CALL(22)
#define level_23_next level_22
CALL(23)
#define level_24_next level_23
CALL(24)
#define level_25_next level_24
CALL(25)
