/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processes tell of the code they make: by a perf map, and by a jitdump, which is preferred
 * because it is newer where both are. Each is read when a name is first wanted and again when told
 * to, as far as it has grown. Once the process is gone what was read stays until it is forgotten,
 * or dropped for being unused.
 *
 * A jitdump is found as perf finds it: the process has mapped it executable, under a name that ends
 * in jit-PID.dump.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/jit_code.h"

struct jit_names;
struct process;
struct process_table;
struct worker;

struct jit_names_options {
	const char *proc;		 /* borrowed; NULL = nothing is read */
	size_t max_map;			 /* bytes of one table */
	struct process_table *processes; /* borrowed: who has mapped what; NULL = no jitdumps */
	struct worker *worker;		 /* borrowed: reads jitdumps; NULL = in this process */
	unsigned int jitdump_job;	 /* the worker's number of jitdump_job_run() */
};

struct jit_names_stats {
	uint64_t loaded, evicted, cut, bad_lines;
	uint64_t dumps_loaded, dumps_cut, dumps_failed, dump_records_bad;
};

int jit_names_new(const struct jit_names_options *o, struct jit_names **ret);
/* Returns NULL; accepts NULL. */
struct jit_names *jit_names_free(struct jit_names *j);

/* Code of @p that no file backs; false if it is unknown. The strings live until the next call. */
bool jit_names_find(struct jit_names *j, struct process *p, uint64_t address, uint64_t now,
		    struct jit_symbol *ret);

/* Reads what is new in the process's files. */
void jit_names_refresh(struct jit_names *j, struct process *p, uint64_t now);
void jit_names_forget(struct jit_names *j, const struct process *p);

/* As of executable_names. */
uint64_t jit_names_oldest(const struct jit_names *j);
void jit_names_evict(struct jit_names *j);

void jit_names_get_stats(const struct jit_names *j, struct jit_names_stats *ret);
size_t jit_names_memory(const struct jit_names *j);
