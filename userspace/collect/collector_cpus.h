/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPUs are online, as /sys/devices/system/cpu/online says: "0-3,8,10-11". */
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
/* 0, -errno, or -EINVAL. */
int collector_cpus_online(struct collector_cpus *ret);
