/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profile/window.h"

struct store {
	struct window *windows[STORE_MAX_WINDOWS];
	size_t n;
	size_t n_written; /* the oldest ones */
	size_t bytes, max_bytes;
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
	s->bytes -= MIN(s->bytes, window_memory(s->windows[0]));
	window_free(s->windows[0]);
	s->n--;
	memmove(s->windows, s->windows + 1, s->n * sizeof(s->windows[0]));
	if (s->n_written)
		s->n_written--;
	else
		s->dropped_unwritten++;
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

/* The newest window stays, however big it is: it is bounded by the time it is open. */
static void keep_bound(struct store *s)
{
	while (s->n > 1 && s->bytes > s->max_bytes)
		drop_oldest(s);
}

void store_set_bound(struct store *s, size_t max_bytes)
{
	s->max_bytes = max_bytes;
	keep_bound(s);
}

void store_add(struct store *s, struct window *w)
{
	if (s->n == STORE_MAX_WINDOWS)
		drop_oldest(s);
	s->windows[s->n++] = w;
	s->bytes += window_memory(w);
	keep_bound(s);
}

size_t store_unwritten(const struct store *s, struct window *const **ret)
{
	*ret = s->windows + s->n_written;
	return s->n - s->n_written;
}

void store_mark_written(struct store *s, size_t n)
{
	s->n_written = MIN(s->n_written + n, s->n);
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
