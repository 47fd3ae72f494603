/* SPDX-License-Identifier: Apache-2.0 */
/* Where a process's perf map and jitdump are, and whether they may be believed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Opens /tmp/perf-PID.map: in the process's own root under the number it has in its own PID
 * namespace, else in ours under the number it has here. It must be a regular file, belong to the
 * process's user or to root, and have been written since @start_boottime (ns; 0 = not known), or it
 * is what an earlier process of the same number left. -ENOENT if there is none; -EPERM if there is,
 * but not one to believe; -ESRCH if the process is gone.
 */
int perf_map_file_open(const char *proc, uint32_t tgid, uint64_t start_boottime);

/* Whether a mapping of this path may be how a process makes its jitdump known: jit-PID.dump. */
bool jitdump_file_is_named(const char *path);
/*
 * The same of the jitdump that the process has mapped as @path, whose number must be its own in its
 * PID namespace.
 */
int jitdump_file_open(const char *proc, uint32_t tgid, uint64_t start_boottime, const char *path);
