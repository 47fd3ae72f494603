/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way through the unwinding tables (unwind_abi.h): from a file id to the file's pages, and from
 * an offset in the file to the number of its rule.
 *
 * Nothing found here may be kept beyond the run of the program: user space waits for that, and for
 * no longer, before it uses the memory for something else.
 */
#pragma once

#include "env.h"
#include "unwind_rows.h"

/* What user space has said about a file. */
enum tables_state {
	TABLES_UNBOUND = 0, /* nothing yet */
	TABLES_NONE,	    /* it has no rules, and will have none */
	TABLES_RULES,
};

struct tables_file {
	u32 page, first_page, n_pages; /* as in struct unwind_file */
	u32 state;		       /* enum tables_state */
};

ENV_INLINE void tables_find(u32 file_id, struct tables_file *ret)
{
	const struct unwind_file *file = env_unwind_file(file_id % UNWIND_FILE_SLOTS);

	ret->state = TABLES_UNBOUND;
	ret->n_pages = 0;
	/* The id is what publishes: it is read first. */
	if (!file || *(const volatile u32 *)&file->file_id != file_id)
		return;
	ret->page = file->page;
	ret->first_page = file->first_page;
	ret->n_pages = file->n_pages;
	ret->state = ret->n_pages ? TABLES_RULES : TABLES_NONE;
}

/* The rule for @offset in the file; NULL if the tables contradict themselves. */
ENV_INLINE const struct unwind_rule *tables_rule(const struct tables_file *file, u64 offset)
{
	u64 number = (offset >> UNWIND_PAGE_SHIFT) - file->first_page; /* before it: huge */
	const struct unwind_segment *segment;
	const struct unwind_page *page;
	u32 rule = 0; /* the gap */

	if (number < file->n_pages) {
		page = env_unwind_page(file->page + (u32)number);
		if (!page)
			return NULL;
		if (page->n_rows) {
			segment = env_unwind_segment(page->row >> UNWIND_SEGMENT_SHIFT);
			if (!segment)
				return NULL;
			rule = unwind_find_rule(segment, page->row, page->n_rows, (u16)offset);
		}
	}
	return env_unwind_rule(rule);
}
