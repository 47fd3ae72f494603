/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects rows with rising file offsets and makes a table of them: cuts them into pages, interns
 * their rules, leaves out rows that say nothing new.
 */
#pragma once

#include "unwind/table.h"

struct row_writer;

/* Returns NULL when out of memory. */
struct row_writer *row_writer_new(void);
/* Returns NULL; accepts NULL. */
struct row_writer *row_writer_free(struct row_writer *w);

/*
 * From @offset on @rule holds; NULL is the gap. A row at the offset of the last one replaces it. An
 * error is remembered and given by row_writer_finish(); offsets that go back are an error.
 */
void row_writer_add(struct row_writer *w, uint64_t offset, const struct unwind_rule *rule);

/*
 * The table; its statistics are @stats with what the rows themselves tell added. -ENOMEM, -EFBIG.
 */
int row_writer_finish(struct row_writer *w, const struct unwind_table_stats *stats,
		      struct unwind_table **ret);
