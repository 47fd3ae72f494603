/* SPDX-License-Identifier: Apache-2.0 */
/* Waits on their way into windows: clipped, joined with their wakers, and before they end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "abi.h"
#include "base/cleanup.h"
#include "collect/stream.h"
#include "pipeline.h"
#include "process/process.h"
#include "profile/window.h"
#include "wakers.h"

#define PID    77
#define KERNEL 0xffffffff81000000ULL
#define SECOND 1000000000ULL

static int set_up(void **state)
{
	const struct pipeline_options o = {
		.without_proc = true,
		.symbolizer.kallsyms = "",
		.cumulative_memory = 1 << 20,
	};
	struct pipeline *p;

	if (pipeline_new(&o, &p) < 0)
		return -1;
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	pipeline_free(*state);
	return 0;
}

/* One kernel frame, whose address is as good as a name. */
union record {
	struct abi_sample sample;
	uint64_t words[sizeof(struct abi_sample) / sizeof(uint64_t) + 1];
};

static union record wait_record(uint8_t kind, uint64_t since, uint64_t time, int64_t value)
{
	union record r = {
		.sample = {
			.record = { .type = ABI_RECORD_SAMPLE,
				    .size = sizeof(union record),
				    .time = time },
			.value = value,
			.count = ABI_COUNT_ONE,
			.tgid = PID,
			.tid = PID + 1,
			.kind = kind,
			.user_end = ABI_STACK_none,
			.kernel_frames = 1,
			.comm = "waiter",
			.wait = { .since = since,
				  .waiter_tid = PID + 1,
				  .system_call = SYS_nanosleep },
		},
	};

	r.sample.frames[0] = KERNEL + 0x100;
	return r;
}

static void put(struct pipeline *p, const union record *r)
{
	assert_int_equal(stream_put_ring(pipeline_stream(p), r, sizeof(*r)), 0);
}

static void flush(struct pipeline *p, uint64_t until)
{
	assert_int_equal(pipeline_flush(p, until, until), until);
}

static struct receiver *receive(struct pipeline *p, uint64_t start, uint32_t kinds, bool clip)
{
	const struct receiver_options o = { .start_time = start, .kinds = kinds, .clip = clip };
	struct receiver *r;

	assert_int_equal(pipeline_receive(p, &o, &r), 0);
	return r;
}

struct sums {
	size_t entries;
	int64_t value, count;
	struct window_entry last;
	uint64_t waker_address;
	char waker[16];
};

static int add(const struct window_entry *e, void *userdata)
{
	struct sums *s = userdata;

	s->entries++;
	s->value += e->value;
	s->count += e->count;
	s->last = *e;
	if (e->n_waker_frames)
		s->waker_address = window_frame(e->window, e->waker_frames[0], NULL).address;
	snprintf(s->waker, sizeof(s->waker), "%.15s", e->waker ? e->waker->comm : "");
	return 0;
}

static struct sums sum_window(const struct window *w)
{
	struct sums s = {};

	window_each(w, add, &s);
	return s;
}

static struct sums sum(const struct receiver *r)
{
	return sum_window(receiver_window(r));
}

static void a_tap_gets_what_falls_into_it(void **state)
{
	struct pipeline *p = *state;
	struct receiver *tap = receive(p, 1000, 1U << ABI_KIND_BLOCK, true);
	struct receiver *whole = receive(p, 1000, 0, false);
	struct receiver *cpu = receive(p, 1000, 1U << ABI_KIND_CPU, true);
	union record before = wait_record(ABI_KIND_BLOCK, 0, 900, 900);
	union record across = wait_record(ABI_KIND_BLOCK, 800, 1200, 400);
	union record inside = wait_record(ABI_KIND_BLOCK, 1300, 1400, 100);
	union record late =
		wait_record(ABI_KIND_BLOCK, 900, 1450, 200); /* till 1100, then queued */
	union record scaled = wait_record(ABI_KIND_BLOCK, 900, 1100, 1000000);

	scaled.sample.count = 5000 * ABI_COUNT_ONE;
	put(p, &before);
	put(p, &across);
	put(p, &inside);
	put(p, &late);
	put(p, &scaled);
	flush(p, 2000);
	assert_int_equal(sum(tap).value, 200 + 100 + 100 + 500000);
	assert_int_equal(sum(tap).count, 5003 * ABI_COUNT_ONE);
	assert_int_equal(sum(tap).last.wait.reason, WAIT_sleep);
	assert_int_equal(sum(whole).value, 400 + 100 + 200 + 1000000);
	assert_int_equal(sum(cpu).entries, 0);
	assert_int_equal(sum_window(pipeline_cumulative(p)).value, 900 + 400 + 100 + 200 + 1000000);
	assert_int_equal(sum_window(pipeline_cumulative(p)).last.tid, 0);
}

/* The tap is over at 2000; waits that end a little later have their part of it. */
static void a_wait_may_end_after_the_tap(void **state)
{
	struct pipeline *p = *state;
	struct receiver *tap = receive(p, 1000, 1U << ABI_KIND_BLOCK | 1U << ABI_KIND_CPU, true);
	union record longer = wait_record(ABI_KIND_BLOCK, 500, 2500, 2000);
	union record after = wait_record(ABI_KIND_BLOCK, 2100, 2500, 400);
	union record cpu = wait_record(ABI_KIND_CPU, 0, 2200, 10);

	flush(p, 2000);
	receiver_end(tap, 2000);
	put(p, &longer);
	put(p, &after);
	put(p, &cpu);
	flush(p, 3000);
	assert_int_equal(sum(tap).value, 1000);
	assert_int_equal(sum(tap).entries, 1);
}

static void waits_that_go_on_are_counted_once(void **state)
{
	struct pipeline *p = *state;
	struct receiver *tap = receive(p, 1000, 1U << ABI_KIND_BLOCK, true);
	union record goes_on = wait_record(ABI_KIND_BLOCK, 500, 2100, 1600);
	union record ends = wait_record(ABI_KIND_BLOCK, 500, 2200, 1700);
	union record young = wait_record(ABI_KIND_BLOCK, 2050, 2100, 50);
	struct pipeline_stats stats;

	goes_on.sample.wait.flags = young.sample.wait.flags = ABI_WAIT_ONGOING;
	flush(p, 2000);
	receiver_end(tap, 2000);
	pipeline_add_ongoing(p, tap, &goes_on, sizeof(goes_on));
	pipeline_add_ongoing(p, tap, &goes_on, sizeof(goes_on));
	pipeline_add_ongoing(p, tap, &young, sizeof(young));
	/* What contradicts itself is no wait. */
	pipeline_add_ongoing(p, tap, &goes_on, sizeof(goes_on) - 8);
	put(p, &ends);
	flush(p, 3000);
	assert_int_equal(sum(tap).entries, 1);
	assert_int_equal(sum(tap).value, 1000);
	assert_int_equal(sum(tap).count, ABI_COUNT_ONE);
	pipeline_get_stats(p, &stats);
	assert_int_equal(stats.waits_ongoing, 1);
	/* The waits since the start have it once, too, when it has ended. */
	assert_int_equal(sum_window(pipeline_cumulative(p)).value, 1700);
}

/* With what has ended goes only what is kept when it ends: it would be taken back. */
static void of_all_time_only_what_is_sure(void **state)
{
	struct pipeline *p = *state;
	const struct receiver_options o = { .kinds = 1U << ABI_KIND_BLOCK, .of_all_time = true };
	union record sure = wait_record(ABI_KIND_BLOCK, 500, 2100, 1600);
	union record by_chance = wait_record(ABI_KIND_BLOCK, 2000, 2100, 1000);
	struct receiver *r, *tap = receive(p, 1000, 1U << ABI_KIND_BLOCK, true);

	assert_int_equal(pipeline_receive(p, &o, &r), 0);
	sure.sample.wait.flags = by_chance.sample.wait.flags = ABI_WAIT_ONGOING;
	by_chance.sample.count = 10 * ABI_COUNT_ONE;
	pipeline_add_ongoing(p, r, &sure, sizeof(sure));
	pipeline_add_ongoing(p, r, &by_chance, sizeof(by_chance));
	pipeline_add_ongoing(p, tap, &by_chance, sizeof(by_chance));
	assert_int_equal(sum(r).value, 1600);
	assert_int_equal(sum(r).last.tid, 0);
	assert_int_equal(sum(tap).value, 1000);
}

static void only_the_reasons_that_are_wanted(void **state)
{
	struct pipeline *p = *state;
	const struct receiver_options o = { .wait_reasons = 1U << WAIT_disk | 1U << WAIT_lock };
	union record sleeps = wait_record(ABI_KIND_BLOCK, 1, 2, 1);
	union record reads = wait_record(ABI_KIND_BLOCK, 3, 5, 2);
	union record futex = wait_record(ABI_KIND_BLOCK, 6, 10, 4);
	union record holds = wait_record(ABI_KIND_MUTEX, 6, 10, 8);
	struct receiver *r;

	assert_int_equal(pipeline_receive(p, &o, &r), 0);
	reads.sample.wait.flags = ABI_WAIT_IOWAIT;
	/* A condition variable so far; its names may make a lock of it. */
	futex.sample.wait.system_call = SYS_futex;
	futex.sample.wait.futex_op = 0x189;
	put(p, &sleeps);
	put(p, &reads);
	put(p, &futex);
	put(p, &holds);
	flush(p, 100);
	assert_int_equal(sum(r).value, 2 + 4 + 8);
}

static void a_wait_meets_its_waker(void **state)
{
	struct pipeline *p = *state;
	struct receiver *r = receive(p, 0, 0, false);
	union record waker = wait_record(ABI_KIND_WAKER, 100, 200, 0);
	union record other = wait_record(ABI_KIND_WAKER, 150, 210, 0);
	union record wait = wait_record(ABI_KIND_BLOCK, 100, 220, 100);
	union record alone = wait_record(ABI_KIND_BLOCK, 230, 240, 10);
	struct pipeline_stats stats;
	struct sums s;

	waker.sample.tgid = waker.sample.tid = 500;
	strcpy(waker.sample.comm, "waker");
	waker.sample.frames[0] = KERNEL + 0x500;
	put(p, &waker);
	put(p, &other);
	put(p, &wait);
	flush(p, 225);
	s = sum(r);
	assert_int_equal(s.entries, 1);
	assert_int_equal(s.last.tid, PID + 1);
	assert_string_equal(s.waker, "waker");
	assert_int_equal(s.waker_address, KERNEL + 0x500);
	put(p, &alone);
	flush(p, 1000);
	assert_int_equal(sum(r).entries, 2);
	assert_string_equal(sum(r).waker, "");
	/* The other one waits in vain, but not for ever. */
	alone.sample.record.time = 210 + WAKERS_HOLD_NS + 1;
	put(p, &alone);
	flush(p, UINT64_MAX - 1);
	pipeline_tick(p, 0);
	pipeline_get_stats(p, &stats);
	assert_int_equal(stats.waits_woken, 1);
	assert_int_equal(stats.waits_without_waker, 2);
	assert_int_equal(stats.wakers_given_up, 1);
}

/* No matter how many wake and nobody returns: the oldest go, and are counted. */
static void wakers_are_bounded(void **state)
{
	struct pipeline *p = *state;
	union record waker = wait_record(ABI_KIND_WAKER, 0, 10, 0);
	struct pipeline_stats stats;

	for (uint64_t i = 0; i < WAKERS_MAX + 10; i++) {
		waker.sample.record.time = 10 + i;
		waker.sample.wait.since = i % (WAKERS_MAX + 5);
		put(p, &waker);
	}
	flush(p, SECOND);
	pipeline_get_stats(p, &stats);
	assert_int_equal(stats.wakers_given_up, 10);
}

/* What is lost may have been of any kind. */
static void losses_are_everybodys(void **state)
{
	struct pipeline *p = *state;
	struct receiver *r = receive(p, 0, 0, false);
	struct window *w;

	pipeline_count_losses(p, 3);
	w = pipeline_take(p, r, 10);
	for (unsigned int kind = ABI_KIND_CPU; kind < WINDOW_KINDS; kind++)
		assert_int_equal(window_quality(w, kind)->samples_lost, 3);
	window_free(w);
	assert_int_equal(window_quality(pipeline_cumulative(p), ABI_KIND_MUTEX)->samples_lost, 3);
}

static void put_stacks(struct pipeline *p, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n; i++) {
		union record wait = wait_record(ABI_KIND_BLOCK, i, i + 1, 1);

		wait.sample.frames[0] = KERNEL + i;
		put(p, &wait);
	}
	flush(p, first + n);
}

static struct receiver *receive_within(struct pipeline *p, struct receiver_budget *budget)
{
	const struct receiver_options o = { .budget = budget };
	struct receiver *r;

	assert_int_equal(pipeline_receive(p, &o, &r), 0);
	return r;
}

/* How many it kept, of @n that came; the others are lost, and it says so. */
static size_t assert_counted(const struct receiver *r, uint64_t n)
{
	const struct quality *q = window_quality(receiver_window(r), ABI_KIND_BLOCK);
	size_t kept = sum(r).entries;

	assert_int_equal(q->samples_attempted, n);
	assert_int_equal(q->samples_lost + kept, n);
	assert_int_equal(sum(r).count, (int64_t)kept * ABI_COUNT_ONE);
	return kept;
}

static void memory_is_shared_and_bounded(void **state)
{
	struct pipeline *p = *state;
	struct receiver_budget budget = { .max = 256 << 10, .each = 32 << 10 };
	struct receiver *unbounded = receive(p, 0, 0, false), *first, *second;
	struct pipeline_stats stats;
	size_t kept;

	first = receive_within(p, &budget);
	put_stacks(p, 0, 20000);
	assert_int_equal(assert_counted(unbounded, 20000), 20000);
	assert_in_range(assert_counted(first, 20000), 100, 10000);
	assert_in_range(budget.used, budget.max, 2 * budget.max);
	/* One more has a little in any case, */
	second = receive_within(p, &budget);
	put_stacks(p, 20000, 20000);
	kept = assert_counted(second, 20000);
	assert_in_range(kept, 10, assert_counted(first, 40000) - 1);
	assert_in_range(budget.used, budget.max, 2 * (budget.max + budget.each));
	pipeline_get_stats(p, &stats);
	assert_int_equal(stats.samples_dropped_memory, 60000 - assert_counted(first, 40000) - kept);
	/* and more when the other gives back what it has. */
	window_free(pipeline_take(p, first, 40000));
	put_stacks(p, 40000, 20000);
	assert_true(assert_counted(second, 40000) > kept);
	pipeline_drop(p, second);
	assert_int_equal(budget.used, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_tap_gets_what_falls_into_it),
		TEST(a_wait_may_end_after_the_tap),
		TEST(waits_that_go_on_are_counted_once),
		TEST(of_all_time_only_what_is_sure),
		TEST(only_the_reasons_that_are_wanted),
		TEST(a_wait_meets_its_waker),
		TEST(wakers_are_bounded),
		TEST(losses_are_everybodys),
		TEST(memory_is_shared_and_bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
