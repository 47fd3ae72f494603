/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the table manager, shared by table_manager.c (which executables, in what state, in
 * what order) and table_manager_build.c (how one gets its table).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "unwind/table_manager.h"

/* Inodes with one content: images that share a program. More than these are unwound too, but not
 * unbound one by one. */
#define TABLE_MAX_FILE_IDS 64

/* An entry's job with the worker of a priority. */
struct table_run {
	struct table_entry *entry;
	enum table_priority priority;
	bool running;
};

struct table_entry {
	struct table_manager *manager;
	struct executable *executable; /* a reference */
	enum table_state state;
	enum table_source source;
	enum table_priority priority;
	struct stored_table *stored; /* while it is loaded */
	uint32_t rows;
	int error;
	uint64_t retry_at;
	bool debug_file_failed; /* what was found for it was too much for the parser */
	bool with_debug_file;	/* the job that runs is the second one, see table_job.h */
	bool queued;		/* in the queue of its priority */
	/* More than one runs if it has become more urgent since the first was begun. */
	struct table_run runs[TABLE_PRIORITIES];
	uint32_t file_ids[TABLE_MAX_FILE_IDS];
	size_t n_file_ids;
	struct table_entry *prev, *next; /* in the queue */
	UT_hash_handle hh;
};

/* One for each priority. */
struct table_queue {
	struct worker *worker;
	struct table_entry *entries;
	size_t running;
};

struct table_manager {
	struct table_manager_options options;
	struct table_store *store;
	struct table_entry *entries; /* by executable */
	struct table_queue queues[TABLE_PRIORITIES];
	uint64_t retry_scan_at;
	struct table_manager_stats stats;
};

/* It waits for its table from now on, unless it does so already with that priority or a higher one.
 */
void table_entry_enqueue(struct table_entry *e, enum table_priority priority);
/* The table is there, or will not come for now. @error: -errno of a refusal, else 0. */
void table_entry_settle(struct table_entry *e, enum table_state state, int error);
/*
 * Gets the table of one that waits, and is in no queue any more: from the cache, at once, or from
 * the parser, later. Then it is settled.
 */
void table_entry_build(struct table_entry *e);
