/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of waits (bpf/wait_rule.h), their states (bpf/wait_task.h), and locks
 * (bpf/lock_table.h), compiled for the host: sums must be unbiased, a stack belongs to its wait,
 * and what is charged for a lock must be what was waited for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lock_table.h"
#include "wait_task.h"

#define US 1000ULL
#define MS 1000000ULL
#define S  1000000000ULL

/* How many numbers of chance, evenly spread over all that there are. */
#define CHANCES 100000

static uint32_t chance(uint64_t i)
{
	return (uint32_t)(((i << 32) + (1ULL << 31)) / CHANCES);
}

/* Is @a within @percent of @b? */
static bool is_near(double a, double b, double percent)
{
	return a >= b * (1 - percent / 100) && a <= b * (1 + percent / 100);
}

static void keeps_the_expectation(void **state)
{
	static const uint64_t rates[] = { 1000, MS, S, WAIT_MAX_RATE };
	/* Of the rate: in per mille. */
	static const uint64_t parts[] = { 1, 10, 123, 500, 999, 1000, 1001, 70000 };
	size_t r, p;
	uint64_t i;

	(void)state;
	for (r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		for (p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
			uint64_t d = rates[r] / 1000 * parts[p], kept = 0;
			struct wait_estimate e;
			double value = 0, count = 0;

			for (i = 0; i < CHANCES; i++) {
				if (!wait_keep(d, rates[r], chance(i), &e))
					continue;
				kept++;
				value += (double)e.value;
				count += (double)e.count / ABI_COUNT_ONE;
			}
			assert_true(is_near(value / CHANCES, (double)d, 1.5));
			assert_true(is_near(count / CHANCES, 1, 1.5));
			assert_true((double)kept <= 1.02 * (double)d / (double)rates[r] * CHANCES);
		}
	}
}

static void keeps_at_the_edges(void **state)
{
	struct wait_estimate e;

	(void)state;
	assert_false(wait_keep(0, MS, 0, &e)); /* nothing was waited */
	assert_int_equal(e.count, 0);
	assert_true(wait_keep(1, MS, 0, &e));
	assert_int_equal(e.value, MS);
	assert_int_equal(e.count, MS * ABI_COUNT_ONE);
	assert_true(wait_keep(1, 1, UINT32_MAX, &e)); /* a rate of 1 keeps all */
	assert_int_equal(e.count, ABI_COUNT_ONE);
	assert_true(wait_keep(UINT64_MAX >> 1, WAIT_MAX_RATE, UINT32_MAX, &e));
	assert_int_equal(e.value, UINT64_MAX >> 1);
	assert_false(wait_keep(WAIT_MAX_RATE - 1, WAIT_MAX_RATE, UINT32_MAX, &e));
	assert_true(wait_keep(WAIT_MAX_RATE - 1, WAIT_MAX_RATE, UINT32_MAX - 2, &e));
}

/* Sixteen bins, by the highest and by the lowest bits; times as regular as timers make them. */
static void chance_is_even(void **state)
{
	static const uint64_t steps[] = { 1, 1000, 4096, MS, 10 * MS, 1ULL << 30 };
	const uint32_t n = 160000;
	size_t s;
	uint32_t i;

	(void)state;
	for (s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		uint32_t high[16] = { 0 }, low[16] = { 0 };

		for (i = 0; i < n; i++) {
			uint64_t since = 123456789 * S + i * steps[s];
			uint32_t random = wait_random(since + 50 * US, since);

			high[random >> 28]++;
			low[random & 15]++;
		}
		for (i = 0; i < 16; i++) {
			assert_in_range(high[i], n / 16 * 95 / 100, n / 16 * 105 / 100);
			assert_in_range(low[i], n / 16 * 95 / 100, n / 16 * 105 / 100);
		}
	}
}

struct totals {
	double value, count;
	uint64_t kept;
};

static void add(struct totals *t, const struct wait_estimate *e)
{
	t->value += (double)e->value;
	t->count += (double)e->count / ABI_COUNT_ONE;
	t->kept++;
}

/* 10,000 short waits and 10 long ones, at a rate between them; 100 times. */
static void short_and_long_waits(void **state)
{
	struct totals brief = { 0 }, lengthy = { 0 };
	uint64_t time = 77 * S;
	int run, i;

	(void)state;
	for (run = 0; run < 100; run++) {
		for (i = 0; i < 10010; i++) {
			uint64_t d = i % 1001 ? 100 * US : 100 * MS, since = time;
			struct wait_estimate e;

			time += d;
			if (wait_keep(d, MS, wait_random(time, since), &e))
				add(d < MS ? &brief : &lengthy, &e);
			time += 20 * US;
		}
	}
	assert_true(is_near(brief.value / 100, 1.0 * S, 5));
	assert_true(is_near(brief.count / 100, 10000, 5));
	assert_true(is_near(lengthy.value / 100, 1.0 * S, 0.001));
	assert_true(is_near(lengthy.count / 100, 10, 0.001));
	assert_true(brief.kept / 100 < 1100); /* time waited / rate, and a bit of chance */
}

/* Chosen before they are known, the same sums come out, of waits that change their length too. */
static void chosen_before(void **state)
{
	struct totals t = { 0 };
	double value = 0;
	uint64_t time = 5 * S, usual = 0;
	const int n = 2000000;
	int i;

	(void)state;
	for (i = 0; i < n; i++) {
		uint64_t d = i / 1000 % 7 ? 20 * US + wait_random(i, 1) % (60 * US) : 3 * MS;
		uint64_t scale = wait_scale(usual, MS);
		struct wait_estimate e;

		time += 10 * US;
		if (wait_choose(scale, wait_random(time, 4711))) {
			wait_scaled(d, scale, &e);
			add(&t, &e);
		}
		time += d;
		value += (double)d;
		usual = wait_usual(usual, d);
	}
	assert_true(is_near(t.value, value, 2));
	assert_true(is_near(t.count, n, 2));
	assert_true((double)t.kept < 1.1 * value / (double)MS);
}

static void scales(void **state)
{
	struct wait_estimate e;

	(void)state;
	assert_int_equal(wait_scale(0, MS), ABI_COUNT_ONE);
	assert_int_equal(wait_scale(MS, MS), ABI_COUNT_ONE);
	assert_int_equal(wait_scale(MS / 2, MS), 2 * ABI_COUNT_ONE);
	assert_int_equal(wait_scale(1, WAIT_MAX_RATE), WAIT_MAX_SCALE * ABI_COUNT_ONE);
	assert_true(wait_choose(ABI_COUNT_ONE, UINT32_MAX));
	assert_true(wait_choose(2 * ABI_COUNT_ONE, UINT32_MAX / 2));
	assert_false(wait_choose(2 * ABI_COUNT_ONE, UINT32_MAX / 2 + 1));
	/* A year, taken for as many as can be. */
	wait_scaled(365 * 86400 * S, WAIT_MAX_SCALE * ABI_COUNT_ONE, &e);
	assert_int_equal(e.value, WAIT_MAX_SCALE * 365 * 86400 * S);
}

static void a_wait_begins_anew(void **state)
{
	struct wait_task t = { .usual = 7, .scale = 8, .lock = 9 };

	(void)state;
	assert_false(wait_task_end(&t));
	wait_task_begin(&t, 1, 1 * S);
	t.woken = 2 * S;
	t.keep = WAIT_KEEP_WAIT | WAIT_KEEP_RUNQUEUE;
	/* Its return was missed, and it goes to sleep again. */
	assert_true(wait_task_end(&t));
	assert_false(wait_task_end(&t)); /* counted once */
	wait_task_begin(&t, 2, 6 * S);
	assert_int_equal(t.since, 6 * S);
	assert_int_equal(t.woken, 0);
	assert_int_equal(t.keep, 0);
	assert_int_equal(t.state, 2);
	wait_task_wake(&t, WAIT_KEEP_WAIT, 7 * S);
	assert_int_equal(t.woken, 7 * S);
	assert_int_equal(t.keep, WAIT_KEEP_WAIT);
	/* What belongs to the thread and not to one wait stays. */
	assert_int_equal(t.usual, 7);
	assert_int_equal(t.scale, 8);
	assert_int_equal(t.lock, 9);
}

static struct lock_slot slots[LOCK_SLOTS];

static uint64_t uncharged; /* what nobody was charged, as all told who began */

static int empty(void **state)
{
	(void)state;
	memset(slots, 0, sizeof(slots));
	uncharged = 0;
	return 0;
}

static struct lock_slot *begin(uint64_t addr, uint64_t now)
{
	struct lock_key key = { 0xffff888000001000, addr };
	uint32_t i = lock_find(slots, &key);

	if (i == LOCK_SLOTS)
		return NULL;
	uncharged += lock_wait(&slots[i], &key, now);
	return &slots[i];
}

/* One leaves: what the releaser is charged. */
static uint64_t leave(struct lock_slot *slot, bool release, uint64_t now)
{
	struct lock_charge charge = { 0 };

	lock_leave(slot, release, now, &charge);
	return charge.value;
}

static void five_waiters(void **state)
{
	struct lock_slot *slot = NULL;
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		slot = begin(64, 10 * S);
	assert_int_equal(leave(slot, true, 11 * S), 5 * S);
	/* Who comes next holds it for half a second while four wait, and so on. */
	assert_int_equal(leave(slot, true, 11 * S + 500 * MS), 2 * S);
	assert_int_equal(leave(slot, true, 12 * S), 1500 * MS);
	assert_int_equal(leave(slot, true, 12 * S), 0); /* a wake-up of all */
	assert_int_equal(leave(slot, true, 13 * S), 1 * S);
	assert_int_equal(slot->waiters, 0);
}

static void giving_up(void **state)
{
	struct lock_slot *slot = begin(64, 0);

	(void)state;
	begin(64, 0);
	/* Who gives up has waited too: the holder is charged when it releases. */
	assert_int_equal(leave(slot, false, 1 * S), 0);
	assert_int_equal(leave(slot, true, 2 * S), 3 * S);
	/* When all have given up, what they waited is nobody's, and not the next holder's. */
	assert_ptr_equal(begin(64, 10 * S), slot);
	leave(slot, false, 11 * S);
	assert_int_equal(uncharged, 0);
	begin(64, 20 * S);
	assert_int_equal(leave(slot, true, 21 * S), 1 * S);
	assert_int_equal(uncharged, 1 * S);
}

static void waiting_in_pieces(void **state)
{
	struct lock_slot *slot = begin(64, 0);
	int i;

	(void)state;
	/* 20 ms as four waits of 5 ms that time out; between them there is nobody. */
	for (i = 1; i < 4; i++) {
		assert_int_equal(leave(slot, false, i * 5 * MS), 0);
		assert_int_equal(slot->waiters, 0);
		assert_ptr_equal(begin(64, i * 5 * MS), slot);
	}
	assert_int_equal(leave(slot, true, 20 * MS), 20 * MS);
	assert_int_equal(uncharged, 0);
	/* Another lock in the same slot owes nothing for it. */
	begin(64, 30 * MS);
	leave(slot, false, 31 * MS);
	slot->key.addr = 128;
	begin(128, 100 * MS);
	assert_int_equal(leave(slot, true, 101 * MS), 1 * MS);
	assert_int_equal(uncharged, 1 * MS);
}

/* The time that is charged: what a profile of some seconds has of it is cut by that. */
static void since_when_they_waited(void **state)
{
	struct lock_charge charge = { 0 };
	struct lock_slot *slot = begin(64, 1 * S);
	int i;

	(void)state;
	begin(64, 2 * S);
	begin(64, 4 * S);
	lock_leave(slot, true, 5 * S, &charge);
	assert_int_equal(charge.since, 1 * S); /* whoever it was that came then */
	assert_int_equal(charge.value, 8 * S);
	lock_leave(slot, true, 7 * S, &charge);
	assert_int_equal(charge.since, 5 * S); /* the release before */
	assert_int_equal(charge.value, 4 * S);
	lock_leave(slot, true, 8 * S, &charge);
	assert_int_equal(charge.since, 7 * S);
	/* Nobody waited meanwhile. */
	begin(64, 8 * S + MS);
	lock_leave(slot, true, 9 * S, &charge);
	assert_int_equal(charge.since, 8 * S + MS);
	/* In pieces. */
	begin(64, 20 * S);
	for (i = 1; i < 4; i++) {
		lock_leave(slot, false, 20 * S + i * 5 * MS, &charge);
		begin(64, 20 * S + i * 5 * MS);
	}
	lock_leave(slot, true, 20 * S + 20 * MS, &charge);
	assert_int_equal(charge.since, 20 * S);
	assert_int_equal(charge.value, 20 * MS);
}

static void clocks_that_differ(void **state)
{
	struct lock_slot *slot = begin(64, 1000);

	(void)state;
	begin(64, 990); /* another CPU was slower to get here */
	assert_int_equal(leave(slot, true, 2000), 2000);
	assert_int_equal(leave(slot, true, 1995), 0);
	/* More leave than came: nothing goes below zero. */
	assert_int_equal(leave(slot, true, 3000), 0);
	assert_int_equal(slot->waiters, 0);
}

static void a_full_bucket(void **state)
{
	struct lock_slot *first = begin(1 << 10, 0);
	uint64_t i;

	(void)state;
	for (i = 2; i <= LOCK_SLOTS; i++)
		assert_non_null(begin(i << 10, 0));
	assert_null(begin(99 << 10, 0));
	assert_ptr_equal(begin(1 << 10, 0), first); /* who is in it stays */
	leave(first, true, 5);
	assert_null(begin(99 << 10, 5));
	leave(first, true, 5);
	assert_ptr_equal(begin(99 << 10, 5), first);
	assert_int_equal(first->integral, 0);
}

/* Threads that come and are released in any order: the charges of a lock are its waits. */
static void charges_are_waits(void **state)
{
	enum { THREADS = 40, LOCKS = 6 };
	struct {
		struct lock_slot *slot;
		uint64_t lock, since;
	} threads[THREADS] = { 0 };
	uint64_t waited[LOCKS] = { 0 }, charged[LOCKS] = { 0 }, now = S, t, l;
	uint32_t i, random;

	(void)state;
	for (i = 0; i < 200000; i++) {
		random = wait_random(i, 42);
		t = random % THREADS;
		l = threads[t].lock;
		now += random >> 20;
		if (threads[t].slot) {
			charged[l] += leave(threads[t].slot, true, now);
			waited[l] += now - threads[t].since;
			threads[t].slot = NULL;
			continue;
		}
		threads[t].lock = (random >> 8) % LOCKS;
		threads[t].since = now;
		threads[t].slot = begin((threads[t].lock + 1) * 64, now);
		assert_non_null(threads[t].slot);
	}
	for (t = 0; t < THREADS; t++) {
		if (!threads[t].slot)
			continue;
		charged[threads[t].lock] += leave(threads[t].slot, true, now);
		waited[threads[t].lock] += now - threads[t].since;
	}
	for (l = 0; l < LOCKS; l++) {
		assert_true(waited[l] > 0);
		assert_int_equal(charged[l], waited[l]);
	}
}

/* Words of one array, and of one place in many processes, do not meet in a few buckets. */
static void buckets_are_even(void **state)
{
	static uint8_t words[LOCK_BUCKETS], spaces[LOCK_BUCKETS];
	uint64_t i;

	(void)state;
	for (i = 0; i < LOCK_BUCKETS; i++) {
		struct lock_key word = { 0xffff888012345600, 0x7f0000001000 + i * 4 };
		struct lock_key space = { 0xffff888000000000 + i * 1344, 0x7f0000001000 };

		words[lock_bucket_of(&word)]++;
		spaces[lock_bucket_of(&space)]++;
	}
	for (i = 0; i < LOCK_BUCKETS; i++)
		assert_true(words[i] <= LOCK_SLOTS && spaces[i] <= LOCK_SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_expectation),
		cmocka_unit_test(keeps_at_the_edges),
		cmocka_unit_test(chance_is_even),
		cmocka_unit_test(short_and_long_waits),
		cmocka_unit_test(chosen_before),
		cmocka_unit_test(scales),
		cmocka_unit_test(a_wait_begins_anew),
		cmocka_unit_test_setup(five_waiters, empty),
		cmocka_unit_test_setup(giving_up, empty),
		cmocka_unit_test_setup(since_when_they_waited, empty),
		cmocka_unit_test_setup(waiting_in_pieces, empty),
		cmocka_unit_test_setup(clocks_that_differ, empty),
		cmocka_unit_test_setup(a_full_bucket, empty),
		cmocka_unit_test_setup(charges_are_waits, empty),
		cmocka_unit_test(buckets_are_even),
	};

	return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
