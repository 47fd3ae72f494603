/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "collect/stream.h"
#include "process/sideband.h"

#define MAX_SEEN 4096

struct seen {
	size_t n, files, tees[2];
	struct {
		char what; /* s sample, l slice, b side-band, f file */
		uint64_t time;
		uint32_t tid;
	} items[MAX_SEEN];
	bool hold;	   /* slices */
	uint32_t ahead[8]; /* threads of slices that were behind a held one */
	size_t n_ahead;
	struct stream *stream;
};

static void see(struct seen *s, char what, uint64_t time, uint32_t tid)
{
	assert_true(s->n < MAX_SEEN);
	s->items[s->n].what = what;
	s->items[s->n].time = time;
	s->items[s->n++].tid = tid;
}

static void on_sample(void *userdata, const struct abi_sample *a)
{
	for (size_t i = 0; i < (size_t)a->kernel_frames + a->user_frames; i++)
		assert_int_equal(a->frames[i], a->tid + i);
	see(userdata, 's', a->record.time, a->tid);
}

static bool on_slice(void *userdata, const struct abi_sample *a, const struct abi_slice *slice)
{
	const uint8_t *stack = (const uint8_t *)(slice + 1);
	struct seen *s = userdata;

	if (s->hold)
		return false;
	for (uint32_t i = 0; i < slice->size; i++)
		assert_int_equal(stack[i], (uint8_t)(a->tid + i));
	see(userdata, 'l', a->record.time, a->tid);
	return true;
}

static void on_slice_ahead(void *userdata, const struct abi_sample *a,
			   const struct abi_slice *slice)
{
	struct seen *s = userdata;

	assert_ptr_equal(slice, a->frames + a->kernel_frames);
	if (s->n_ahead < ARRAY_SIZE(s->ahead))
		s->ahead[s->n_ahead] = a->tid;
	s->n_ahead++;
}

static void on_sideband(void *userdata, const struct sideband_event *e)
{
	assert_string_equal(e->name, "name");
	see(userdata, 'b', e->time, e->tid);
}

static void on_file(void *userdata, const struct abi_file_announcement *a)
{
	see(userdata, 'f', a->record.time, a->file_id);
}

static void on_tee(void *userdata, int source, const void *record, size_t size)
{
	struct seen *s = userdata;

	(void)record;
	assert_true(size > 0);
	s->tees[source]++;
}

static struct seen *seen_new(void)
{
	struct seen *s = calloc(1, sizeof(*s));
	const struct stream_handler handler = {
		.sample = on_sample,
		.slice = on_slice,
		.slice_ahead = on_slice_ahead,
		.sideband = on_sideband,
		.file = on_file,
		.userdata = s,
	};

	assert_int_equal(stream_new(&handler, &s->stream), 0);
	return s;
}

static void seen_free(struct seen *s)
{
	stream_free(s->stream);
	free(s);
}

/* With frames that follow from the tid, so that mixed up records are noticed. */
static struct abi_sample *make_sample(uint64_t time, uint32_t tid, uint16_t frames)
{
	size_t size = sizeof(struct abi_sample) + frames * sizeof(uint64_t);
	struct abi_sample *a = calloc(1, size);

	a->record.type = ABI_RECORD_SAMPLE;
	a->record.size = (uint32_t)size;
	a->record.time = time;
	a->tid = tid;
	a->kind = ABI_KIND_CPU;
	a->user_end = ABI_STACK_complete;
	a->count = 1;
	a->kernel_frames = frames / 3;
	a->user_frames = frames - a->kernel_frames;
	for (uint16_t i = 0; i < frames; i++)
		a->frames[i] = tid + i;
	return a;
}

static int put_sample(struct seen *s, uint64_t time, uint32_t tid, uint16_t frames)
{
	_cleanup_free_ struct abi_sample *a = make_sample(time, tid, frames);

	return stream_put_ring(s->stream, a, a->record.size);
}

/* A sample of two kernel frames with @bytes of stack, of which the record has @cut less. */
static int put_slice(struct seen *s, uint64_t time, uint32_t tid, uint32_t bytes, uint32_t cut)
{
	size_t size = sizeof(struct abi_sample) + 2 * sizeof(uint64_t) + sizeof(struct abi_slice);
	_cleanup_free_ struct abi_sample *a = calloc(1, size + bytes);
	struct abi_slice *slice = (struct abi_slice *)(a->frames + 2);

	a->record.type = ABI_RECORD_SLICE;
	a->record.size = (uint32_t)size + bytes - cut;
	a->record.time = time;
	a->tid = tid;
	a->kind = ABI_KIND_CPU;
	a->user_end = ABI_STACK_no_table;
	a->kernel_frames = 2;
	slice->size = bytes;
	for (uint32_t i = 0; i < bytes; i++)
		((uint8_t *)(slice + 1))[i] = (uint8_t)(tid + i);
	return stream_put_ring(s->stream, a, a->record.size);
}

/* PERF_RECORD_COMM, see perf_event_open(2). */
static int put_comm(struct seen *s, uint64_t time, uint32_t tid)
{
	struct {
		struct perf_event_header header;
		uint32_t pid, tid;
		char name[8];
		uint32_t tail_pid, tail_tid;
		uint64_t time;
	} r = { { PERF_RECORD_COMM, 0, sizeof(r) }, tid, tid, "name", tid, tid, time };

	return stream_put_sideband(s->stream, &r, sizeof(r));
}

static struct abi_file_announcement announcement(uint64_t time, uint32_t id)
{
	return (struct abi_file_announcement){
		.record = { ABI_RECORD_FILE, sizeof(struct abi_file_announcement), time },
		.file_id = id,
		.vm_start = 0x1000,
		.vm_end = 0x2000,
	};
}

static void test_order(void **state)
{
	struct seen *s = seen_new();

	(void)state;
	assert_int_equal(put_sample(s, 30, 3, 5), 0);
	assert_int_equal(put_sample(s, 10, 1, 9), 0);
	assert_int_equal(put_comm(s, 20, 2), 0);
	assert_int_equal(put_comm(s, 40, 4), 0);
	stream_flush(s->stream, 9);
	assert_int_equal(s->n, 0);
	stream_flush(s->stream, 30);
	assert_int_equal(s->n, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(s->items[i].tid, i + 1);
	/* What was left is still whole. */
	assert_int_equal(put_sample(s, 35, 5, 7), 0);
	stream_flush(s->stream, UINT64_MAX);
	assert_int_equal(s->n, 5);
	assert_int_equal(s->items[3].tid, 5);
	assert_int_equal(s->items[4].what, 'b');
	stream_flush(s->stream, UINT64_MAX);
	assert_int_equal(s->n, 5);
	seen_free(s);
}

static void test_equal_times_keep_their_order(void **state)
{
	struct seen *s = seen_new();

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(i % 2 ? put_sample(s, 7, i, 1) : put_comm(s, 7, i), 0);
	stream_flush(s->stream, 7);
	assert_int_equal(s->n, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(s->items[i].tid, i);
	seen_free(s);
}

static void test_late_records_are_counted(void **state)
{
	struct seen *s = seen_new();
	struct stream_stats stats;

	(void)state;
	put_sample(s, 100, 1, 1);
	stream_flush(s->stream, 200);
	put_sample(s, 150, 2, 1);
	put_sample(s, 99, 3, 1);
	stream_flush(s->stream, 200);
	stream_get_stats(s->stream, &stats);
	assert_int_equal(s->n, 3);
	assert_int_equal(stats.out_of_order, 1);
	assert_int_equal(stats.records, 3);
	seen_free(s);
}

static void test_files(void **state)
{
	struct abi_file_announcement a = announcement(50, 17);
	struct seen *s = seen_new();

	(void)state;
	assert_int_equal(stream_put_ring(s->stream, &a, sizeof(a)), 0);
	assert_int_equal(s->n, 1);
	stream_hold_files(s->stream);
	assert_int_equal(stream_put_ring(s->stream, &a, sizeof(a)), 0);
	assert_int_equal(put_comm(s, 49, 1), 0);
	assert_int_equal(s->n, 1);
	stream_flush(s->stream, 50);
	assert_int_equal(s->n, 3);
	assert_int_equal(s->items[1].what, 'b');
	assert_int_equal(s->items[2].what, 'f');
	seen_free(s);
}

static void test_tee(void **state)
{
	struct seen *s = seen_new();

	(void)state;
	stream_set_tee(s->stream, on_tee, s);
	put_sample(s, 1, 1, 1);
	put_sample(s, 2, 1, 1);
	put_comm(s, 3, 1);
	assert_int_equal(s->tees[0], 2);
	assert_int_equal(s->tees[1], 1);
	stream_set_tee(s->stream, NULL, NULL);
	put_comm(s, 4, 1);
	assert_int_equal(s->tees[1], 1);
	seen_free(s);
}

/* One thing wrong at a time. */
static void test_bad_records(void **state)
{
	struct seen *s = seen_new();
	struct stream_stats stats;
	uint64_t bad = 0;

	(void)state;
#define REFUSED(change, given_size)                                                                \
	do {                                                                                       \
		_cleanup_free_ struct abi_sample *a = make_sample(1, 1, 4);                        \
		size_t size = a->record.size;                                                      \
		(void)size;                                                                        \
		change;                                                                            \
		assert_int_equal(stream_put_ring(s->stream, a, given_size), -EBADMSG);             \
		stream_get_stats(s->stream, &stats);                                               \
		assert_int_equal(stats.records_bad, ++bad);                                        \
	} while (0)
	REFUSED((void)0, size - 8);
	REFUSED((void)0, 0);
	REFUSED((void)0, 8);
	REFUSED(a->record.size = sizeof(*a) - 8, sizeof(*a) - 8);
	REFUSED(a->record.type = 0, size);
	REFUSED(a->record.type = ABI_RECORD_FILE, size);
	REFUSED(a->kernel_frames++, size);
	REFUSED(a->user_frames--, size);
	REFUSED(a->user_frames = UINT16_MAX, size);
	REFUSED((a->kernel_frames = ABI_MAX_KERNEL_FRAMES + 1, a->user_frames = 0), size);
	REFUSED(a->kind = 0, size);
	REFUSED(a->kind = ABI_KIND_WAKER + 1, size);
	REFUSED((a->kind = ABI_KIND_BLOCK, a->wait.since = a->record.time + 1), size);
	REFUSED((a->kind = ABI_KIND_MUTEX, a->wait.system_call = -2), size);
	REFUSED(a->user_end = ABI_STACK_ENDS_COUNT, size);
	REFUSED(a->value = -1, size);
	REFUSED(a->count = 1ULL << 63, size);
	REFUSED(memset(a->comm, 'x', sizeof(a->comm)), size);
#undef REFUSED
	stream_flush(s->stream, UINT64_MAX);
	assert_int_equal(s->n, 0);
	seen_free(s);
}

static void test_bad_files_and_sideband(void **state)
{
	struct abi_file_announcement a = announcement(1, ABI_FILE_ID_NONE);
	struct seen *s = seen_new();
	struct stream_stats stats;
	uint64_t junk[4] = { UINT64_MAX, 1, 2, 3 };

	(void)state;
	assert_int_equal(stream_put_ring(s->stream, &a, sizeof(a)), -EBADMSG);
	a = announcement(1, ABI_FRAME_FILE_MASK + 1);
	assert_int_equal(stream_put_ring(s->stream, &a, sizeof(a)), -EBADMSG);
	a = announcement(1, 16);
	a.vm_end = a.vm_start;
	assert_int_equal(stream_put_ring(s->stream, &a, sizeof(a)), -EBADMSG);
	a = announcement(1, 16);
	memset(a.name, 'x', sizeof(a.name));
	assert_int_equal(stream_put_ring(s->stream, &a, sizeof(a)), -EBADMSG);
	assert_int_equal(stream_put_sideband(s->stream, junk, sizeof(junk)), -EBADMSG);
	stream_get_stats(s->stream, &stats);
	assert_int_equal(stats.records_bad, 4);
	assert_int_equal(stats.sideband_bad, 1);
	assert_int_equal(s->n, 0);
	seen_free(s);
}

/* Any arrival, any flushes: what comes out between two flushes is in order, nothing is missing. */
static void test_random_streams(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 20; seed++) {
		struct seen *s = seen_new();
		uint64_t r = seed * 0x9e3779b97f4a7c15ULL, now = 0, flushed = 0;
		uint32_t put = 0;

		for (int round = 0; round < 50; round++) {
			for (int i = 0; i < 40; i++, put++) {
				r = r * 6364136223846793005ULL + 1442695040888963407ULL;
				/* Up to 10 late, never later than what has been flushed. */
				uint64_t time = now + 10 + (r >> 40) % 10;

				if (r >> 63)
					put_sample(s, time, put, (uint16_t)((r >> 20) % 30));
				else
					put_comm(s, time, put);
			}
			now += 5;
			stream_flush(s->stream, flushed = now + 4);
		}
		stream_flush(s->stream, UINT64_MAX);
		assert_true(flushed > 0);
		assert_int_equal(s->n, put);
		for (size_t i = 1; i < s->n; i++)
			assert_true(s->items[i - 1].time <= s->items[i].time);
		seen_free(s);
	}
}

/* What cannot be handled yet holds up all that is later, and nothing that is earlier. */
static void test_slice_holds_back(void **state)
{
	struct seen *s = seen_new();

	(void)state;
	s->hold = true;
	assert_int_equal(put_slice(s, 200, 2, 640, 0), 0);
	assert_int_equal(put_sample(s, 300, 3, 5), 0);
	assert_int_equal(put_sample(s, 100, 1, 5), 0);
	assert_int_equal(stream_flush(s->stream, 1000), 199);
	assert_int_equal(s->n, 1);
	assert_int_equal(s->items[0].tid, 1);
	assert_true(stream_waiting(s->stream) > 640);
	assert_int_equal(put_sample(s, 400, 4, 5), 0);
	s->hold = false;
	assert_int_equal(stream_flush(s->stream, 350), 350);
	assert_int_equal(s->n, 3);
	assert_int_equal(s->items[1].what, 'l');
	assert_int_equal(s->items[2].tid, 3);
	assert_int_equal(stream_flush(s->stream, 1000), 1000);
	assert_int_equal(stream_waiting(s->stream), 0);
	seen_free(s);
}

/* Those behind it can be looked at meanwhile, once each. */
static void test_slices_ahead(void **state)
{
	struct seen *s = seen_new();

	(void)state;
	s->hold = true;
	assert_int_equal(put_slice(s, 300, 3, 640, 0), 0);
	assert_int_equal(put_slice(s, 100, 1, 64, 0), 0);
	assert_int_equal(put_sample(s, 150, 9, 5), 0);
	assert_int_equal(put_slice(s, 200, 2, 64, 0), 0);
	assert_int_equal(stream_flush(s->stream, 250), 99);
	/* Of all that there are, in order; the one that holds them up has had its turn. */
	assert_int_equal(s->n_ahead, 2);
	assert_int_equal(s->ahead[0], 2);
	assert_int_equal(s->ahead[1], 3);
	assert_int_equal(put_slice(s, 250, 4, 64, 0), 0);
	assert_int_equal(stream_flush(s->stream, 260), 99);
	assert_int_equal(s->n_ahead, 3);
	assert_int_equal(s->ahead[2], 4);
	s->hold = false;
	assert_int_equal(stream_flush(s->stream, 1000), 1000);
	assert_int_equal(s->n, 5);
	assert_int_equal(s->n_ahead, 3);
	seen_free(s);
}

static void test_slice_is_checked(void **state)
{
	struct seen *s = seen_new();

	(void)state;
	assert_int_equal(put_slice(s, 200, 2, 640, 8), -EBADMSG);
	assert_int_equal(put_slice(s, 200, 2, 640, 640 + 8), -EBADMSG);
	assert_int_equal(put_slice(s, 200, 2, 0, 0), 0);
	assert_int_equal(stream_flush(s->stream, 1000), 1000);
	assert_int_equal(s->n, 1);
	seen_free(s);
}

#define SECOND 1000000000ULL

/* One small sample and its flush, every 200 ms. */
static uint64_t trickle(struct seen *s, uint64_t start, uint64_t seconds)
{
	uint64_t now = start;

	for (; now < start + seconds * SECOND; now += SECOND / 5) {
		assert_int_equal(put_sample(s, now, 1, 3), 0);
		assert_int_equal(stream_flush(s->stream, now), now);
	}
	return now;
}

/* What a burst needed is given back, also by flushes that have nothing to do; and needed again. */
static void test_memory_is_given_back(void **state)
{
	struct seen *s = seen_new();
	uint64_t now = trickle(s, SECOND, 6);
	size_t before = stream_memory(s->stream), burst;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 1500; i++)
			assert_int_equal(put_sample(s, now + i, i, 100), 0);
		/* The second half waits, and is moved. */
		assert_int_equal(stream_flush(s->stream, now + 749), now + 749);
		burst = stream_memory(s->stream);
		assert_true(burst > before + 1500 * 800 + 750 * 800);
		assert_int_equal(stream_flush(s->stream, now + SECOND), now + SECOND);
		assert_int_equal(stream_waiting(s->stream), 0);
		/* Not at once: another one may follow. */
		now = trickle(s, now + SECOND, 2);
		assert_int_equal(stream_memory(s->stream), burst);
		if (round == 0)
			now = trickle(s, now, 10);
		for (int i = 0; round == 1 && i < 3; i++, now += 5 * SECOND)
			assert_int_equal(stream_flush(s->stream, now), now);
		assert_in_range(stream_memory(s->stream), 0, before + 1024);
	}
	for (size_t i = 1; i < s->n; i++)
		assert_true(s->items[i - 1].time <= s->items[i].time);
	seen_free(s);
}

/* What waits for longer than that is still whole. */
static void test_what_waits_is_kept(void **state)
{
	struct seen *s = seen_new();

	(void)state;
	s->hold = true;
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(put_slice(s, 100 + i, i, 4096, 0), 0);
	for (uint64_t now = SECOND; now < 30 * SECOND; now += SECOND)
		assert_int_equal(stream_flush(s->stream, now), 99);
	assert_true(stream_memory(s->stream) > 500 * 4096);
	s->hold = false;
	assert_int_equal(stream_flush(s->stream, 30 * SECOND), 30 * SECOND);
	assert_int_equal(s->n, 500);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(s->items[i].tid, i);
	seen_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slice_holds_back),
		cmocka_unit_test(test_slices_ahead),
		cmocka_unit_test(test_slice_is_checked),
		cmocka_unit_test(test_memory_is_given_back),
		cmocka_unit_test(test_what_waits_is_kept),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_equal_times_keep_their_order),
		cmocka_unit_test(test_late_records_are_counted),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_tee),
		cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_bad_files_and_sideband),
		cmocka_unit_test(test_random_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
