/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What profd may do. It starts as root, opens what needs that, and keeps only what naming other
 * users' processes and files takes:
 *
 *   CAP_BPF, CAP_PERFMON    reading maps, programs loaded later
 *   CAP_SYSLOG              addresses in /proc/kallsyms
 *   CAP_SYS_PTRACE          /proc/PID/{maps,exe,root} of others
 *   CAP_DAC_READ_SEARCH     executables that only their owner can read
 *   CAP_CHECKPOINT_RESTORE  /proc/PID/map_files: deleted executables
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Raises the soft limit on open files to the hard one: executables are kept open. */
void rights_raise_limits(void);

/* Keeps the above of what there is, for good; no new rights by exec either. */
int rights_drop(struct error *e);

/*
 * Keeps nothing but the right to open perf events: CAP_SYS_ADMIN where
 * kernel.perf_event_paranoid is above 2 (Debian's kernels), CAP_PERFMON elsewhere.
 */
int rights_drop_to_perf_events(void);

/* kernel.perf_event_paranoid, 2 if it cannot be read. */
int rights_perf_event_paranoid(void);
