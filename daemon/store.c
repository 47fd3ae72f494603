/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profile/window.h"

struct store {
	struct window *windows[STORE_MAX_WINDOWS];
	size_t sizes[STORE_MAX_WINDOWS]; /* of a closed window: it does not change any more */
	size_t n;
	size_t n_written; /* the oldest ones */
	size_t bytes, bytes_written, max_bytes;
	uint64_t dropped_unwritten;
};

struct store *store_new(size_t max_bytes)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s)
		s->max_bytes = max_bytes;
	return s;
}

static void drop_oldest(struct store *s)
{
	s->bytes -= s->sizes[0];
	window_free(s->windows[0]);
	if (s->n_written) {
		s->bytes_written -= s->sizes[0];
		s->n_written--;
	} else {
		s->dropped_unwritten++;
	}
	s->n--;
	memmove(s->windows, s->windows + 1, s->n * sizeof(s->windows[0]));
	memmove(s->sizes, s->sizes + 1, s->n * sizeof(s->sizes[0]));
}

struct store *store_free(struct store *s)
{
	if (!s)
		return NULL;
	while (s->n)
		drop_oldest(s);
	free(s);
	return NULL;
}

void store_add(struct store *s, struct window *w)
{
	if (s->n == STORE_MAX_WINDOWS)
		drop_oldest(s);
	s->windows[s->n] = w;
	s->sizes[s->n] = window_memory(w);
	s->bytes += s->sizes[s->n++];
}

bool store_is_pressed(const struct store *s)
{
	return s->n - s->n_written > STORE_MAX_WINDOWS / 2 ||
	       s->bytes - s->bytes_written > s->max_bytes / 2;
}

static int add_process(const struct window_entry *e, void *userdata)
{
	const struct window_entry sum = {
		.process = e->process,
		.kind = e->kind,
		.samples = e->samples,
		.count = e->count,
		.value = e->value,
	};

	return e->kind == ABI_KIND_CPU ? window_add_entry(userdata, &sum) : 0;
}

/* Who used the CPU in @w, without stacks, threads and waits. NULL when out of memory. */
static struct window *summary_of(const struct window *w)
{
	struct window *sums = window_new(window_start(w));

	if (!sums || window_each(w, add_process, sums) < 0)
		return window_free(sums);
	window_close(sums, window_end(w));
	return sums;
}

/* Without memory for that it stays as it is. */
static void summarize(struct store *s, size_t i)
{
	struct window *sums = summary_of(s->windows[i]);

	if (!sums)
		return;
	window_free(s->windows[i]);
	s->windows[i] = sums;
	s->bytes -= s->sizes[i];
	s->sizes[i] = window_memory(sums);
	s->bytes += s->sizes[i];
}

/* The newest window stays, however big it is: it is bounded by the time it was open. */
void store_trim(struct store *s, size_t max_bytes)
{
	s->max_bytes = max_bytes;
	while (s->n > 1 && (s->bytes > max_bytes || s->n_written > STORE_MAX_WRITTEN))
		drop_oldest(s);
}

size_t store_unwritten(const struct store *s, struct window *const **ret)
{
	*ret = s->windows + s->n_written;
	return s->n - s->n_written;
}

void store_mark_written(struct store *s, size_t n)
{
	for (; n > 0 && s->n_written < s->n; n--) {
		summarize(s, s->n_written);
		s->bytes_written += s->sizes[s->n_written++];
	}
}

size_t store_since(const struct store *s, uint64_t since, struct window *const **ret)
{
	size_t first = 0;

	while (first < s->n && window_end(s->windows[first]) <= since)
		first++;
	*ret = s->windows + first;
	return s->n - first;
}

void store_get_stats(const struct store *s, struct store_stats *ret)
{
	*ret = (struct store_stats){
		.windows = s->n,
		.bytes = s->bytes,
		.dropped_unwritten = s->dropped_unwritten,
	};
}
