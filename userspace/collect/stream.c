/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records lie one after the other in a buffer, as they came; what is sorted at each flush is an
 * index of it, of which only what came since the last flush is not in order. What is too young to
 * be handled, which is little (the last STREAM_SETTLE_NS), is moved to the front by way of a second
 * buffer. What a burst made them grow to is given back when it is not needed any more.
 *
 * How it can be wrong: a record that arrives later than the settling time allows is handled after
 * records that it should have preceded; it is counted.
 */
#include "collect/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "collect/stream_check.h"
#include "process/sideband.h"

/* What may wait at one time. Without a flush for that long something else is wrong; drop, count. */
#define BUFFER_MAX (256UL << 20)
/* What is allocated at least for what waits, if anything. */
#define BUFFER_MIN ((size_t)65536)
#define ITEMS_MIN  ((size_t)256)

/* What was needed in such a time, twice, is what memory is kept for. */
#define TRIM_NS 5000000000ULL

enum source { SOURCE_RING = 0, SOURCE_SIDEBAND = 1 };

struct item {
	uint64_t time;
	uint64_t sequence; /* keeps the order of arrival among equal times */
	size_t offset;	   /* in the buffer, a multiple of 8 */
	uint32_t size;
	uint16_t source;
	bool looked_at; /* while something before it is held back */
};

/* The most of it since the last time that memory was given back. */
struct needed {
	size_t used, moved; /* bytes */
	size_t items, new;
};

struct stream {
	struct stream_handler handler;
	char *buffer, *other;
	size_t used, allocated, other_allocated;
	struct item *items, *scratch;
	size_t n_items, items_allocated, scratch_allocated;
	size_t n_sorted; /* of the items, the first so many are in order */
	uint64_t sequence;
	uint64_t handled_time; /* of the latest record that was handled */
	struct needed needed;
	uint64_t trim_time; /* when memory was given back, or could have been, by the time of
			       flushes */
	bool hold_files;
	void (*tee)(void *userdata, int source, const void *record, size_t size);
	void *tee_userdata;
	struct stream_stats stats;
};

int stream_new(const struct stream_handler *handler, struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->handler = *handler;
	*ret = s;
	return 0;
}

struct stream *stream_free(struct stream *s)
{
	if (!s)
		return NULL;
	free(s->buffer);
	free(s->other);
	free(s->items);
	free(s->scratch);
	free(s);
	return NULL;
}

void stream_hold_files(struct stream *s)
{
	s->hold_files = true;
}

void stream_set_tee(struct stream *s,
		    void (*tee)(void *userdata, int source, const void *record, size_t size),
		    void *userdata)
{
	s->tee = tee;
	s->tee_userdata = userdata;
}

static int reserve(struct stream *s, size_t size)
{
	if (s->used + size > s->allocated) {
		size_t n = MAX(s->allocated * 2, MAX(s->used + size, BUFFER_MIN));
		char *buffer = n > BUFFER_MAX ? NULL : realloc(s->buffer, n);

		if (!buffer)
			return -ENOMEM;
		s->buffer = buffer;
		s->allocated = n;
	}
	if (s->n_items == s->items_allocated) {
		size_t n = MAX(s->items_allocated * 2, ITEMS_MIN);
		struct item *items = reallocarray(s->items, n, sizeof(*items));

		if (!items)
			return -ENOMEM;
		s->items = items;
		s->items_allocated = n;
	}
	return 0;
}

static int put(struct stream *s, enum source source, uint64_t time, const void *record, size_t size)
{
	if (reserve(s, round_up_8(size)) < 0) {
		s->stats.dropped_memory++;
		return -ENOMEM;
	}
	memcpy(s->buffer + s->used, record, size);
	s->items[s->n_items++] = (struct item){
		.time = time,
		.sequence = s->sequence++,
		.offset = s->used,
		.size = (uint32_t)size,
		.source = source,
	};
	s->used += round_up_8(size);
	if (time < s->handled_time)
		s->stats.out_of_order++;
	return 0;
}

int stream_put_ring(struct stream *s, const void *record, size_t size)
{
	const struct abi_record *header = record;

	if (s->tee)
		s->tee(s->tee_userdata, SOURCE_RING, record, size);
	s->stats.records++;
	if (size < sizeof(*header) || header->size != size ||
	    !stream_record_is_valid(header, size)) {
		s->stats.records_bad++;
		return -EBADMSG;
	}
	s->stats.slices += header->type == ABI_RECORD_SLICE;
	if (header->type == ABI_RECORD_FILE && !s->hold_files) {
		s->handler.file(s->handler.userdata, record);
		return 0;
	}
	return put(s, SOURCE_RING, header->time, record, size);
}

int stream_put_sideband(struct stream *s, const void *record, size_t size)
{
	struct sideband_event event;
	int r;

	if (s->tee)
		s->tee(s->tee_userdata, SOURCE_SIDEBAND, record, size);
	s->stats.sideband++;
	r = sideband_parse(record, size, &event);
	if (r == -ENOMSG)
		return 0;
	if (r < 0) {
		s->stats.sideband_bad++;
		return -EBADMSG;
	}
	return put(s, SOURCE_SIDEBAND, event.time, record, size);
}

static int by_time(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->sequence < y->sequence ? -1 : 1;
}

/* False: not yet. */
static bool handle_ring(struct stream *s, const struct abi_record *record)
{
	const struct abi_sample *sample = (const struct abi_sample *)record;

	switch (record->type) {
	case ABI_RECORD_FILE:
		s->handler.file(s->handler.userdata, (const struct abi_file_announcement *)record);
		return true;
	case ABI_RECORD_SLICE:
		return s->handler.slice(s->handler.userdata, sample, stream_slice_of(sample));
	default:
		s->handler.sample(s->handler.userdata, sample);
		return true;
	}
}

static bool handle(struct stream *s, const struct item *item)
{
	const void *record = s->buffer + item->offset;
	struct sideband_event event;

	if (item->source == SOURCE_RING && !handle_ring(s, record))
		return false;
	if (item->source == SOURCE_SIDEBAND && sideband_parse(record, item->size, &event) == 0)
		s->handler.sideband(s->handler.userdata, &event);
	s->handled_time = MAX(s->handled_time, item->time);
	return true;
}

/* For the new ones while they are merged. */
static bool reserve_scratch(struct stream *s, size_t n)
{
	struct item *scratch;

	if (n <= s->scratch_allocated)
		return true;
	scratch = reallocarray(s->scratch, n, sizeof(*scratch));
	if (!scratch)
		return false;
	s->scratch = scratch;
	s->scratch_allocated = n;
	return true;
}

static void sort(struct stream *s)
{
	size_t old = s->n_sorted, new = s->n_items - old, to = s->n_items;

	s->n_sorted = s->n_items;
	s->needed.new = MAX(s->needed.new, new);
	if (!reserve_scratch(s, new)) {
		qsort(s->items, s->n_items, sizeof(*s->items), by_time);
		return;
	}
	if (!new)
		return;
	qsort(s->items + old, new, sizeof(*s->items), by_time);
	memcpy(s->scratch, s->items + old, new * sizeof(*s->items));
	while (new > 0) {
		bool is_old = old > 0 && by_time(&s->items[old - 1], &s->scratch[new - 1]) > 0;

		s->items[--to] = is_old ? s->items[--old] : s->scratch[--new];
	}
}

static bool reserve_other(struct stream *s, size_t size)
{
	char *other;

	if (size <= s->other_allocated)
		return true;
	other = malloc(size);
	if (!other)
		return false;
	free(s->other);
	s->other = other;
	s->other_allocated = size;
	return true;
}

/*
 * Forgets the first items, which have been handled, and moves the others to the front, in order.
 * Without memory for that they stay where they are until the next time.
 */
static void compact(struct stream *s, size_t first)
{
	size_t left = 0, used = 0;

	s->n_items -= first;
	s->n_sorted = s->n_items;
	memmove(s->items, s->items + first, s->n_items * sizeof(*s->items));
	for (size_t i = 0; i < s->n_items; i++)
		left += round_up_8(s->items[i].size);
	s->needed.moved = MAX(s->needed.moved, left);
	if (!reserve_other(s, left))
		return;
	for (size_t i = 0; i < s->n_items; i++) {
		struct item *item = &s->items[i];

		memcpy(s->other + used, s->buffer + item->offset, item->size);
		item->offset = used;
		used += round_up_8(item->size);
	}
	if (used)
		memcpy(s->buffer, s->other, used);
	s->used = used;
}

/* To @n of @size, unless it is as small, or there is no memory to make it so. */
static void *shrink(void *list, size_t *allocated, size_t n, size_t size)
{
	void *smaller;

	if (*allocated <= n)
		return list;
	if (n == 0) {
		free(list);
		*allocated = 0;
		return NULL;
	}
	smaller = reallocarray(list, n, size);
	if (!smaller)
		return list;
	*allocated = n;
	return smaller;
}

static void trim(struct stream *s)
{
	const struct needed *n = &s->needed;

	s->buffer = shrink(s->buffer, &s->allocated, MAX(2 * n->used, BUFFER_MIN), 1);
	s->other = shrink(s->other, &s->other_allocated, 2 * n->moved, 1);
	s->items = shrink(s->items, &s->items_allocated, MAX(2 * n->items, ITEMS_MIN),
			  sizeof(*s->items));
	s->scratch = shrink(s->scratch, &s->scratch_allocated, 2 * n->new, sizeof(*s->scratch));
	s->needed = (struct needed){ 0 };
}

/* What waits behind @first, which is held back. */
static void look_ahead(struct stream *s, size_t first)
{
	if (!s->handler.slice_ahead)
		return;
	for (size_t i = first + 1; i < s->n_items; i++) {
		struct item *item = &s->items[i];
		const struct abi_sample *sample = (const void *)(s->buffer + item->offset);

		if (item->looked_at)
			continue;
		item->looked_at = true;
		if (item->source == SOURCE_RING && sample->record.type == ABI_RECORD_SLICE)
			s->handler.slice_ahead(s->handler.userdata, sample,
					       stream_slice_of(sample));
	}
}

/* Returns up to when, and how many items. */
static uint64_t handle_until(struct stream *s, uint64_t until, size_t *ret_n)
{
	size_t i;

	for (i = 0; i < s->n_items && s->items[i].time <= until; i++) {
		if (!handle(s, &s->items[i])) {
			until = s->items[i].time - 1;
			look_ahead(s, i);
			break;
		}
	}
	*ret_n = i;
	return until;
}

uint64_t stream_flush(struct stream *s, uint64_t until)
{
	uint64_t reached = until;
	size_t n;

	s->needed.used = MAX(s->needed.used, s->used);
	s->needed.items = MAX(s->needed.items, s->n_items);
	if (s->n_items > 0) {
		sort(s);
		reached = handle_until(s, until, &n);
		if (n > 0)
			compact(s, n);
	}
	if (until - s->trim_time >= TRIM_NS) {
		s->trim_time = until;
		trim(s);
	}
	return reached;
}

size_t stream_waiting(const struct stream *s)
{
	return s->used;
}

size_t stream_memory(const struct stream *s)
{
	return sizeof(*s) + s->allocated + s->other_allocated +
	       (s->items_allocated + s->scratch_allocated) * sizeof(struct item);
}

void stream_get_stats(const struct stream *s, struct stream_stats *ret)
{
	*ret = s->stats;
}
