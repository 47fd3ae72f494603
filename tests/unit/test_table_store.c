/* SPDX-License-Identifier: Apache-2.0 */
/* The tables in the kernel: what a reader would find, while tables come and go in little room. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "unwind/extents.h"
#include "unwind/table.h"
#include "unwind/table_store.h"

#define SEGMENT_BYTES sizeof(struct unwind_segment)
#define KEEP_NS	      10

struct world {
	struct unwind_file *files;
	struct unwind_page *pages;
	struct unwind_rule *rules;
	struct unwind_segment *segments[4];
	uint32_t max_at_once, additions; /* of segments */
	unsigned int waits, evicted;
	void *last_evicted;
	struct table_store *store;
};

static int add_segments(void *userdata, uint32_t first, uint32_t n, struct unwind_segment **ret)
{
	struct world *w = userdata;

	if (n > w->max_at_once)
		return -ENOMEM;
	assert_in_range(first + n, 1, ARRAY_SIZE(w->segments));
	for (uint32_t i = 0; i < n; i++)
		ret[i] = w->segments[first + i] = calloc(1, SEGMENT_BYTES);
	w->additions++;
	return 0;
}

static void wait_for_readers(void *userdata)
{
	((struct world *)userdata)->waits++;
}

static void evicted(void *userdata, void *owner)
{
	struct world *w = userdata;

	w->evicted++;
	w->last_evicted = owner;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct table_store_options o = {
		.memory = {
			.add_segments = add_segments,
			.wait_for_readers = wait_for_readers,
			.userdata = w,
		},
		.budget = 2 * SEGMENT_BYTES,
		.keep_ns = KEEP_NS,
		.evicted = evicted,
		.userdata = w,
	};

	w->max_at_once = ARRAY_SIZE(w->segments);
	w->files = o.memory.files = calloc(UNWIND_FILE_SLOTS, sizeof(*w->files));
	w->pages = o.memory.pages = calloc(UNWIND_MAX_PAGES, sizeof(*w->pages));
	w->rules = o.memory.rules = calloc(UNWIND_MAX_RULES, sizeof(*w->rules));
	*state = w;
	return table_store_new(&o, &w->store);
}

static int teardown(void **state)
{
	struct world *w = *state;

	table_store_free(w->store);
	for (size_t i = 0; i < ARRAY_SIZE(w->segments); i++)
		free(w->segments[i]);
	free(w->files);
	free(w->pages);
	free(w->rules);
	free(w);
	return 0;
}

/* A table of @n_pages pages with @n_rows rows each, whose rules have @mark as their CFA offset. */
static struct unwind_table *make_table(uint32_t first_page, uint32_t n_pages, uint32_t n_rows,
				       int mark)
{
	struct unwind_rule rules[2] = {
		{ .cfa = UNWIND_CFA_GAP },
		{ .cfa = UNWIND_CFA_REGISTER,
		  .cfa_reg = UNWIND_RSP,
		  .ra = UNWIND_AT_CFA,
		  .sp = UNWIND_AT_CFA,
		  .ra_offset = -8,
		  .cfa_offset = mark },
	};
	_cleanup_free_ struct unwind_page *pages = calloc(n_pages, sizeof(*pages));
	_cleanup_free_ struct unwind_row *rows = calloc((size_t)n_pages * n_rows, sizeof(*rows));
	struct unwind_table_stats stats = { 0 };
	struct unwind_table *t = NULL;

	for (uint32_t p = 0; p < n_pages; p++) {
		pages[p] = (struct unwind_page){ p * n_rows, n_rows };
		for (uint32_t i = 0; i < n_rows; i++)
			rows[p * n_rows + i] = (struct unwind_row){ (uint16_t)i, i % 2 };
	}
	assert_int_equal(unwind_table_make(rules, 2, pages, first_page, n_pages, rows,
					   n_pages * n_rows, &stats, &t),
			 0);
	assert_int_equal(unwind_table_check(t, t->size), 0);
	return t;
}

/* The rule that a reader in the kernel would find; NULL if the file has no table. */
static const struct unwind_rule *read_rule(const struct world *w, uint32_t file_id, uint64_t offset)
{
	const struct unwind_file *f = &w->files[file_id % UNWIND_FILE_SLOTS];
	uint32_t page = (uint32_t)(offset >> UNWIND_PAGE_SHIFT) - f->first_page;
	const struct unwind_page *p;
	uint32_t row;

	if (f->file_id != file_id || page >= f->n_pages)
		return NULL;
	p = &w->pages[f->page + page];
	if (!p->n_rows)
		return NULL;
	for (row = p->row + p->n_rows - 1;; row--) {
		const struct unwind_row *r = &w->segments[row >> UNWIND_SEGMENT_SHIFT]
						      ->rows[row & (UNWIND_SEGMENT_ROWS - 1)];

		if (r->pc_low <= (offset & (UNWIND_PAGE_SIZE - 1)))
			return &w->rules[r->rule];
	}
}

static struct stored_table *put(struct world *w, const struct unwind_table *t, uint32_t file_id,
				uint64_t now)
{
	struct stored_table *stored = NULL;

	assert_int_equal(table_store_put(w->store, t, (void *)(uintptr_t)file_id, now, &stored), 0);
	table_store_bind(w->store, stored, file_id);
	return stored;
}

static void test_reader_finds_rules(void **state)
{
	struct world *w = *state;
	_cleanup_free_ struct unwind_table *t = make_table(3, 2, 100, 64);
	struct stored_table *stored = put(w, t, 17, 1);

	assert_true(table_store_knows(w->store, 17));
	assert_false(table_store_knows(w->store, 18));
	assert_int_equal(read_rule(w, 17, 0x30001)->cfa_offset, 64);
	assert_int_equal(read_rule(w, 17, 0x30002)->cfa, UNWIND_CFA_GAP);
	assert_int_equal(read_rule(w, 17, 0x4ffff)->cfa_offset, 64);
	for (uint64_t offset = 0x30000; offset < 0x30080; offset++)
		assert_ptr_equal(table_store_find(w->store, stored, offset),
				 read_rule(w, 17, offset));
	assert_int_equal(table_store_find(w->store, stored, 0x2ffff)->cfa, UNWIND_CFA_GAP);
	assert_int_equal(table_store_find(w->store, stored, 0x50000)->cfa, UNWIND_CFA_GAP);
	assert_null(read_rule(w, 17, 0x2ffff));
	assert_null(read_rule(w, 17, 0x50000));

	table_store_bind(w->store, stored, 18); /* the same file by another id */
	assert_int_equal(read_rule(w, 18, 0x30001)->cfa_offset, 64);
	table_store_remove(w->store, stored);
	assert_null(read_rule(w, 17, 0x30001));
	assert_null(read_rule(w, 18, 0x30001));
}

/* Many can go at one time: the next one that comes waits for the readers of all of them. */
static void test_removed_room_is_used_again(void **state)
{
	struct world *w = *state;
	_cleanup_free_ struct unwind_table *t = make_table(0, 5, 50000, 8);
	struct table_store_stats before, after;
	struct stored_table *a = put(w, t, 17, 1), *b = put(w, t, 18, 1);

	table_store_get_stats(w->store, &before);
	table_store_remove(w->store, a);
	table_store_remove(w->store, b);
	assert_int_equal(w->waits, 0);
	table_store_get_stats(w->store, &after);
	assert_int_equal(after.tables + after.rows + after.pages, 0);
	put(w, t, 19, 1);
	put(w, t, 20, 1);
	assert_int_equal(w->waits, 1);
	assert_int_equal(w->evicted, 0);
	table_store_get_stats(w->store, &after);
	assert_int_equal(after.rows, before.rows);
	assert_int_equal(after.row_bytes, before.row_bytes);
	/* Nobody waits for what is removed last. */
	table_store_remove(w->store, put(w, t, 19, 1000 * KEEP_NS));
}

static void test_file_without_table(void **state)
{
	struct world *w = *state;

	table_store_bind(w->store, NULL, 20);
	assert_true(table_store_knows(w->store, 20));
	assert_null(read_rule(w, 20, 0));
}

/* A file that was learned is announced too: that must not cost a grace period. */
static void test_binding_again_waits_for_nobody(void **state)
{
	struct world *w = *state;
	_cleanup_free_ struct unwind_table *t = make_table(0, 1, 10, 8);
	struct stored_table *stored = put(w, t, 17, 1);

	table_store_bind(w->store, stored, 17);
	table_store_bind(w->store, NULL, 18);
	table_store_bind(w->store, NULL, 18);
	assert_int_equal(w->waits, 0);
	assert_int_equal(read_rule(w, 17, 1)->cfa_offset, 8);
	table_store_bind(w->store, stored, 18);
	assert_int_equal(w->waits, 1);
	assert_int_equal(read_rule(w, 18, 1)->cfa_offset, 8);
}

static void test_segments_come_at_once(void **state)
{
	struct world *w = *state;
	_cleanup_free_ struct unwind_table *t = make_table(0, 10, 50000, 8);
	struct table_store_stats stats;

	put(w, t, 17, 1);
	assert_int_equal(w->additions, 1);
	table_store_get_stats(w->store, &stats);
	assert_int_equal(stats.row_bytes, 2 * SEGMENT_BYTES);
}

static void test_one_segment_where_more_do_not_fit(void **state)
{
	struct world *w = *state;
	_cleanup_free_ struct unwind_table *t = make_table(0, 10, 50000, 8);
	struct table_store_stats stats;

	w->max_at_once = 1;
	put(w, t, 17, 1);
	assert_int_equal(w->additions, 2);
	table_store_get_stats(w->store, &stats);
	assert_int_equal(stats.row_bytes, 2 * SEGMENT_BYTES);
	assert_int_equal(read_rule(w, 17, 0x90001)->cfa_offset, 8);
}

static void test_newer_file_takes_slot(void **state)
{
	struct world *w = *state;
	_cleanup_free_ struct unwind_table *a = make_table(0, 1, 10, 8);
	_cleanup_free_ struct unwind_table *b = make_table(0, 1, 10, 16);
	struct table_store_stats stats;

	put(w, a, 30, 1);
	put(w, b, 30 + UNWIND_FILE_SLOTS, 1);
	assert_null(read_rule(w, 30, 1));
	assert_int_equal(read_rule(w, 30 + UNWIND_FILE_SLOTS, 1)->cfa_offset, 16);
	table_store_get_stats(w->store, &stats);
	assert_int_equal(stats.slot_conflicts, 1);
}

static void test_least_used_goes_first(void **state)
{
	struct world *w = *state;
	/* Each is 5 pages of 50,000 rows; a segment has room for 5 such pages. */
	_cleanup_free_ struct unwind_table *a = make_table(0, 5, 50000, 8);
	_cleanup_free_ struct unwind_table *b = make_table(0, 5, 50000, 16);
	_cleanup_free_ struct unwind_table *c = make_table(0, 5, 50000, 24);
	struct stored_table *stored;

	put(w, a, 40, 1);
	put(w, b, 41, 2);
	table_store_touch(w->store, 40, 90);
	put(w, c, 42, 100);
	assert_int_equal(w->evicted, 1);
	assert_ptr_equal(w->last_evicted, (void *)(uintptr_t)41);
	assert_null(read_rule(w, 41, 1));
	assert_int_equal(read_rule(w, 40, 1)->cfa_offset, 8);
	assert_int_equal(read_rule(w, 42, 1)->cfa_offset, 24);

	/* What is in use now is not taken out for another one. */
	table_store_touch(w->store, 40, 105);
	table_store_touch(w->store, 42, 105);
	assert_int_equal(table_store_put(w->store, b, NULL, 106, &stored), -ENOSPC);
	assert_int_equal(read_rule(w, 40, 1)->cfa_offset, 8);
	assert_int_equal(read_rule(w, 42, 1)->cfa_offset, 24);
}

static void test_too_large_is_refused(void **state)
{
	struct world *w = *state;
	_cleanup_free_ struct unwind_table *t = make_table(0, 11, 50000, 8);
	struct table_store_stats stats;
	struct stored_table *stored;

	assert_int_equal(table_store_put(w->store, t, NULL, 1, &stored), -EFBIG);
	table_store_get_stats(w->store, &stats);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.rows, 0);
}

/* Tables of all sizes come and go in little room; a reader finds the right rule or none. */
static void test_never_a_wrong_row(void **state)
{
	struct world *w = *state;
	unsigned int seed = 1, found = 0;

	for (uint32_t round = 0; round < 400; round++) {
		uint32_t file_id = 100 + round;
		_cleanup_free_ struct unwind_table *t =
			make_table(0, 1 + (uint32_t)rand_r(&seed) % 8,
				   1 + (uint32_t)rand_r(&seed) % 9000, (int)file_id);
		struct stored_table *stored;

		if (table_store_put(w->store, t, NULL, round * (KEEP_NS / 2), &stored) < 0)
			continue;
		table_store_bind(w->store, stored, file_id);
		for (uint32_t id = 100; id <= file_id; id++) {
			const struct unwind_rule *rule = read_rule(w, id, 1);

			if (!rule || rule->cfa == UNWIND_CFA_GAP)
				continue;
			assert_int_equal(rule->cfa_offset, id);
			found++;
		}
	}
	assert_in_range(found, 400, 400 * 400);
	assert_in_range(w->evicted, 100, 400);
}

static void test_extents_join(void **state)
{
	struct extents e = { .boundary = 100 };
	uint32_t a, b, c, d;

	(void)state;
	assert_int_equal(extents_give(&e, 0, 300), 0);
	assert_int_equal(extents_take(&e, 60, &a), 0);
	assert_int_equal(extents_take(&e, 60, &b), 0);
	assert_int_equal(extents_take(&e, 40, &c), 0);
	assert_int_equal(extents_take(&e, 101, &d), -ENOSPC);
	assert_int_equal(a, 0);
	assert_int_equal(b, 100); /* not across the boundary */
	assert_int_equal(c, 60);
	assert_int_equal(extents_give(&e, b, 60), 0);
	assert_int_equal(extents_give(&e, a, 60), 0);
	assert_int_equal(extents_give(&e, c, 40), 0);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.free[0].start, 0);
	assert_int_equal(e.free[0].size, 300);
	extents_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extents_join),
		cmocka_unit_test_setup_teardown(test_reader_finds_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_room_is_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_without_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_binding_again_waits_for_nobody, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_segments_come_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_segment_where_more_do_not_fit, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_newer_file_takes_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_least_used_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_a_wrong_row, setup, teardown),
	};

	return cmocka_run_group_tests_name("table_store", tests, NULL, NULL);
}
