/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinding table of one file: rules, pages and rows in one allocation that holds offsets and
 * no pointers, so that it can be written to a file or handed over by another process as it is. What
 * comes from either must pass unwind_table_check() before it is used; what passes cannot make a
 * reader step outside, though it can be wrong about the code.
 *
 * Tables are immutable once built. See unwind_abi.h for rows, pages and rules; rule numbers are the
 * table's own here, 0 being the gap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/eh_frame.h"
#include "unwind_abi.h"

#define UNWIND_TABLE_MAGIC   0x64776e75 /* "unwd" */
#define UNWIND_TABLE_VERSION 1

/* 8 GiB of text cannot have more pages; more rows than this are refused with -EFBIG. */
#define UNWIND_TABLE_MAX_ROWS (64U << 20)

/*
 * The largest programs have about a thousand. A limit far below UNWIND_MAX_RULES keeps one file
 * from using up the numbers of the whole machine.
 */
#define UNWIND_TABLE_MAX_RULES 8192

/* What a table is made of. X(name, "help"). */
#define UNWIND_TABLE_STATS(X)                                                                      \
	X(fdes_eh_frame, "descriptions in .eh_frame")                                              \
	X(fdes_debug_frame, "descriptions in .debug_frame")                                        \
	X(go_functions, "functions in a Go pclntab")                                               \
	X(synthetic, "code whose rule was concluded from its bytes or its section")                \
	X(outside, "descriptions of code that is in no executable segment")                        \
	X(overlapping, "descriptions of code that was described before")                           \
	X(gaps, "stretches of code without a rule, longer than padding")                           \
	X(rules_overflowed, "rows that became unsupported because there were too many rules")      \
	X(sections_refused, "sections that could not be read: too large, damaged, compression")

struct unwind_table_stats {
#define X(name, help) uint32_t name;
	UNWIND_TABLE_STATS(X)
#undef X
	uint32_t unsupported[UNWIND_REASONS_COUNT]; /* rows */
	struct cfi_refusals refused;
};

struct unwind_table {
	uint32_t magic, version;
	uint64_t size; /* of everything, this header included */
	struct unwind_table_stats stats;
	uint32_t first_page; /* which page of the file pages[0] is */
	uint32_t n_pages, n_rules, n_rows;
	uint32_t rules_at, pages_at, rows_at; /* bytes from the beginning */
	uint32_t reserved;
};

static inline const struct unwind_rule *unwind_table_rules(const struct unwind_table *t)
{
	return (const struct unwind_rule *)((const char *)t + t->rules_at);
}

/* Their `row` counts from the first of unwind_table_rows(). */
static inline const struct unwind_page *unwind_table_pages(const struct unwind_table *t)
{
	return (const struct unwind_page *)((const char *)t + t->pages_at);
}

static inline const struct unwind_row *unwind_table_rows(const struct unwind_table *t)
{
	return (const struct unwind_row *)((const char *)t + t->rows_at);
}

/*
 * Puts the parts together; rules[0] must be the gap. Returns -ENOMEM or 0. Caller frees with
 * free().
 */
int unwind_table_make(const struct unwind_rule *rules, uint32_t n_rules,
		      const struct unwind_page *pages, uint32_t first_page, uint32_t n_pages,
		      const struct unwind_row *rows, uint32_t n_rows,
		      const struct unwind_table_stats *stats, struct unwind_table **ret);

/*
 * Whether @size bytes at @data, aligned to 8, are a table that can be used: 0 or -EBADMSG. It
 * looks at every row.
 */
int unwind_table_check(const void *data, size_t size);

/* The rule of an offset in the file; the gap for an offset in no page. */
const struct unwind_rule *unwind_table_find(const struct unwind_table *t, uint64_t offset);
