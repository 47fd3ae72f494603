/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processes tell of the code they make: by a perf map, and by a jitdump, which is preferred
 * because it is newer where both are. Each is read when a name is first wanted and again when told
 * to, as far as it has grown; by the parser process, if there is one, and then nobody waits for it.
 * The files stay open: what a compiler writes when its process ends is read when that is gone. What
 * was read stays until it is forgotten, or dropped for being unused.
 *
 * A jitdump is found as perf finds it: the process has mapped it executable, under a name that ends
 * in jit-PID.dump.
 *
 * How it can be wrong: the files mean what their process says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/jit_code.h"
#include "symbolize/unnamed.h"

struct jit_names;
struct process;
struct process_table;
struct worker;

struct jit_names_options {
	const char *proc;		 /* borrowed; NULL = nothing is read */
	size_t max_map;			 /* bytes of one table */
	struct process_table *processes; /* borrowed: who has mapped what; NULL = no jitdumps */
	struct worker *worker;		 /* borrowed; NULL = parse in this process */
	unsigned int job;		 /* the worker's number of jit_job_run() */
};

struct jit_names_stats {
	uint64_t evicted;
	uint64_t loaded, cut, failed, bad_lines;
	uint64_t dumps_loaded, dumps_cut, dumps_failed, dump_records_bad;
};

int jit_names_new(const struct jit_names_options *o, struct jit_names **ret);
/* The worker's jobs must not be processed any more. Returns NULL; accepts NULL. */
struct jit_names *jit_names_free(struct jit_names *j);

/*
 * Asks for the name of code of @p that no file backs. Whether it, or a newer one, is on its way;
 * @now is as in executable_names.
 */
bool jit_names_want(struct jit_names *j, struct process *p, uint64_t address, uint64_t now);
/* Whether there is something that the parser process has not answered. */
bool jit_names_is_busy(const struct jit_names *j);

/* The code at an address; false if it is unknown, or not yet. The strings live until the next call.
 */
bool jit_names_find(struct jit_names *j, struct process *p, uint64_t address, uint64_t now,
		    struct jit_symbol *ret);
/* Why there is no name in this process; UNNAMED_NOT = it does not tell of that code. */
enum unnamed_reason jit_names_why(const struct jit_names *j, const struct process *p);

/* Reads what is new in the process's files. */
void jit_names_refresh(struct jit_names *j, struct process *p, uint64_t now);
/* Whether it holds a reference to the process. */
bool jit_names_has(const struct jit_names *j, const struct process *p);
void jit_names_forget(struct jit_names *j, const struct process *p);

/* As of executable_names. */
uint64_t jit_names_oldest(const struct jit_names *j);
void jit_names_evict(struct jit_names *j);

void jit_names_get_stats(const struct jit_names *j, struct jit_names_stats *ret);
size_t jit_names_memory(const struct jit_names *j);
