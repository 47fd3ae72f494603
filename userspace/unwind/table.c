/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int unwind_table_make(const struct unwind_rule *rules, uint32_t n_rules,
		      const struct unwind_page *pages, uint32_t first_page, uint32_t n_pages,
		      const struct unwind_row *rows, uint32_t n_rows,
		      const struct unwind_table_stats *stats, struct unwind_table **ret)
{
	size_t rules_at = round_up_8(sizeof(struct unwind_table));
	size_t pages_at = rules_at + n_rules * sizeof(*rules);
	size_t rows_at = pages_at + n_pages * sizeof(*pages);
	size_t size = round_up_8(rows_at + n_rows * sizeof(*rows));
	struct unwind_table *t;

	if (size > UINT32_MAX)
		return -EFBIG;
	t = calloc(1, size);
	if (!t)
		return -ENOMEM;
	*t = (struct unwind_table){
		.magic = UNWIND_TABLE_MAGIC,
		.version = UNWIND_TABLE_VERSION,
		.size = size,
		.stats = *stats,
		.first_page = first_page,
		.n_pages = n_pages,
		.n_rules = n_rules,
		.n_rows = n_rows,
		.rules_at = (uint32_t)rules_at,
		.pages_at = (uint32_t)pages_at,
		.rows_at = (uint32_t)rows_at,
	};
	memcpy((char *)t + rules_at, rules, n_rules * sizeof(*rules));
	if (n_pages)
		memcpy((char *)t + pages_at, pages, n_pages * sizeof(*pages));
	if (n_rows)
		memcpy((char *)t + rows_at, rows, n_rows * sizeof(*rows));
	*ret = t;
	return 0;
}

static bool place_is_valid(uint8_t place)
{
	return place & UNWIND_IN_REGISTER ? (place & ~UNWIND_IN_REGISTER) < UNWIND_REGISTERS
					  : place < UNWIND_PLACES;
}

static bool rule_is_valid(const struct unwind_rule *r)
{
	return r->cfa < UNWIND_CFA_KINDS && r->cfa_reg < UNWIND_REGISTERS &&
	       place_is_valid(r->ra) && place_is_valid(r->sp) && place_is_valid(r->bp) &&
	       place_is_valid(r->bx) && !(r->flags & ~UNWIND_RULE_FLAGS) &&
	       r->burst <= UNWIND_BURST_WORDS;
}

static bool page_is_valid(const struct unwind_table *t, const struct unwind_page *page)
{
	const struct unwind_row *rows = unwind_table_rows(t) + page->row;

	if (!page->n_rows)
		return !page->row;
	if (page->n_rows > UNWIND_PAGE_SIZE || page->row > t->n_rows ||
	    page->n_rows > t->n_rows - page->row || rows[0].pc_low)
		return false;
	for (uint32_t i = 0; i < page->n_rows; i++)
		if (rows[i].rule >= t->n_rules || (i && rows[i].pc_low <= rows[i - 1].pc_low))
			return false;
	return true;
}

/* The parts must follow each other without overlap, so that no multiplication can overflow. */
static bool layout_is_valid(const struct unwind_table *t, size_t size)
{
	uint64_t rules_end = t->rules_at + (uint64_t)t->n_rules * sizeof(struct unwind_rule);
	uint64_t pages_end = t->pages_at + (uint64_t)t->n_pages * sizeof(struct unwind_page);
	uint64_t rows_end = t->rows_at + (uint64_t)t->n_rows * sizeof(struct unwind_row);

	return t->size == size && t->n_rules && t->n_rules <= UNWIND_TABLE_MAX_RULES &&
	       t->n_pages <= UNWIND_MAX_PAGES && t->n_rows <= UNWIND_TABLE_MAX_ROWS &&
	       t->first_page <= UINT32_MAX - t->n_pages && t->rules_at >= sizeof(*t) &&
	       !(t->rules_at % 8) && rules_end <= t->pages_at && !(t->pages_at % 8) &&
	       pages_end <= t->rows_at && !(t->rows_at % 4) && rows_end <= size;
}

int unwind_table_check(const void *data, size_t size)
{
	const struct unwind_table *t = data;
	const struct unwind_rule *rules;

	if (size < sizeof(*t) || t->magic != UNWIND_TABLE_MAGIC ||
	    t->version != UNWIND_TABLE_VERSION || !layout_is_valid(t, size))
		return -EBADMSG;
	rules = unwind_table_rules(t);
	if (rules[0].cfa != UNWIND_CFA_GAP)
		return -EBADMSG;
	for (uint32_t i = 0; i < t->n_rules; i++)
		if (!rule_is_valid(&rules[i]))
			return -EBADMSG;
	for (uint32_t i = 0; i < t->n_pages; i++)
		if (!page_is_valid(t, &unwind_table_pages(t)[i]))
			return -EBADMSG;
	return 0;
}

const struct unwind_rule *unwind_table_find(const struct unwind_table *t, uint64_t offset)
{
	const struct unwind_rule *rules = unwind_table_rules(t);
	uint64_t number = (offset >> UNWIND_PAGE_SHIFT) - t->first_page;
	uint16_t pc_low = (uint16_t)offset;
	const struct unwind_page *page;
	const struct unwind_row *rows;
	uint32_t n;

	/* Below the first page the subtraction wraps. */
	if (number >= t->n_pages)
		return &rules[0];
	page = &unwind_table_pages(t)[number];
	n = page->n_rows;
	if (!n)
		return &rules[0];
	rows = unwind_table_rows(t) + page->row;
	while (n > 1) {
		uint32_t half = n / 2;

		if (rows[half].pc_low <= pc_low)
			rows += half;
		n -= half;
	}
	return &rules[rows->rule];
}
