/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/wait_rate.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* A rate is judged after this long, or when it has spent what it may in this time. */
#define PERIOD_NS NS_PER_S

/* In less, what came at once (a thousand threads, woken together) looks like a flood. */
#define LEAST_NS (PERIOD_NS / 10)

void wait_rate_init(struct wait_rate *r, uint64_t now)
{
	*r = (struct wait_rate){ .ns = WAIT_RATE_FINEST_NS, .since = now };
}

static void begin_period(struct wait_rate *r, uint64_t stacks, uint64_t now)
{
	r->since = now;
	r->stacks = stacks;
}

void wait_rate_adapt(struct wait_rate *r, uint64_t stacks, unsigned int cpus, uint64_t now)
{
	uint64_t aim = (uint64_t)WAIT_RATE_STACKS * MAX(cpus, 1U);
	uint64_t took = now > r->since ? now - r->since : 0;
	uint64_t taken = stacks > r->stacks ? stacks - r->stacks : 0, per_second;

	if (took < PERIOD_NS && taken <= aim)
		return;
	/* Below 10^10 stacks nothing overflows. */
	per_second = taken * NS_PER_S / MAX(took, LEAST_NS);
	begin_period(r, stacks, now);
	if (per_second <= aim * 2 / 5) {
		r->ns = MAX(r->ns / 2, WAIT_RATE_FINEST_NS);
		return;
	}
	for (; per_second > aim && r->ns < WAIT_RATE_COARSEST_NS; per_second /= 2)
		r->ns *= 2;
}
