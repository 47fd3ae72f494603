/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows are given out page by page (a page's rows lie in one segment), pages as one stretch a table.
 * What was taken out of the readers' sight has its room given back only after wait_for_readers(),
 * which takes long: once for all that an eviction takes, or that was removed since the last put.
 */
#include "unwind/table_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "unwind/extents.h"
#include "unwind/rule_table.h"
#include "unwind/table.h"

#define DEFAULT_BUDGET	(64ULL << 20)
#define DEFAULT_KEEP_NS (10 * NS_PER_S)

struct stored_table {
	void *owner;
	uint64_t used;
	uint32_t page, first_page, n_pages; /* the stretch of pages; which page of the file */
	uint32_t rows;
	struct stored_table *prev, *next;
};

struct table_store {
	struct table_store_options options;
	struct rule_table *rules;
	uint32_t n_rules; /* of these, in the kernel */
	struct unwind_segment *segments[UNWIND_MAX_SEGMENTS];
	uint32_t n_segments, max_segments;
	struct extents rows, pages;
	struct stored_table **bound; /* by slot: which table; NULL = none */
	struct stored_table *tables;
	struct stored_table *removed; /* out of sight, their room is not given back yet */
	struct table_store_stats stats;
};

int table_store_new(const struct table_store_options *o, struct table_store **ret)
{
	struct table_store *s = calloc(1, sizeof(*s));
	uint64_t budget = o->budget ? o->budget : DEFAULT_BUDGET;

	if (!s)
		return -ENOMEM;
	s->options = *o;
	if (!s->options.keep_ns)
		s->options.keep_ns = DEFAULT_KEEP_NS;
	s->max_segments = (uint32_t)MIN((budget + sizeof(struct unwind_segment) - 1) /
						sizeof(struct unwind_segment),
					UNWIND_MAX_SEGMENTS);
	s->rows.boundary = UNWIND_SEGMENT_ROWS;
	s->rules = rule_table_new();
	s->bound = calloc(UNWIND_FILE_SLOTS, sizeof(*s->bound));
	if (!s->rules || !s->bound || extents_give(&s->pages, 0, UNWIND_MAX_PAGES) < 0) {
		table_store_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

static uint32_t slot_of(uint32_t file_id)
{
	return file_id % UNWIND_FILE_SLOTS;
}

/* After this no reader that begins now finds the file. */
static void clear_slot(struct table_store *s, uint32_t slot)
{
	__atomic_store_n(&s->options.memory.files[slot].file_id, 0, __ATOMIC_SEQ_CST);
	s->bound[slot] = NULL;
}

static void clear_slots_of(struct table_store *s, const struct stored_table *t)
{
	for (uint32_t slot = 0; slot < UNWIND_FILE_SLOTS; slot++) {
		if (s->bound[slot] == t)
			clear_slot(s, slot);
	}
}

static void give_back_rows(struct table_store *s, uint32_t page, uint32_t n_pages)
{
	for (uint32_t i = 0; i < n_pages; i++) {
		struct unwind_page *p = &s->options.memory.pages[page + i];

		extents_give(&s->rows, p->row, p->n_rows);
		*p = (struct unwind_page){ 0 };
	}
}

/* Out of the readers' sight: none that begins now finds it. */
static void hide(struct table_store *s, struct stored_table *t)
{
	clear_slots_of(s, t);
	s->stats.tables--;
	s->stats.rows -= t->rows;
	s->stats.pages -= t->n_pages;
	DL_DELETE(s->tables, t);
}

/* Gives the room back that a hidden table had. No reader may be left. */
static void reclaim(struct table_store *s, struct stored_table *t)
{
	give_back_rows(s, t->page, t->n_pages);
	extents_give(&s->pages, t->page, t->n_pages);
	free(t);
}

static void reclaim_removed(struct table_store *s)
{
	struct stored_table *t, *next;

	if (!s->removed)
		return;
	s->options.memory.wait_for_readers(s->options.memory.userdata);
	DL_FOREACH_SAFE(s->removed, t, next) {
		DL_DELETE(s->removed, t);
		reclaim(s, t);
	}
}

void table_store_remove(struct table_store *s, struct stored_table *t)
{
	if (!t)
		return;
	hide(s, t);
	DL_APPEND(s->removed, t);
}

struct table_store *table_store_free(struct table_store *s)
{
	struct stored_table *t, *next;

	if (!s)
		return NULL;
	for (uint32_t slot = 0; s->bound && slot < UNWIND_FILE_SLOTS; slot++)
		clear_slot(s, slot);
	DL_FOREACH_SAFE(s->tables, t, next)
		free(t);
	DL_FOREACH_SAFE(s->removed, t, next)
		free(t);
	extents_done(&s->rows);
	extents_done(&s->pages);
	rule_table_free(s->rules);
	free(s->bound);
	free(s);
	return NULL;
}

static struct stored_table *least_recently_used(struct table_store *s, uint64_t now)
{
	struct stored_table *t, *oldest = NULL;

	DL_FOREACH(s->tables, t) {
		if (t->used + s->options.keep_ns <= now && (!oldest || t->used < oldest->used))
			oldest = t;
	}
	return oldest;
}

/*
 * Takes out what was used least recently, at least @rows and @pages of it, waiting for readers only
 * once. -ENOSPC if nothing may be taken out.
 */
static int evict(struct table_store *s, uint32_t rows, uint32_t pages, uint64_t now)
{
	struct stored_table *gone = NULL, *t, *next;
	uint64_t freed_rows = 0, freed_pages = 0;

	while (freed_rows < rows || freed_pages < pages) {
		t = least_recently_used(s, now);
		if (!t)
			break;
		hide(s, t);
		freed_rows += t->rows;
		freed_pages += t->n_pages;
		DL_APPEND(gone, t);
	}
	if (!gone)
		return -ENOSPC;
	s->options.memory.wait_for_readers(s->options.memory.userdata);
	DL_FOREACH_SAFE(gone, t, next) {
		void *owner = t->owner;

		DL_DELETE(gone, t);
		reclaim(s, t);
		s->stats.evicted++;
		if (s->options.evicted)
			s->options.evicted(s->options.userdata, owner);
	}
	return 0;
}

static int make_segments(struct table_store *s, uint32_t n)
{
	return s->options.memory.add_segments(s->options.memory.userdata, s->n_segments, n,
					      s->segments + s->n_segments);
}

static int add_segments(struct table_store *s)
{
	uint32_t n = MIN(s->max_segments - s->n_segments, TABLE_STORE_SEGMENTS);
	int r;

	if (n == 0)
		return -ENOSPC;
	r = make_segments(s, n);
	if (r == -ENOMEM && n > 1) {
		n = 1;
		r = make_segments(s, n);
	}
	if (r < 0)
		return r;
	r = extents_give(&s->rows, s->n_segments << UNWIND_SEGMENT_SHIFT, n * UNWIND_SEGMENT_ROWS);
	s->n_segments += n;
	s->stats.row_bytes += n * sizeof(struct unwind_segment);
	return r;
}

/* @left: what the table will still want after this, so that an eviction makes room for all of it.
 */
static int take_rows(struct table_store *s, uint32_t n, uint32_t left, uint64_t now,
		     uint32_t *ret_row)
{
	int r;

	while ((r = extents_take(&s->rows, n, ret_row)) == -ENOSPC) {
		r = add_segments(s);
		if (r == -ENOSPC || r == -ENOMEM)
			r = evict(s, left, 0, now);
		if (r < 0)
			break;
	}
	return r;
}

static void copy_rows(struct table_store *s, uint32_t row, const struct unwind_row *from,
		      uint32_t n, const uint16_t *rules)
{
	struct unwind_row *to =
		s->segments[row >> UNWIND_SEGMENT_SHIFT]->rows + (row & (UNWIND_SEGMENT_ROWS - 1));

	for (uint32_t i = 0; i < n; i++)
		to[i] = (struct unwind_row){ from[i].pc_low, rules[from[i].rule] };
}

/* New rules go to the kernel before the rows that name them. */
static int number_rules(struct table_store *s, const struct unwind_table *table,
			uint16_t **ret_numbers)
{
	_cleanup_free_ uint16_t *numbers = calloc(table->n_rules, sizeof(*numbers));
	uint32_t count;
	int r;

	if (!numbers)
		return -ENOMEM;
	r = rule_table_add(s->rules, table, numbers);
	if (r < 0)
		return r;
	for (count = rule_table_count(s->rules); s->n_rules < count; s->n_rules++)
		rule_table_get(s->rules, s->n_rules, &s->options.memory.rules[s->n_rules]);
	*ret_numbers = TAKE_PTR(numbers);
	return 0;
}

static int copy_table(struct table_store *s, struct stored_table *t,
		      const struct unwind_table *table, uint64_t now)
{
	const struct unwind_page *pages = unwind_table_pages(table);
	const struct unwind_row *rows = unwind_table_rows(table);
	_cleanup_free_ uint16_t *numbers = NULL;
	int r = number_rules(s, table, &numbers);

	for (uint32_t i = 0; r == 0 && i < t->n_pages; i++) {
		uint32_t row = 0, n = pages[i].n_rows;

		if (!n)
			continue;
		r = take_rows(s, n, table->n_rows - t->rows, now, &row);
		if (r < 0)
			break;
		copy_rows(s, row, rows + pages[i].row, n, numbers);
		s->options.memory.pages[t->page + i] = (struct unwind_page){ row, n };
		t->rows += n;
	}
	return r;
}

int table_store_put(struct table_store *s, const struct unwind_table *table, void *owner,
		    uint64_t now, struct stored_table **ret)
{
	_cleanup_free_ struct stored_table *t = calloc(1, sizeof(*t));
	int r = 0;

	if (!t)
		return -ENOMEM;
	reclaim_removed(s);
	*t = (struct stored_table){
		.owner = owner,
		.used = now,
		.first_page = table->first_page,
		.n_pages = table->n_pages,
	};
	if (table->n_rows > (uint64_t)s->max_segments * UNWIND_SEGMENT_ROWS)
		r = -EFBIG;
	while (r == 0 && t->n_pages &&
	       (r = extents_take(&s->pages, t->n_pages, &t->page)) == -ENOSPC)
		r = evict(s, 0, t->n_pages, now);
	if (r < 0) {
		s->stats.refused++;
		return r;
	}
	r = copy_table(s, t, table, now);
	if (r < 0) {
		give_back_rows(s, t->page, t->n_pages);
		extents_give(&s->pages, t->page, t->n_pages);
		s->stats.refused++;
		return r;
	}
	s->stats.tables++;
	s->stats.published++;
	s->stats.rows += t->rows;
	s->stats.pages += t->n_pages;
	DL_APPEND(s->tables, t);
	*ret = TAKE_PTR(t);
	return 0;
}

void table_store_bind(struct table_store *s, struct stored_table *t, uint32_t file_id)
{
	uint32_t slot = slot_of(file_id);
	struct unwind_file *f = &s->options.memory.files[slot];

	/* A file that was learned is announced as well: nothing changes, nobody is waited for. */
	if (f->file_id == file_id && s->bound[slot] == t)
		return;
	if (f->file_id) {
		if (f->file_id != file_id)
			s->stats.slot_conflicts++;
		clear_slot(s, slot);
		s->options.memory.wait_for_readers(s->options.memory.userdata);
	}
	f->page = t ? t->page : 0;
	f->first_page = t ? t->first_page : 0;
	f->n_pages = t ? t->n_pages : 0;
	s->bound[slot] = t;
	__atomic_store_n(&f->file_id, file_id, __ATOMIC_SEQ_CST);
}

bool table_store_knows(const struct table_store *s, uint32_t file_id)
{
	return s->options.memory.files[slot_of(file_id)].file_id == file_id;
}

const struct unwind_rule *table_store_find(const struct table_store *s,
					   const struct stored_table *t, uint64_t offset)
{
	static const struct unwind_rule gap;
	uint64_t page = (offset >> UNWIND_PAGE_SHIFT) - t->first_page;
	const struct unwind_page *p;
	const struct unwind_row *rows;
	uint32_t first = 0, n;

	if (page >= t->n_pages)
		return &gap;
	p = &s->options.memory.pages[t->page + page];
	if (!p->n_rows)
		return &gap;
	rows = s->segments[p->row >> UNWIND_SEGMENT_SHIFT]->rows +
	       (p->row & (UNWIND_SEGMENT_ROWS - 1));
	for (n = p->n_rows; n > 1; n -= n / 2) {
		if (rows[first + n / 2].pc_low <= (offset & (UNWIND_PAGE_SIZE - 1)))
			first += n / 2;
	}
	return &s->options.memory.rules[rows[first].rule];
}

void table_store_touch(struct table_store *s, uint32_t file_id, uint64_t now)
{
	struct stored_table *t = s->bound[slot_of(file_id)];

	if (t && t->used < now && table_store_knows(s, file_id))
		t->used = now;
}

void table_store_get_stats(const struct table_store *s, struct table_store_stats *ret)
{
	*ret = s->stats;
	ret->rules = rule_table_count(s->rules);
}
