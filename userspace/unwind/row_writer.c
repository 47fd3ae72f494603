/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/row_writer.h"
#include "base/cleanup.h"
#include "base/intern.h"

#include <errno.h>
#include <stdlib.h>

struct row_writer {
	struct intern *rules; /* the number of a rule is its id; 0 is the gap */
	struct unwind_row *rows;
	struct unwind_page *pages;
	size_t n_rows, rows_room;
	size_t n_pages, pages_room;
	uint32_t first_page;
	uint32_t overflowed;
	uint64_t last_offset;
	uint16_t rule; /* in force */
	int error;
};

static const struct unwind_rule overflow_rule = {
	.cfa = UNWIND_CFA_UNSUPPORTED,
	.cfa_add = UNWIND_REASON_overflow,
};

struct row_writer *row_writer_new(void)
{
	struct row_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->rules = intern_new();
	/* The first id, so that it exists whatever comes. */
	if (!w->rules || !intern_bytes(w->rules, &overflow_rule, sizeof(overflow_rule)))
		return row_writer_free(w);
	return w;
}

struct row_writer *row_writer_free(struct row_writer *w)
{
	if (!w)
		return NULL;
	intern_free(w->rules);
	free(w->rows);
	free(w->pages);
	free(w);
	return NULL;
}

static uint16_t number_of(struct row_writer *w, const struct unwind_rule *rule)
{
	uint32_t id;

	if (!rule || rule->cfa == UNWIND_CFA_GAP)
		return 0;
	/* What is only counted is not stored without end. */
	if (intern_count(w->rules) >= 2 * UNWIND_TABLE_MAX_RULES) {
		w->overflowed++;
		return 1;
	}
	id = intern_bytes(w->rules, rule, sizeof(*rule));
	if (!id)
		w->error = -ENOMEM;
	if (id < UNWIND_TABLE_MAX_RULES)
		return (uint16_t)id;
	w->overflowed++;
	return 1;
}

static void *grown(void *array, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return array;
	*room = *room ? *room * 2 : 256;
	return reallocarray(array, *room, size);
}

static void push_row(struct row_writer *w, uint16_t pc_low, uint16_t rule)
{
	void *rows;

	if (w->n_rows == UNWIND_TABLE_MAX_ROWS) {
		w->error = -EFBIG;
		return;
	}
	rows = grown(w->rows, w->n_rows, &w->rows_room, sizeof(*w->rows));
	if (!rows) {
		w->error = -ENOMEM;
		return;
	}
	w->rows = rows;
	w->rows[w->n_rows++] = (struct unwind_row){ .pc_low = pc_low, .rule = rule };
	w->pages[w->n_pages - 1].n_rows++;
}

static void push_page(struct row_writer *w)
{
	void *pages;

	if (w->n_pages == UNWIND_MAX_PAGES) {
		w->error = -EFBIG;
		return;
	}
	pages = grown(w->pages, w->n_pages, &w->pages_room, sizeof(*w->pages));
	if (!pages) {
		w->error = -ENOMEM;
		return;
	}
	w->pages = pages;
	w->pages[w->n_pages++] = (struct unwind_page){ .row = (uint32_t)w->n_rows };
}

/* Makes pages up to the one of @offset; each begins with the rule in force. */
static void open_page(struct row_writer *w, uint64_t offset)
{
	uint64_t page = offset >> UNWIND_PAGE_SHIFT;

	if (!w->n_pages)
		w->first_page = (uint32_t)page;
	if (page - w->first_page >= UNWIND_MAX_PAGES)
		w->error = -EFBIG;
	while (!w->error && w->first_page + w->n_pages <= page) {
		bool is_last = w->first_page + w->n_pages == page;

		push_page(w);
		if (w->error || (is_last && !(uint16_t)offset))
			return;
		/* A page of nothing but a gap needs no row to say so. */
		if (!is_last && !w->rule)
			w->pages[w->n_pages - 1].row = 0;
		else
			push_row(w, 0, w->rule);
	}
}

void row_writer_add(struct row_writer *w, uint64_t offset, const struct unwind_rule *rule)
{
	uint16_t number;

	if (w->error)
		return;
	if (offset < w->last_offset) {
		w->error = -EINVAL;
		return;
	}
	if (offset >> UNWIND_PAGE_SHIFT >= UINT32_MAX - UNWIND_MAX_PAGES) {
		w->error = -EFBIG;
		return;
	}
	number = number_of(w, rule);
	if (w->n_rows && offset == w->last_offset) {
		w->rows[w->n_rows - 1].rule = number;
		w->rule = number;
		return;
	}
	if (w->error || number == w->rule)
		return;
	open_page(w, offset);
	if (!w->error)
		push_row(w, (uint16_t)offset, number);
	w->rule = number;
	w->last_offset = offset;
}

static void count_rows(const struct row_writer *w, const struct unwind_rule *rules,
		       struct unwind_table_stats *stats)
{
	for (size_t i = 0; i < w->n_rows; i++) {
		const struct unwind_rule *rule = &rules[w->rows[i].rule];

		if (rule->cfa == UNWIND_CFA_UNSUPPORTED)
			stats->unsupported[rule->cfa_add]++;
	}
	stats->rules_overflowed += w->overflowed;
}

int row_writer_finish(struct row_writer *w, const struct unwind_table_stats *stats,
		      struct unwind_table **ret)
{
	uint32_t n_rules = MIN(intern_count(w->rules) + 1, (uint32_t)UNWIND_TABLE_MAX_RULES);
	struct unwind_table_stats all = *stats;
	_cleanup_free_ struct unwind_rule *rules = NULL;

	if (w->error)
		return w->error;
	rules = calloc(n_rules, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	for (uint32_t i = 1; i < n_rules; i++)
		rules[i] = *(const struct unwind_rule *)intern_get(w->rules, i, NULL);
	count_rows(w, rules, &all);
	return unwind_table_make(rules, n_rules, w->pages, w->first_page, (uint32_t)w->n_pages,
				 w->rows, (uint32_t)w->n_rows, &all, ret);
}
