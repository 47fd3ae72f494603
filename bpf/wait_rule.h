/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which waits are kept, and what a kept one stands for: the arithmetic alone, so that it is
 * compiled for the host too.
 *
 * It is the rule of Go's block profile: with a rate of R ns, a wait of d ns is kept with the
 * probability min(1, d / R). Kept, it stands for max(d, R) ns and max(1, R / d) waits, so that both
 * sums are unbiased whatever the waits are, and at most one stack is taken per R ns of waiting (in
 * the mean).
 */
#pragma once

#include "env.h"

/* Above this, d << 32 would not fit 64 bits. */
#define WAIT_MAX_RATE 0xffffffffULL

struct wait_estimate {
	u64 value; /* ns */
	u64 count; /* 1/ABI_COUNT_ONE, 0 = not kept */
};

/* @random is any 32-bit number, evenly distributed; @rate 1..WAIT_MAX_RATE. */
ENV_INLINE bool wait_keep(u64 d, u64 rate, u32 random, struct wait_estimate *e)
{
	e->value = d;
	e->count = ABI_COUNT_ONE;
	if (d >= rate)
		return true;
	if (random * rate >= d << 32) {
		e->count = 0;
		return false;
	}
	e->value = rate;
	e->count = rate * ABI_COUNT_ONE / d; /* d > 0, or it were not kept */
	return true;
}
