/* SPDX-License-Identifier: Apache-2.0 */
/* A program and its descendants, picked out of the process table and of a window. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "process/sideband.h"
#include "profctl/tree.h"
#include "profile/window.h"

#define MS 1000000ULL

struct fixture {
	struct process_table *table;
	struct tree *tree;
};

static void begin(struct process_table *t, uint32_t pid, uint32_t parent, uint64_t time)
{
	const struct sideband_event event = {
		.type = SIDEBAND_FORK,
		.pid = pid,
		.tid = pid,
		.ppid = parent,
		.time = time,
	};

	assert_int_equal(process_table_apply(t, &event), 0);
}

static void end(struct process_table *t, uint32_t pid, uint64_t time)
{
	const struct sideband_event event = {
		.type = SIDEBAND_EXIT,
		.pid = pid,
		.tid = pid,
		.time = time,
	};

	assert_int_equal(process_table_apply(t, &event), 0);
}

static void execs(struct process_table *t, uint32_t pid, uint64_t time, const char *comm)
{
	const struct sideband_event event = {
		.type = SIDEBAND_COMM,
		.pid = pid,
		.tid = pid,
		.time = time,
		.exec = true,
		.name = comm,
	};

	assert_int_equal(process_table_apply(t, &event), 0);
}

/* 100 is the program; 50 is what started it. */
static int set_up(void **state)
{
	const struct process_table_options o = { .without_proc = true };
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || process_table_new(&o, &f->table) < 0 || !(f->tree = tree_new(100)))
		return -1;
	begin(f->table, 50, 1, 1000 * MS);
	begin(f->table, 100, 50, 2000 * MS);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tree_free(f->tree);
	process_table_free(f->table);
	free(f);
	return 0;
}

static struct process *at(struct fixture *f, uint32_t pid, uint64_t time)
{
	struct process *p = process_table_lookup(f->table, pid, time, 0, 0, "x");

	assert_non_null(p);
	return p;
}

static void descendants_belong(void **state)
{
	struct fixture *f = *state;

	begin(f->table, 103, 50, 2100 * MS);
	begin(f->table, 101, 100, 2200 * MS);
	begin(f->table, 102, 101, 2300 * MS);
	execs(f->table, 102, 2310 * MS, "cc1");
	assert_int_equal(tree_update(f->tree, f->table), 0);
	assert_true(tree_has(f->tree, at(f, 100, 2400 * MS)));
	assert_true(tree_has(f->tree, at(f, 101, 2400 * MS)));
	assert_true(tree_has(f->tree, at(f, 102, 2400 * MS)));
	assert_false(tree_has(f->tree, at(f, 103, 2400 * MS)));
	assert_false(tree_has(f->tree, at(f, 50, 2400 * MS)));
}

static void an_orphan_stays_after_its_parent_is_forgotten(void **state)
{
	struct fixture *f = *state;

	begin(f->table, 101, 100, 2200 * MS);
	begin(f->table, 102, 101, 2300 * MS);
	end(f->table, 101, 2400 * MS);
	assert_int_equal(tree_update(f->tree, f->table), 0);
	process_table_expire(f->table, 2400 * MS + 120000 * MS);
	begin(f->table, 104, 102, 130000 * MS);
	assert_int_equal(tree_update(f->tree, f->table), 0);
	assert_true(tree_has(f->tree, at(f, 102, 130001 * MS)));
	assert_true(tree_has(f->tree, at(f, 104, 130001 * MS)));
}

static void a_number_used_again_is_a_stranger(void **state)
{
	struct fixture *f = *state;

	begin(f->table, 101, 100, 2200 * MS);
	end(f->table, 101, 2300 * MS);
	assert_int_equal(tree_update(f->tree, f->table), 0);
	begin(f->table, 101, 50, 9000 * MS);
	begin(f->table, 105, 101, 9100 * MS);
	assert_int_equal(tree_update(f->tree, f->table), 0);
	assert_false(tree_has(f->tree, at(f, 101, 9200 * MS)));
	assert_false(tree_has(f->tree, at(f, 105, 9200 * MS)));
}

static void add(struct window *w, struct process *p, int64_t count)
{
	const struct frame frame = { .address = 0xffffffff81000000ULL, .kind = FRAME_KERNEL };
	const struct sample sample = {
		.kind = ABI_KIND_CPU,
		.user_end = ABI_STACK_complete,
		.tid = p->tgid,
		.time = 1,
		.value = count * 1000 + 7,
		.count = count,
		.process = p,
		.n_frames = 1,
		.frames = &frame,
	};

	assert_int_equal(window_add(w, &sample), 0);
}

static int sum_values(const struct window_entry *e, void *userdata)
{
	int64_t *sum = userdata;

	assert_true(e->process->tgid == 100 || e->process->tgid == 101);
	assert_int_equal(e->n_frames, 1);
	assert_int_equal(window_frame(e->window, e->frames[0], NULL).kind, FRAME_KERNEL);
	*sum += e->value;
	return 0;
}

static void a_window_is_filtered(void **state)
{
	struct fixture *f = *state;
	struct window *w = window_new(7), *filtered;
	int64_t sum = 0;

	assert_non_null(w);
	begin(f->table, 101, 100, 2200 * MS);
	begin(f->table, 103, 50, 2200 * MS);
	assert_int_equal(tree_update(f->tree, f->table), 0);
	add(w, at(f, 100, 2400 * MS), 1);
	add(w, at(f, 101, 2400 * MS), 20);
	add(w, at(f, 103, 2400 * MS), 300);
	window_quality(w, ABI_KIND_CPU)->samples_lost = 5;
	window_close(w, 9);
	assert_int_equal(tree_filter(f->tree, w, &filtered), 0);
	window_free(w);
	assert_int_equal(window_start(filtered), 7);
	assert_int_equal(window_end(filtered), 9);
	assert_int_equal(window_samples(filtered), 21);
	assert_int_equal(window_quality(filtered, ABI_KIND_CPU)->samples_lost, 5);
	assert_int_equal(window_each(filtered, sum_values, &sum), 0);
	assert_int_equal(sum, 21014);
	assert_int_equal(window_quality(filtered, ABI_KIND_CPU)->user_stacks[ABI_STACK_complete],
			 2);
	window_free(filtered);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(descendants_belong),
		TEST(an_orphan_stays_after_its_parent_is_forgotten),
		TEST(a_number_used_again_is_a_stranger),
		TEST(a_window_is_filtered),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("profctl_tree", tests, NULL, NULL);
}
