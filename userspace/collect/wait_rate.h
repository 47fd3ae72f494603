/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block_rate=auto: the rate at which waits are sampled, as fine as it may be for the stacks that it
 * costs. More stacks than WAIT_RATE_STACKS a second and CPU make it coarser, at once; few make it
 * finer, one step a second.
 *
 * Steps are factors of two. n steps coarser there are at most as many stacks as before, and at
 * least 2^-n times as many (none of the waits is kept with less than that part of its chance), so
 * what goes up does not come down again while the load stays as it is. Who waits so long that every
 * wait is kept at any rate is not slowed down by this.
 *
 * A pure function of what it is told; each wait is judged and scaled by the rate of its moment, so
 * sums stay unbiased whatever happens here.
 */
#pragma once

#include <stdint.h>

#define WAIT_RATE_FINEST_NS   1000000ULL
#define WAIT_RATE_COARSEST_NS (WAIT_RATE_FINEST_NS << 10)
/*
 * A second and CPU, at most in the mean. A stack took 8 us when it was measured, from the hook to
 * its place in a window: this is less than 1 % of a CPU.
 */
#define WAIT_RATE_STACKS 1000

struct wait_rate {
	uint64_t ns;	 /* in force */
	uint64_t since;	 /* since when it is looked at, ns of the monotonic clock */
	uint64_t stacks; /* what the counter was then */
};

void wait_rate_init(struct wait_rate *r, uint64_t now);

/*
 * @stacks: taken since the start, on all CPUs; @cpus: that are online. To be called several times a
 * second, and as soon as there is much to read.
 */
void wait_rate_adapt(struct wait_rate *r, uint64_t stacks, unsigned int cpus, uint64_t now);
