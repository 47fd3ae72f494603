/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which executables have unwinding tables in the kernel. A file that was announced gets its table
 * from the disk cache, or else from the parser process; it is kept in the kernel within the budget.
 * Files that may be needed later (all that is mapped at the start, the usual libraries) are loaded
 * in the background.
 *
 * How it can be wrong: a table that could not be built, or for which there is no room, is missing;
 * the file is then unwound by frame pointer, its state says why, and it is tried again after a
 * while.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/table_store.h"

struct executable;
struct executable_table;
struct table_manager;
struct unwind_rule;
struct worker;

/* X(name, "help"). */
#define TABLE_STATES(X)                                                                            \
	X(waiting, "the table is being built")                                                     \
	X(loaded, "the table is in the kernel")                                                    \
	X(empty, "the file describes no code; it is unwound by frame pointer")                     \
	X(evicted, "the table was taken out of the kernel to make room for others")                \
	X(refused, "the table could not be built or stored")

enum table_state {
#define X(name, help) TABLE_##name,
	TABLE_STATES(X)
#undef X
		TABLE_STATES_COUNT
};

enum table_source {
	TABLE_FROM_NOWHERE,
	TABLE_FROM_CACHE,
	TABLE_FROM_FILE,
};

/* Who comes first. */
enum table_priority {
	TABLE_AWAITED,	  /* a stack was met in it: slices wait, or will */
	TABLE_URGENT,	  /* it is mapped */
	TABLE_BACKGROUND, /* when there is nothing else to do */
	TABLE_PRIORITIES
};

struct table_manager_options {
	struct table_store_options store; /* its evicted() is the manager's own */
	struct executable_table *executables;
	struct worker *worker;		  /* for files that are urgent, or more */
	struct worker *background_worker; /* for the others; NULL = the same */
	unsigned int job;		  /* the workers' number of table_job_run() */
	int cache_dirfd;		  /* -1 = no cache on disk */
	const char *debug_directories;	  /* as in debug_file.h, must outlive it; NULL = default */
	uint64_t retry_ns;		  /* when a refused file is tried again; 0 = 10 minutes */
	/* The executable's table is there, or will not come: slices that waited for it can go on.
	 */
	void (*settled)(void *userdata, struct executable *x);
	void *userdata;
};

#define TABLE_MANAGER_COUNTERS(X)                                                                  \
	X(built, "unwinding tables built from files")                                              \
	X(debug_files, "of these, with the rules of a separate debug file")                        \
	X(debug_files_failed, "debug files that the parser failed on")                             \
	X(from_cache, "unwinding tables read from the cache on disk")                              \
	X(refused, "files whose unwinding table could not be built or stored")                     \
	X(waiting, "files that wait for their unwinding table")                                    \
	X(cache_errors, "unwinding tables that could not be written to the cache")

struct table_manager_stats {
#define X(name, help) uint64_t name;
	TABLE_MANAGER_COUNTERS(X)
#undef X
};

/* What `profctl status --executables` shows. */
struct table_info {
	const struct executable *executable;
	enum table_state state;
	enum table_source source;
	uint32_t rows;
	int error; /* -errno of the last refusal */
};

int table_manager_new(const struct table_manager_options *o, struct table_manager **ret);
/* Accepts NULL, returns NULL. To be called while the workers, if they still run, have no jobs of
 * it. */
struct table_manager *table_manager_free(struct table_manager *m);

/* The kernel knows @x as @file_id: it is to be unwound. -ENOMEM or 0. */
int table_manager_bind(struct table_manager *m, struct executable *x, uint32_t file_id,
		       enum table_priority priority);
/*
 * A stack waits for the table of @x, which the kernel may not have named yet: if it is not loaded
 * and was not refused, it is loaded before those that are not awaited.
 */
void table_manager_want(struct table_manager *m, struct executable *x);
/* The kernel has forgotten these ids. */
void table_manager_forget(struct table_manager *m, const uint32_t *file_ids, size_t n);

/* Goes on with what waits. Call it after worker_process(), and about once a second. */
void table_manager_process(struct table_manager *m, uint64_t now);
/* Whether tables are wanted that are not there yet; those for the background do not count. */
bool table_manager_is_awaited(const struct table_manager *m);
/* The tables in the kernel, for table_store_touch() and its statistics. */
struct table_store *table_manager_store(struct table_manager *m);

/* The state of @x; TABLE_evicted for one that the manager does not know. */
enum table_state table_manager_state(const struct table_manager *m, const struct executable *x);
/* The rule of a file offset of @x; NULL unless its table is loaded. Valid until the next call. */
const struct unwind_rule *table_manager_find(const struct table_manager *m,
					     const struct executable *x, uint64_t offset);

int table_manager_each(const struct table_manager *m,
		       int (*visit)(const struct table_info *info, void *userdata), void *userdata);
void table_manager_get_stats(const struct table_manager *m, struct table_manager_stats *ret);
