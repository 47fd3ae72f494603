/* SPDX-License-Identifier: Apache-2.0 */
/* Where profd's memory goes, by part, for /status and /metrics. */
#pragma once

#include <stdint.h>

struct manager;

#define MEMORY_PARTS(X)                                                                            \
	X(resident, "resident memory of the process, BPF maps not included")                       \
	X(bpf_maps, "kernel memory of BPF maps and perf buffers")                                  \
	X(symbols, "symbol tables")                                                                \
	X(windows, "closed windows kept in memory")                                                \
	X(processes, "the process table")                                                          \
	X(executables, "the table of executables")

struct memory_parts {
#define X(name, help) uint64_t name;
	MEMORY_PARTS(X)
#undef X
};

void memory_measure(struct manager *m, struct memory_parts *ret);
