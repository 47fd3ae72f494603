/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to tell about the unwinding tables and the names of a machine's executables. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "unwind/table_manager.h"

/* A line of /executables. */
struct unwind_table_line {
	const struct executable *executable; /* borrowed */
	const char *state, *source;
	uint32_t rows;
	int error; /* -errno; 0 = none */
};

/* How many files there are in each state. */
void unwind_tables_count(const struct table_manager *m, uint64_t ret[static TABLE_STATES_COUNT]);

/*
 * Of every executable: those the manager knows, and the others, which cannot be read or were never
 * met by the kernel. Most rows first. Caller frees; -ENOMEM.
 */
int unwind_tables_list(const struct table_manager *m, struct executable_table *executables,
		       struct unwind_table_line **ret, size_t *ret_n);

/* As tab-separated text, the first line naming the columns. Control characters become '?'. */
void unwind_tables_print(const struct unwind_table_line *lines, size_t n, FILE *f);

/* More lines: programs with compiled code that has no names. */
struct jit_programs;
void unwind_tables_print_jit(const struct jit_programs *programs, FILE *f);

/* Why a table was refused, in words. */
const char *unwind_tables_error(int error);
