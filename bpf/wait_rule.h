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

/*
 * Looks random, and is the same for the same wait: evenly distributed because no two waits end at
 * the same times. Cheaper than bpf_get_prandom_u32().
 */
ENV_INLINE u32 wait_random(u64 time, u64 salt)
{
	u64 x = time + salt * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x >> 32;
}

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

/*
 * Where a stack can be taken only before the wait (ABI_WAIT_HOOK_switch_out), chance decides
 * without knowing it: with the probability with which a wait as long as the thread's waits have
 * been would be kept. Sums are as unbiased, since that does not depend on this wait; one that is
 * much longer than the thread's usual ones stands for up to WAIT_MAX_SCALE of its kind.
 */
#define WAIT_MAX_SCALE 64

/* How many waits one stands for that is chosen, 1/ABI_COUNT_ONE. @usual: ns, 0 = not known. */
ENV_INLINE u64 wait_scale(u64 usual, u64 rate)
{
	u64 scale;

	if (!usual || usual >= rate)
		return ABI_COUNT_ONE;
	scale = rate * ABI_COUNT_ONE / usual;
	return scale < WAIT_MAX_SCALE * ABI_COUNT_ONE ? scale : WAIT_MAX_SCALE * ABI_COUNT_ONE;
}

ENV_INLINE bool wait_choose(u64 scale, u32 random)
{
	return random * scale < (u64)ABI_COUNT_ONE << 32;
}

/* A chosen wait of @d ns; below 4 years nothing overflows. */
ENV_INLINE void wait_scaled(u64 d, u64 scale, struct wait_estimate *e)
{
	e->value = d / ABI_COUNT_ONE * scale + d % ABI_COUNT_ONE * scale / ABI_COUNT_ONE;
	e->count = scale;
}

/* What is usual after a wait of @d ns. */
ENV_INLINE u64 wait_usual(u64 usual, u64 d)
{
	return usual ? usual - usual / 4 + d / 4 + 1 : d + 1;
}
