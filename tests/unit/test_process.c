/* SPDX-License-Identifier: Apache-2.0 */
/* The process table fed with side-band events as the kernel sends them: lives, execs, threads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "process_events.h"
#include "profile/selection.h"

static void test_short_life(void **state)
{
	struct process_table *t = *state;
	struct process_mapping m;
	struct process *p;

	run(t, 100, 50, "true", "/bin/true");
	exit_thread(t, 200, 50, 50);
	p = look(t, 50, 150);
	assert_string_equal(p->comm, "true");
	assert_string_equal(p->executable, "/bin/true");
	assert_int_equal(p->parent, 1);
	assert_int_equal(p->start_time, 100);
	assert_int_equal(p->exit_time, 200);
	assert_null(process_table_find(t, 50));
	assert_int_equal(process_table_mapping(t, 50, 0, 0x1fff, &m), 0);
	assert_string_equal(m.path, "/bin/true");
	assert_int_equal(m.offset, 0x2000);
	assert_int_equal(m.build_id_size, 20);
	assert_int_equal(m.build_id[0], 0xab);
	assert_int_equal(process_table_mapping(t, 50, 0, 0x2000, &m), -ENOENT);
	assert_int_equal(stats(t).processes_exited, 1);
	assert_int_equal(stats(t).unknown_processes, 0);
}

static void test_pid_reuse(void **state)
{
	struct process_table *t = *state;
	struct process *first, *second;

	run(t, 100, 50, "one", "/bin/one");
	exit_thread(t, 200, 50, 50);
	run(t, 300, 50, "two", "/bin/two");
	/* The table knows the second already when samples of the first come. */
	first = look(t, 50, 150);
	second = look(t, 50, 350);
	assert_string_equal(first->comm, "one");
	assert_string_equal(second->comm, "two");
	assert_ptr_equal(process_table_find(t, 50), second);
	/* Once the starts are known, they decide. */
	assert_ptr_equal(process_table_lookup(t, 50, 150, 1000, 0, ""), first);
	assert_ptr_equal(process_table_lookup(t, 50, 350, 3000, 0, ""), second);
	assert_ptr_equal(process_table_lookup(t, 50, 350, 1000, 0, ""), first);
	assert_int_equal(first->start_boottime, 1000);
}

static void test_lost_fork_is_seen_by_start(void **state)
{
	struct process_table *t = *state;
	struct process *old, *new;

	run(t, 100, 50, "one", "/bin/one");
	old = process_table_lookup(t, 50, 150, 1000, 0, "one");
	new = process_table_lookup(t, 50, 900, 8000, 0, "two");
	assert_ptr_not_equal(old, new);
	assert_string_equal(new->comm, "two");
	assert_string_equal(new->executable, "");
	assert_int_equal(old->exit_time, 900);
	assert_int_equal(stats(t).unknown_processes, 1);
	assert_ptr_equal(process_table_lookup(t, 50, 901, 8000, 0, "two"), new);
	assert_int_equal(stats(t).unknown_processes, 1);
}

static void test_late_sample_does_not_end_the_newest(void **state)
{
	struct process_table *t = *state;
	struct process *old;

	run(t, 1000, 50, "now", "/bin/now");
	process_table_lookup(t, 50, 1500, 70, 0, "now");
	old = process_table_lookup(t, 50, 500, 7, 0, "before");
	assert_string_equal(old->comm, "before");
	assert_string_equal(process_table_find(t, 50)->comm, "now");
	assert_ptr_equal(process_table_lookup(t, 50, 501, 7, 0, "before"), old);
}

static void test_exec_keeps_what_samples_hold(void **state)
{
	struct process_table *t = *state;
	struct process *before, *after;

	run(t, 100, 50, "sh", "/bin/sh");
	before = process_ref(look(t, 50, 150));
	exec(t, 200, 50, "true");
	map(t, 201, 50, 0x1000, "/bin/true");
	after = look(t, 50, 250);
	assert_string_equal(before->comm, "sh");
	assert_string_equal(before->executable, "/bin/sh");
	assert_string_equal(after->comm, "true");
	assert_string_equal(after->executable, "/bin/true");
	assert_int_equal(after->start_time, 100);
	process_unref(before);
	/* Nobody holds it: the next exec needs no new one. */
	exec(t, 300, 50, "cat");
	assert_ptr_equal(look(t, 50, 301), after);
	assert_string_equal(after->comm, "cat");
}

/* What a client may see goes by it: the next owner of a number may be somebody else. */
static void test_lives_of_a_number(void **state)
{
	struct process_table *t = *state;
	struct selection s = { .pids = { 50 }, .n_pids = 1, .of_lives = true }, copy;
	struct process *shell, *program, *next;

	fork_process(t, 100, 50, 1);
	shell = process_ref(look(t, 50, 150));
	exec(t, 200, 50, "program");
	program = process_ref(look(t, 50, 250));
	assert_ptr_not_equal(shell, program);
	assert_true(process_is_same_life(shell, program));
	s.lives[0] = program->start_time;
	assert_true(selection_matches(&s, shell));
	/* Since the exec only. */
	s.of_programs = true;
	s.execs[0] = program->exec_time;
	assert_int_equal(selection_copy(&s, &copy), 0);
	assert_true(selection_matches(&copy, program));
	assert_false(selection_matches(&copy, shell));
	selection_done(&copy);
	rename_thread(t, 260, 50, 50, "renamed");
	assert_string_equal(look(t, 50, 270)->comm, "renamed");
	assert_true(selection_matches(&s, look(t, 50, 270)));
	s.of_programs = false;

	exit_thread(t, 300, 50, 50);
	fork_process(t, 400, 50, 1);
	next = look(t, 50, 450);
	assert_int_equal(shell->exit_time, 0); /* nothing in it tells of its end */
	assert_false(process_is_same_life(shell, next));
	assert_false(selection_matches(&s, next));
	s.lives[0] = next->start_time;
	assert_int_equal(selection_copy(&s, &copy), 0);
	assert_true(selection_matches(&copy, next));
	assert_false(selection_matches(&copy, shell));
	assert_false(selection_matches(&copy, program));
	copy.of_lives = false;
	assert_true(selection_matches(&copy, shell));
	selection_done(&copy);
	process_unref(shell);
	process_unref(program);
}

static void test_sample_amid_exec(void **state)
{
	struct process_table *t = *state;
	struct process *p;

	run(t, 100, 50, "sh", "/bin/sh");
	exec(t, 200, 50, "true");
	p = process_ref(look(t, 50, 201));
	assert_string_equal(p->comm, "true");
	assert_string_equal(p->executable, "");
	map(t, 202, 50, 0x1000, "/bin/true");
	assert_ptr_equal(look(t, 50, 203), p);
	assert_string_equal(p->executable, "/bin/true");
	process_unref(p);
}

static void test_threads(void **state)
{
	struct process_table *t = *state;

	run(t, 100, 50, "server", "/bin/server");
	fork_thread(t, 200, 50, 51);
	fork_thread(t, 201, 50, 52);
	rename_thread(t, 202, 50, 51, "worker");
	assert_string_equal(look(t, 50, 203)->comm, "server");
	rename_thread(t, 204, 50, 50, "renamed");
	assert_string_equal(look(t, 50, 205)->comm, "renamed");
	exit_thread(t, 210, 50, 52);
	exit_thread(t, 211, 50, 999); /* never heard of */
	assert_non_null(process_table_find(t, 50));
	/* The first ends before the last. */
	exit_thread(t, 220, 50, 50);
	assert_non_null(process_table_find(t, 50));
	assert_int_equal(look(t, 50, 230)->exit_time, 0);
	exit_thread(t, 240, 50, 51);
	assert_null(process_table_find(t, 50));
	assert_int_equal(look(t, 50, 230)->exit_time, 240);
}

static void test_exec_by_another_thread(void **state)
{
	struct process_table *t = *state;

	run(t, 100, 50, "old", "/bin/old");
	fork_thread(t, 200, 50, 51);
	fork_thread(t, 201, 50, 52);
	exit_thread(t, 300, 50, 52);
	exit_thread(t, 301, 50, 50);
	exec(t, 302, 50, "new");
	map(t, 303, 50, 0x1000, "/bin/new");
	assert_string_equal(look(t, 50, 310)->comm, "new");
	exit_thread(t, 400, 50, 50);
	assert_null(process_table_find(t, 50));
	assert_int_equal(stats(t).processes, 1);
}

static void test_unheard_thread_revives(void **state)
{
	struct process_table *t = *state;

	run(t, 100, 50, "old", "/bin/old");
	exit_thread(t, 200, 50, 50);
	/* There was another one, after all. */
	map(t, 210, 50, 0x50000, "/lib/x.so");
	assert_non_null(process_table_find(t, 50));
	assert_string_equal(look(t, 50, 220)->comm, "old");
	assert_int_equal(stats(t).processes, 1);
}

static void test_lost_exit(void **state)
{
	struct process_table *t = *state;

	run(t, 100, 50, "one", "/bin/one");
	run(t, 500, 50, "two", "/bin/two");
	assert_int_equal(stats(t).processes_exited, 1);
	assert_int_equal(look(t, 50, 150)->exit_time, 500);
	assert_string_equal(look(t, 50, 550)->comm, "two");
}

static void test_unknown_process(void **state)
{
	struct process_table *t = *state;
	struct process *p = look(t, 77, 100);

	assert_string_equal(p->comm, "sampled");
	assert_string_equal(p->executable, "");
	assert_string_equal(p->cgroup, "");
	assert_null(p->unit);
	assert_null(p->container);
	assert_ptr_equal(look(t, 77, 200), p);
	assert_int_equal(stats(t).unknown_processes, 1);
	/* A child of nobody is named by its first sample. */
	fork_process(t, 300, 78, 1234);
	assert_string_equal(look(t, 78, 301)->comm, "sampled");
}

static void test_grace(void **state)
{
	struct process_table *t = *state;
	struct process *kept;

	run(t, 100, 50, "one", "/bin/one");
	run(t, 100, 51, "two", "/bin/two");
	kept = process_ref(look(t, 50, 150));
	exit_thread(t, 200, 50, 50);
	process_table_expire(t, 200 + 60 * NS_PER_S - 1);
	assert_int_equal(stats(t).processes, 2);
	process_table_expire(t, 200 + 60 * NS_PER_S);
	assert_int_equal(stats(t).processes, 1);
	assert_int_equal(stats(t).mappings, 3);
	assert_string_equal(kept->executable, "/bin/one");
	process_unref(kept);
	assert_int_equal(stats(t).processes_forgotten_early, 0);
}

static void test_older_life_outlives_the_newest(void **state)
{
	struct process_table *t = *state;

	run(t, 100, 50, "one", "/bin/one");
	exit_thread(t, 200, 50, 50);
	run(t, 300, 50, "two", "/bin/two");
	exit_thread(t, 250, 50, 50); /* of the first, once more: too early for the second */
	assert_non_null(process_table_find(t, 50));
	exit_thread(t, 400, 50, 50);
	process_table_expire(t, 200 + 60 * NS_PER_S);
	assert_string_equal(look(t, 50, 350)->comm, "two");
	process_table_expire(t, 400 + 60 * NS_PER_S);
	assert_int_equal(stats(t).processes, 0);
	assert_int_equal(stats(t).mappings, 0);
}

static void test_storm_is_bounded(void **state)
{
	struct process_table *t = *state;
	size_t memory;

	for (uint32_t i = 0; i < 100000; i++) {
		run(t, i * 10ULL, 100 + i % 30000, "cc1", "/usr/lib/cc1");
		exit_thread(t, i * 10ULL + 5, 100 + i % 30000, 100 + i % 30000);
		if (i % 1000 == 0)
			process_table_expire(t, i * 10ULL);
	}
	memory = process_table_memory(t);
	assert_in_range(stats(t).processes, 1, 34000);
	assert_true(stats(t).processes_forgotten_early > 60000);
	assert_in_range(memory, 1 << 20, 32 << 20);
	process_table_expire(t, 3600 * NS_PER_S);
	assert_int_equal(stats(t).processes, 0);
	assert_in_range(process_table_memory(t), 1, 2 << 20);
}

static int count(struct process *p, void *userdata)
{
	(void)p;
	return ++*(int *)userdata == 2 ? 42 : 0;
}

static int count_mapping(const struct process_mapping *m, void *userdata)
{
	assert_non_null(m->path);
	++*(int *)userdata;
	return 0;
}

static void test_each(void **state)
{
	struct process_table *t = *state;
	int n = 0;

	run(t, 1, 50, "a", "/bin/a");
	run(t, 1, 51, "b", "/bin/b");
	exit_thread(t, 2, 51, 51);
	run(t, 1, 52, "c", "/bin/c");
	assert_int_equal(process_table_each(t, count, &n), 42);
	assert_int_equal(n, 2);
	n = 100;
	assert_int_equal(process_table_each(t, count, &n), 0);
	assert_int_equal(n, 103);
	n = 0;
	assert_int_equal(process_table_each_mapping(t, look(t, 50, 2), count_mapping, &n), 0);
	assert_int_equal(n, 3);
}

static void test_nobody(void **state)
{
	struct process_table *t = *state;

	fork_process(t, 1, 0, 1);
	exit_thread(t, 2, UINT32_MAX, UINT32_MAX);
	exit_thread(t, 2, 4711, 4711);
	apply(t, (struct sideband_event){ .type = SIDEBAND_KSYMBOL, .name = "x" });
	apply(t, (struct sideband_event){ .type = SIDEBAND_LOST, .lost = 5 });
	assert_int_equal(stats(t).processes, 0);
	assert_int_equal(stats(t).sideband_lost, 5);
	assert_int_equal(stats(t).sideband_events, 5);
}

/* Any order of any events, samples that are kept for a while, expiry: nothing leaks or is freed
 * twice, and the numbers stay right. */
static void test_random_events(void **state)
{
	static const char *const names[] = { "/bin/a", "//anon", "/bin/b (deleted)", "[vdso]", "" };
	struct process_table *t = *state;
	struct process *kept[64] = { NULL };
	uint64_t time = 1000 * NS_PER_S;

	for (uint64_t i = 0; i < 200000; i++) {
		uint64_t random = hash_mix(i + 1);
		struct sideband_event e = {
			.type = (enum sideband_type)(random % 5),
			.pid = random >> 8 & 15,
			.tid = random >> 12 & 31,
			.ppid = random >> 20 & 15,
			.time = time - (random >> 24 & 3) * NS_PER_S,
			.exec = random >> 28 & 1,
			.address = (random >> 30 & 63) << 12,
			.size = ((random >> 36 & 3) + 1) << 12,
			.name = names[(random >> 40) % ARRAY_SIZE(names)],
		};

		if (random >> 60 & 1)
			e.tid = e.pid;
		time += random >> 44 & 0xfffffff;
		apply(t, e);
		if (i % 3 == 0) {
			struct process **slot = &kept[i / 3 % ARRAY_SIZE(kept)];

			process_unref(*slot);
			*slot = process_ref(process_table_lookup(
				t, e.pid, e.time, (random >> 50 & 3) * 1000, 0, "sampled"));
		}
		if (i % 100 == 0)
			process_table_expire(t, time);
		assert_true(stats(t).processes_exited <= stats(t).processes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		process_unref(kept[i]);
	process_table_expire(t, UINT64_MAX);
	assert_int_equal(stats(t).processes_exited, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_short_life),
		TEST(test_pid_reuse),
		TEST(test_lost_fork_is_seen_by_start),
		TEST(test_late_sample_does_not_end_the_newest),
		TEST(test_exec_keeps_what_samples_hold),
		TEST(test_lives_of_a_number),
		TEST(test_sample_amid_exec),
		TEST(test_threads),
		TEST(test_exec_by_another_thread),
		TEST(test_unheard_thread_revives),
		TEST(test_lost_exit),
		TEST(test_unknown_process),
		TEST(test_grace),
		TEST(test_older_life_outlives_the_newest),
		TEST(test_storm_is_bounded),
		TEST(test_each),
		TEST(test_nobody),
		TEST(test_random_events),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
