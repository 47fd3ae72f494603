/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate of block_rate=auto, against loads that are known: so many threads that wait, each for so
 * long at a time. What they cost follows from the rule by which waits are kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/wait_rate.h"

#define CPUS	4
#define AIM	((uint64_t)WAIT_RATE_STACKS * CPUS)
#define STEP_NS (200 * NS_PER_MS) /* how often the ring is drained */

/* Waits that end each second, and how long each of them was. */
struct load {
	double waits, ns;
};

struct world {
	struct wait_rate rate;
	uint64_t now;
	double stacks;
	unsigned int changes;
};

static struct world start(void)
{
	struct world w = { .now = 1234 * NS_PER_S };

	wait_rate_init(&w.rate, w.now);
	return w;
}

/* Stacks a second at a rate: min(1, d / R) of the waits. */
static double cost(const struct load *load, uint64_t rate)
{
	double part = load->ns / (double)rate;

	return load->waits * (part < 1 ? part : 1);
}

static void step(struct world *w, const struct load *load)
{
	uint64_t before = w->rate.ns;

	w->now += STEP_NS;
	w->stacks += cost(load, before) * (double)STEP_NS / (double)NS_PER_S;
	wait_rate_adapt(&w->rate, (uint64_t)w->stacks, CPUS, w->now);
	w->changes += w->rate.ns != before;
}

static void run(struct world *w, const struct load *load, double seconds)
{
	uint64_t end = w->now + (uint64_t)(seconds * (double)NS_PER_S);

	while (w->now < end)
		step(w, load);
}

static void little_is_left_alone(void **state)
{
	static const struct load loads[] = {
		{ 0, 1e6 },
		{ 100000, 1e4 },     /* ten threads for 10 us */
		{ AIM * 0.99, 1e9 }, /* all of them are kept, and just not too many */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(loads); i++) {
		struct world w = start();

		run(&w, &loads[i], 20);
		assert_int_equal(w.rate.ns, WAIT_RATE_FINEST_NS);
		assert_int_equal(w.changes, 0);
	}
}

/* From a little above the aim to a hundred times that: below it within a second, and no finer. */
static void floods_are_met_at_once(void **state)
{
	static const double times[] = { 1.3, 2, 3, 7.9, 30, 100, 500 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(times); i++) {
		struct load load = { .ns = 20000, .waits = times[i] * AIM * 1e6 / 20000 };
		struct world w = start();
		unsigned int changes;

		run(&w, &load, 1.2);
		assert_true(cost(&load, w.rate.ns) <= 1.01 * (double)AIM);
		assert_true(cost(&load, w.rate.ns) > 0.4 * (double)AIM);
		changes = w.changes;
		run(&w, &load, 60);
		assert_int_equal(w.changes, changes); /* it stays where it is */
	}
}

static void finer_when_it_is_over(void **state)
{
	struct load flood = { .waits = 1e7, .ns = 100000 }, calm = { .waits = 10, .ns = 1e6 };
	struct world w = start();
	uint64_t rate;

	(void)state;
	run(&w, &flood, 3);
	rate = w.rate.ns;
	assert_true(rate > 100 * WAIT_RATE_FINEST_NS);
	run(&w, &calm, 2.1); /* a step a second */
	assert_in_range(w.rate.ns, rate / 4, rate / 2);
	run(&w, &calm, 10);
	assert_int_equal(w.rate.ns, WAIT_RATE_FINEST_NS);
	run(&w, &flood, 1);
	assert_int_equal(w.rate.ns, rate);
}

/* A load that changes by half and double between two rates does not make it go to and fro. */
static void no_oscillation(void **state)
{
	struct load load = { .ns = 50000 };
	struct world w = start();
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		load.waits = (i % 2 ? 3.9 : 7.8) * AIM * 1e6 / 50000;
		run(&w, &load, 2);
	}
	assert_in_range(w.changes, 1, 2);
	assert_int_equal(w.rate.ns, 8 * WAIT_RATE_FINEST_NS);
}

/* Where every wait is kept at any rate, there is a bound, and it comes back from it. */
static void has_a_bound(void **state)
{
	struct load load = { .waits = 100 * AIM, .ns = 1e10 }, calm = { 0 };
	struct world w = start();

	(void)state;
	run(&w, &load, 30);
	assert_int_equal(w.rate.ns, WAIT_RATE_COARSEST_NS);
	run(&w, &calm, 11);
	assert_int_equal(w.rate.ns, WAIT_RATE_FINEST_NS);
}

/* A thousand threads of each CPU that are woken together once in a while are no flood. */
static void bursts_within_the_aim(void **state)
{
	struct world w = start();
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		w.now += i % 20 ? 60 * NS_PER_MS : NS_PER_MS;
		w.stacks += i % 20 ? 0 : (double)AIM;
		wait_rate_adapt(&w.rate, (uint64_t)w.stacks, CPUS, w.now);
	}
	assert_int_equal(w.rate.ns, WAIT_RATE_FINEST_NS);
	/* More than that at once: coarser, and not by what a microsecond looks like. */
	wait_rate_adapt(&w.rate, (uint64_t)w.stacks + 2 * AIM, CPUS, w.now + 1000);
	assert_in_range(w.rate.ns, 2 * WAIT_RATE_FINEST_NS, 32 * WAIT_RATE_FINEST_NS);
}

static void strange_arguments(void **state)
{
	struct world w = start();

	(void)state;
	wait_rate_adapt(&w.rate, 0, 0, w.now - NS_PER_S); /* no CPU, and a clock that went back */
	assert_int_equal(w.rate.ns, WAIT_RATE_FINEST_NS);
	wait_rate_adapt(&w.rate, 10 * WAIT_RATE_STACKS, 0, w.now + NS_PER_S);
	assert_in_range(w.rate.ns, 8 * WAIT_RATE_FINEST_NS, 16 * WAIT_RATE_FINEST_NS);
	/* A counter that could not be read this time says nothing. */
	wait_rate_adapt(&w.rate, 0, 1, w.now + NS_PER_S + NS_PER_MS);
	assert_in_range(w.rate.ns, 8 * WAIT_RATE_FINEST_NS, 16 * WAIT_RATE_FINEST_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_is_left_alone),	 cmocka_unit_test(floods_are_met_at_once),
		cmocka_unit_test(finer_when_it_is_over), cmocka_unit_test(no_oscillation),
		cmocka_unit_test(has_a_bound),		 cmocka_unit_test(bursts_within_the_aim),
		cmocka_unit_test(strange_arguments),
	};

	return cmocka_run_group_tests_name("wait_rate", tests, NULL, NULL);
}
