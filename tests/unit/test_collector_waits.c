/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's view of waits, of a thread of this very process whose waits are known: by every
 * hook that this kernel has. Skipped, with the reason, where BPF is not allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "collect/collector.h"
#include "collect/collector_system.h"
#include "collect/stream.h"
#include "rights.h"
#include "skip.h"

#define ROUNDS	     10
#define ROUND_NS     10000000ULL
#define MAX_VERIFIED 300000

/* What the thread does and found out itself. */
struct thread {
	pthread_t thread;
	pthread_mutex_t mutex;
	_Atomic int round; /* odd: the mutex is held; even: the thread has had it */
	_Atomic bool asks; /* for what it sleeps until it gets it */
	_Atomic uint32_t tid;
	int pipe[2];
	uint64_t slept_ns, locked_ns; /* by its own clock, what it was back late included */
};

/* What was told of it. */
struct seen {
	const struct thread *of;
	unsigned int sleeps, locks, releases, wakers, ongoing, with_stack;
	unsigned int bare; /* of releases and wakers, those without callers */
	bool disordered;   /* a waker came before the wait that was before its own */
	bool late;	   /* the stream says that it could not put all in order */
	uint64_t sleep_ns, lock_ns, release_ns;
	uint64_t runqueue_ns; /* after waits for the mutex */
	uint32_t releaser;
};

static uint64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void doze(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* Sleeps, waits for a mutex, and at last for a byte in a pipe. */
static void *wait_known(void *userdata)
{
	struct thread *t = userdata;
	uint64_t begin = now();
	char c;
	int i;

	t->tid = (uint32_t)syscall(SYS_gettid);
	for (i = 0; i < ROUNDS; i++)
		doze(ROUND_NS);
	t->slept_ns = now() - begin;
	for (i = 1; i <= ROUNDS; i++) {
		while (t->round < 2 * i - 1)
			doze(1000);
		t->asks = true;
		begin = now();
		pthread_mutex_lock(&t->mutex);
		t->locked_ns += now() - begin;
		t->asks = false;
		pthread_mutex_unlock(&t->mutex);
		t->round = 2 * i;
	}
	t->asks = true;
	return read(t->pipe[0], &c, 1) == 1 ? t : NULL;
}

static bool is_asleep(uint32_t tid)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	const char *end;

	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL), 0);
	end = strrchr(text, ')'); /* of its name */
	return end && strncmp(end, ") S", 3) == 0;
}

/* Until the thread sleeps for what it asks for, and a round longer. */
static void let_it_wait(const struct thread *t)
{
	while (!t->asks || !is_asleep(t->tid))
		doze(ROUND_NS / 10);
	doze(ROUND_NS);
}

/* What all the machine waits does not stay in the ring, where wakers would give way to it. */
static void hold_mutex(struct thread *t, struct collector *c, struct stream *stream)
{
	int i;

	for (i = 1; i <= ROUNDS; i++) {
		pthread_mutex_lock(&t->mutex);
		t->round = 2 * i - 1;
		let_it_wait(t);
		assert_true(collector_drain(c, stream) >= 0);
		pthread_mutex_unlock(&t->mutex);
		while (t->round < 2 * i)
			doze(1000);
	}
}

static void see_block(struct seen *seen, const struct abi_sample *s, bool has_slice)
{
	if (s->tid != seen->of->tid)
		return;
	assert_int_equal(s->wait.waiter_tid, s->tid);
	assert_int_equal(s->wait.state, 1);
	if (s->wait.flags & ABI_WAIT_RUNQUEUE) {
		if (s->wait.futex == (uintptr_t)&seen->of->mutex)
			seen->runqueue_ns += (uint64_t)s->value;
		return;
	}
	assert_int_equal(s->count, ABI_COUNT_ONE);
	seen->with_stack += s->user_frames > 0 || has_slice;
	/* The timer is set a little before the thread goes. */
	if (s->wait.system_call == SYS_clock_nanosleep && (uint64_t)s->value >= ROUND_NS / 10 * 9) {
		seen->sleeps++;
		seen->sleep_ns += (uint64_t)s->value;
	} else if (s->wait.futex == (uintptr_t)&seen->of->mutex) {
		assert_int_equal(s->wait.system_call, SYS_futex);
		assert_int_equal(s->wait.futex_value, 2); /* locked, and there are waiters */
		seen->locks++;
		seen->lock_ns += (uint64_t)s->value;
	}
}

/* It comes before the block sample that it belongs to. */
static void see_waker(struct seen *seen, const struct abi_sample *s, bool has_slice)
{
	assert_int_equal(s->wait.waiter_tid, seen->of->tid);
	assert_int_equal(s->tid, syscall(SYS_gettid));
	seen->bare += s->user_frames < 2 && !has_slice;
	seen->disordered |= seen->wakers != seen->locks;
	seen->wakers++;
}

static void see(struct seen *seen, const struct abi_sample *s, bool has_slice)
{
	if (s->tgid != (uint32_t)getpid())
		return;
	if (s->kind == ABI_KIND_BLOCK)
		see_block(seen, s, has_slice);
	if (s->kind == ABI_KIND_WAKER && s->wait.futex == (uintptr_t)&seen->of->mutex)
		see_waker(seen, s, has_slice);
	if (s->kind != ABI_KIND_MUTEX || s->wait.futex != (uintptr_t)&seen->of->mutex)
		return;
	assert_int_equal(s->wait.waiter_tid, seen->of->tid);
	seen->bare += s->user_frames < 2 && !has_slice;
	seen->releases++;
	seen->release_ns += (uint64_t)s->value;
	seen->releaser = s->tid;
}

static void on_sample(void *userdata, const struct abi_sample *s)
{
	see(userdata, s, false);
}

static bool on_slice(void *userdata, const struct abi_sample *s, const struct abi_slice *slice)
{
	see(userdata, s, slice->size > 0);
	return true;
}

static void on_sideband(void *userdata, const struct sideband_event *event)
{
	(void)userdata;
	(void)event;
}

static void on_file(void *userdata, const struct abi_file_announcement *file)
{
	(void)userdata;
	(void)file;
}

/* The thread waits for the pipe now. */
static void on_ongoing(void *userdata, const void *record, size_t size)
{
	const struct abi_sample *s = record;
	const struct abi_slice *slice = (const void *)(s->frames + s->kernel_frames);
	struct seen *seen = userdata;

	assert_true(size >= sizeof(*s) && s->record.size == size);
	assert_int_equal(s->tgid, getpid());
	assert_true(s->wait.flags & ABI_WAIT_ONGOING);
	if (s->tid != seen->of->tid)
		return;
	assert_int_equal(s->kind, ABI_KIND_BLOCK);
	assert_int_equal(s->record.type, ABI_RECORD_SLICE);
	assert_int_equal(s->wait.system_call, SYS_read);
	assert_true(S_ISFIFO(s->wait.mode));
	assert_true((uint64_t)s->value >= ROUND_NS && s->kernel_frames > 2);
	assert_int_equal(s->record.time - s->wait.since, s->value);
	assert_true(slice->size >= 1024);
	seen->ongoing++;
}

/* @lost: waits of the whole machine that are counted as not seen. */
static void check(const struct thread *t, const struct seen *seen, uint64_t lost)
{
	unsigned int missing = 2 * ROUNDS - MIN(2 * ROUNDS, seen->sleeps + seen->locks);

	print_message("%u sleeps %.1f of %.1f ms, %u waits for the mutex %.1f of %.1f ms\n",
		      seen->sleeps, (double)seen->sleep_ns / 1e6, (double)t->slept_ns / 1e6,
		      seen->locks, (double)seen->lock_ns / 1e6, (double)t->locked_ns / 1e6);
	assert_in_range(missing, 0, lost);
	assert_in_range(seen->sleeps, ROUNDS - missing, ROUNDS);
	assert_in_range(seen->sleep_ns, seen->sleeps * (ROUND_NS / 10 * 9), t->slept_ns);
	assert_in_range(seen->locks, ROUNDS - missing, ROUNDS);
	/* What is missing is the way into the kernel and back. */
	assert_true(seen->lock_ns + seen->runqueue_ns <= t->locked_ns);
	assert_true(seen->with_stack >= seen->sleeps + seen->locks);
	assert_int_equal(seen->releases, ROUNDS);
	/* One waiter: what it waits is what the other is charged, to the nanosecond. */
	if (seen->locks == ROUNDS)
		assert_int_equal(seen->release_ns, seen->lock_ns);
	/* One may meet a file that is just being announced. */
	assert_in_range(seen->bare, 0, 2);
	assert_int_equal(seen->wakers, ROUNDS);
	assert_false(seen->disordered && !seen->late && !missing);
	assert_int_equal(seen->releaser, syscall(SYS_gettid));
	assert_int_equal(seen->ongoing, 1);
}

static void check_state(struct collector *c, uint8_t hook)
{
	uint64_t counters[ABI_COUNTERS_COUNT];
	struct collector_state s;

	collector_get_state(c, &s);
	print_message("%u instructions verified, %lu bytes of maps\n", s.verified_instructions,
		      (unsigned long)s.map_bytes);
	assert_in_range(s.verified_instructions, 1, MAX_VERIFIED);
	assert_int_equal(s.wait_hook, hook);
	assert_true(s.counters[ABI_COUNTER_waits] >= 2 * ROUNDS);
	assert_true(s.counters[ABI_COUNTER_waits_kept] >= 2 * ROUNDS);
	assert_true(s.counters[ABI_COUNTER_locks_kept] > 0);
	assert_int_equal(s.counters[ABI_COUNTER_waits_lost_memory], 0);
	assert_int_equal(s.counters[ABI_COUNTER_samples_lost_ring_full], 0);
	collector_get_counters(c, counters);
	for (int i = 0; i < ABI_COUNTERS_COUNT; i++)
		assert_true(counters[i] >= s.counters[i]);
	assert_true(counters[ABI_COUNTER_locks_kept] > 0);
}

static void run(struct collector *c, struct stream *stream, struct thread *t, struct seen *seen)
{
	struct stream_stats stats;

	assert_int_equal(pipe(t->pipe), 0);
	assert_int_equal(pthread_create(&t->thread, NULL, wait_known, t), 0);
	hold_mutex(t, c, stream);
	let_it_wait(t);
	assert_int_equal(collector_read_waits(c, (uint32_t)getpid(), on_ongoing, seen), 0);
	assert_int_equal(write(t->pipe[1], "", 1), 1);
	assert_int_equal(pthread_join(t->thread, NULL), 0);
	assert_true(collector_drain(c, stream) >= 0);
	stream_flush(stream, UINT64_MAX);
	stream_get_stats(stream, &stats);
	seen->late = stats.out_of_order;
	close(t->pipe[0]);
	close(t->pipe[1]);
}

/*
 * A switch from a task that hides from tracing (agents of some hypervisors do, on a kernel of
 * theirs) is not seen. The hook sees all the same who is back; where there is none after the
 * switch, waits can be missing, and are counted.
 */
static void sees_waits_by(uint8_t hook)
{
	struct thread t = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	struct seen seen = { .of = &t };
	struct stream_handler handler = { .sample = on_sample,
					  .slice = on_slice,
					  .sideband = on_sideband,
					  .file = on_file,
					  .userdata = &seen };
	struct collector_options o = {
		.without_sampling = true,
		.block_rate = 1,
		.wait_hook = hook,
		.ring_size = 64 << 20,
		/* All waits of the machine are kept: there has to be room for ours. */
		.slice_bytes = 1024,
	};
	struct collector *c = NULL;
	struct stream *stream = NULL;
	uint64_t counters[ABI_COUNTERS_COUNT];
	struct error e = { 0 };

	/* A kernel that has no such hook says so; switch_out is in all. */
	if (collector_new(&o, &c, &e) && hook != ABI_WAIT_HOOK_switch_out)
		skip_because("%s", e.text);
	assert_string_equal(e.text, "");
	assert_int_equal(stream_new(&handler, &stream), 0);
	run(c, stream, &t, &seen);
	collector_get_counters(c, counters);
	check(&t, &seen, hook == ABI_WAIT_HOOK_exit_tp ? 0 : counters[ABI_COUNTER_waits_lost_hook]);
	check_state(c, hook);
	collector_free(c);
	stream_free(stream);
}

static void sees_known_waits(void **state)
{
	needs_bpf();
	sees_waits_by((uint8_t)(uintptr_t)*state);
}

static struct collector *collector_of(const struct collector_options *o)
{
	struct collector *c = NULL;
	struct error e;

	needs_bpf();
	if (collector_new(o, &c, &e))
		fail_msg("%s", e.text);
	return c;
}

static void takes_the_best_hook(void **state)
{
	struct collector_options o = { .without_sampling = true };
	struct collector *c = collector_of(&o);
	struct collector_state s;

	(void)state;
	collector_get_state(c, &s);
	collector_free(c);
	assert_int_not_equal(s.wait_hook, ABI_WAIT_HOOK_none);
	if (collector_system_has_tracepoint("sched_exit_tp")) {
		assert_int_equal(s.wait_hook, ABI_WAIT_HOOK_exit_tp);
		assert_string_equal(s.wait_hook_text, "");
	} else {
		assert_non_null(strstr(s.wait_hook_text, "sched_exit_tp"));
	}
}

/* Nothing comes before, and then all does. */
static void starts_when_told(void **state)
{
	struct collector_options o = { .start_later = true };
	struct collector *c = collector_of(&o);
	uint64_t give_up;
	struct collector_state s;
	struct error e;

	(void)state;
	doze(ROUND_NS);
	collector_get_state(c, &s);
	assert_int_equal(s.counters[ABI_COUNTER_waits], 0);
	assert_int_equal(s.counters[ABI_COUNTER_samples_attempted], 0);
	assert_int_equal(s.cpus, 0);
	assert_int_equal(collector_read_waits(c, 0, on_ongoing, NULL), -ENOTSUP);
	if (collector_start(c, &e))
		fail_msg("%s", e.text);
	doze(ROUND_NS);
	give_up = clock_monotonic_ns() + 20 * NS_PER_S;
	do
		collector_get_state(c, &s);
	while (!s.counters[ABI_COUNTER_samples_attempted] && clock_monotonic_ns() < give_up);
	assert_true(s.counters[ABI_COUNTER_samples_attempted] > 0);
	assert_true(s.counters[ABI_COUNTER_waits] > 0);
	assert_true(s.cpus > 0);
	collector_free(c);
}

static void without_waits(void **state)
{
	struct collector_options o = { .without_sampling = true, .without_waits = true };
	struct collector *c = collector_of(&o);
	struct collector_state s;

	(void)state;
	doze(ROUND_NS);
	collector_get_state(c, &s);
	assert_int_equal(s.wait_hook, ABI_WAIT_HOOK_none);
	assert_int_equal(s.counters[ABI_COUNTER_waits], 0);
	assert_int_equal(collector_read_waits(c, 0, on_ongoing, NULL), -ENOTSUP);
	collector_free(c);
}

static void options_are_checked(void **state)
{
	struct collector_options o = { .block_rate = 1ULL << 32 };
	struct collector *c = NULL;
	struct error e = { 0 };

	(void)state;
	assert_int_equal(collector_new(&o, &c, &e), -ERANGE);
	assert_non_null(strstr(e.text, "4294967296"));
	o = (struct collector_options){ .wait_hook = ABI_WAIT_HOOKS_COUNT };
	assert_int_equal(collector_new(&o, &c, &e), -EINVAL);
	assert_null(c);
}

#define BY_HOOK(hook)                                                                              \
	{                                                                                          \
		.name = "by_" #hook, .test_func = sees_known_waits,                                \
		.initial_state = (void *)ABI_WAIT_HOOK_##hook,                                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BY_HOOK(exit_tp),
		BY_HOOK(kprobe),
		BY_HOOK(switch_out),
		cmocka_unit_test(takes_the_best_hook),
		cmocka_unit_test(starts_when_told),
		cmocka_unit_test(without_waits),
		cmocka_unit_test(options_are_checked),
	};

	return cmocka_run_group_tests_name("collector_waits", tests, NULL, NULL);
}
