/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPUs there are, as /sys/devices/system/cpu/online and possible say: "0-3,8,10-11". */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* No kernel has more (x86 NR_CPUS ends at 8192). */
#define COLLECTOR_MAX_CPUS 8192

/* A set of CPU numbers. */
struct collector_cpus {
	uint64_t words[COLLECTOR_MAX_CPUS / 64];
};

static inline int collector_cpus_has(const struct collector_cpus *set, unsigned int cpu)
{
	return cpu < COLLECTOR_MAX_CPUS && set->words[cpu / 64] >> (cpu % 64) & 1;
}

/* 0, or -EINVAL when it is not a list of ranges. */
int collector_cpus_parse(const char *text, struct collector_cpus *ret);
/* The highest number in it + 1; 0 = it is empty. There can be gaps below. */
unsigned int collector_cpus_end(const struct collector_cpus *set);
/* 0, -errno, or -EINVAL. */
int collector_cpus_online(struct collector_cpus *ret);
/* Those too that may be plugged in. The same errors. */
int collector_cpus_possible(struct collector_cpus *ret);
