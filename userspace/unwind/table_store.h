/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinding tables that are in the kernel: copies them into the memory of the BPF maps in the
 * order that unwind_abi.h asks for, keeps them within a budget, and takes out what was used least
 * recently when another one needs the room.
 *
 * The memory is the collector's (or a test's). A reader in the kernel never sees a stale row: room
 * that was given up is only used again after the readers of that moment are gone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind_abi.h"

struct unwind_table;
struct table_store;
struct stored_table;

/* Making segments takes an RCU grace period, however many they are: so they are made by these. */
#define TABLE_STORE_SEGMENTS 4

/* Where the tables go: the maps' memory, and what only their owner can do. */
struct table_store_memory {
	struct unwind_file *files; /* UNWIND_FILE_SLOTS of them */
	struct unwind_page *pages; /* UNWIND_MAX_PAGES of them */
	struct unwind_rule *rules; /* UNWIND_MAX_RULES of them */
	/* Makes @n segments (1 to TABLE_STORE_SEGMENTS), numbered from @first, which stay for
	 * good; all or none. 0 or -errno. */
	int (*add_segments)(void *userdata, uint32_t first, uint32_t n,
			    struct unwind_segment **ret);
	/* Returns when every reader that runs now is done. */
	void (*wait_for_readers)(void *userdata);
	void *userdata;
};

struct table_store_options {
	struct table_store_memory memory;
	uint64_t budget;  /* bytes of rows; 0 = 64 MiB; rounded up to whole segments */
	uint64_t keep_ns; /* a table used more recently than this is not taken out; 0 = 10 s */
	/* A table was taken out to make room for another one. May be NULL. */
	void (*evicted)(void *userdata, void *owner);
	void *userdata;
};

#define TABLE_STORE_COUNTERS(X)                                                                    \
	X(tables, "unwinding tables in the kernel")                                                \
	X(rows, "rows of these tables")                                                            \
	X(row_bytes, "bytes of kernel memory made for rows")                                       \
	X(pages, "64 KiB pages of code that these tables describe")                                \
	X(rules, "distinct rules")                                                                 \
	X(published, "tables put into the kernel since the start")                                 \
	X(evicted, "tables taken out to make room")                                                \
	X(refused, "tables for which there was no room")                                           \
	X(slot_conflicts, "files that lost their slot to a newer one")

struct table_store_stats {
#define X(name, help) uint64_t name;
	TABLE_STORE_COUNTERS(X)
#undef X
};

int table_store_new(const struct table_store_options *o, struct table_store **ret);
/* Takes everything out of the kernel's sight. Accepts NULL, returns NULL. */
struct table_store *table_store_free(struct table_store *s);

/*
 * Copies a table (checked by the caller, unwind_table_check()) into the kernel, taking others out
 * if it must. It is in use only after table_store_bind(). -ENOSPC if there is no room, -EFBIG
 * if there never will be, -ENOMEM.
 */
int table_store_put(struct table_store *s, const struct unwind_table *table, void *owner,
		    uint64_t now, struct stored_table **ret);

/* File @file_id is unwound with @table from now on; with NULL: it has no table, and never will. */
void table_store_bind(struct table_store *s, struct stored_table *table, uint32_t file_id);

/* Whether anything is bound to @file_id. */
bool table_store_knows(const struct table_store *s, uint32_t file_id);

/*
 * Takes a table out: its files have none any more. Its room is used again by the next
 * table_store_put(), which waits for readers for all that were removed. Does not call evicted().
 * Accepts NULL.
 */
void table_store_remove(struct table_store *s, struct stored_table *table);

/*
 * The rule of an offset in a table's file, as the kernel finds it; the gap if there is none. Valid
 * until the table is removed or evicted.
 */
const struct unwind_rule *table_store_find(const struct table_store *s,
					   const struct stored_table *table, uint64_t offset);

/* The file was seen in a sample at @now. Cheap. */
void table_store_touch(struct table_store *s, uint32_t file_id, uint64_t now);

void table_store_get_stats(const struct table_store *s, struct table_store_stats *ret);
