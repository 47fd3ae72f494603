/* SPDX-License-Identifier: Apache-2.0 */
/* Where profd's memory goes, by part, for /status and /metrics. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct collector_state;
struct manager;

/* X(name, "what it is called in metrics"): resident memory of the process, by what backs it. */
#define RESIDENT_PARTS(X)                                                                          \
	X(anonymous,                                                                               \
	  "anonymous")	  /* heap and stack: what profd really adds to the machine's use */        \
	X(bpf, "bpf")	  /* maps and perf buffers, which are counted in bpf_maps too */           \
	X(files, "files") /* the program and its libraries, shared and reclaimable */

struct resident_parts {
#define X(name, label) uint64_t name;
	RESIDENT_PARTS(X)
#undef X
};

#define MEMORY_PARTS(X)                                                                            \
	X(bpf_maps, "kernel memory of BPF maps, unwinding tables and perf buffers")                \
	X(unwind_rows, "the part of it that is rows of unwinding tables")                          \
	X(symbols, "symbol tables")                                                                \
	X(windows, "closed windows kept in memory")                                                \
	X(cumulative, "the waits since the start, for block and mutex")                            \
	X(taps, "profiles that are being collected")                                               \
	X(processes, "the process table")                                                          \
	X(executables, "the table of executables")                                                 \
	X(stream, "records that wait to be handled")

struct memory_parts {
#define X(name, help) uint64_t name;
	MEMORY_PARTS(X)
#undef X
};

/*
 * To be called first: large arrays, which come and go with each profile, get memory of their own
 * from the kernel, so that they leave no holes between what stays.
 */
void memory_configure(void);
/* After work that needed much for a moment: gives back what is free. Takes some milliseconds. */
void memory_give_back(void);

/* @state: of now. */
void memory_measure(struct manager *m, const struct collector_state *state,
		    struct memory_parts *ret);

/* All zero if it cannot be told. */
void memory_resident(struct resident_parts *ret);
/* The same from a text like /proc/PID/smaps. */
void memory_resident_of(FILE *smaps, struct resident_parts *ret);
uint64_t memory_resident_sum(const struct resident_parts *parts);
