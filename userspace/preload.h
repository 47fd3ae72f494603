/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads unwinding tables before they are needed: of all that running processes have mapped, at
 * once; then of the programs and libraries in the usual directories, little by little, until most
 * of the budget is used. Whatever is started later finds its files known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collector;
struct executable_table;
struct preload;
struct process_table;
struct table_manager;

struct preload_options {
	struct collector *collector;
	struct process_table *processes;
	struct executable_table *executables;
	struct table_manager *tables;
	const char *const
		*directories; /* NULL-terminated list, "" entries are skipped; NULL = the usual */
	uint64_t row_bytes;   /* stop when the tables' rows take so much kernel memory */
	size_t max_files;     /* or when so many files are known */
};

#define PRELOAD_COUNTERS(X)                                                                        \
	X(files, "files whose unwinding tables were loaded before they were needed")               \
	X(skipped, "files that were looked at and are no code, or could not be opened")

struct preload_stats {
#define X(name, help) uint64_t name;
	PRELOAD_COUNTERS(X)
#undef X
};

int preload_new(const struct preload_options *o, struct preload **ret);
struct preload *preload_free(struct preload *p);

/* All that is mapped now. -ENOMEM or 0. */
int preload_processes(struct preload *p);
/* A few files of the directories, for at most about @budget ns. False: there are no more. */
bool preload_step(struct preload *p, uint64_t budget);

void preload_get_stats(const struct preload *p, struct preload_stats *ret);
