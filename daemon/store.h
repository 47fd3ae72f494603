/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recent past in memory: closed windows, oldest first. It owns them. A window goes when there
 * are too many of them or their memory is over the bound; one that is not written to a file yet
 * goes last, and that it went is counted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct window;
struct store;

#define STORE_MAX_WINDOWS 64 /* ten minutes of windows of 10 s */

struct store_stats {
	uint64_t windows, bytes; /* there now */
	uint64_t dropped_unwritten;
};

struct store *store_new(size_t max_bytes);
struct store *store_free(struct store *s);
/* More or less memory from now on. */
void store_set_bound(struct store *s, size_t max_bytes);

/* Takes the window. */
void store_add(struct store *s, struct window *w);

/* The windows that are not written yet, oldest first; valid until the store changes. */
size_t store_unwritten(const struct store *s, struct window *const **ret);
/* The oldest @n of these are written. */
void store_mark_written(struct store *s, size_t n);
/* The windows that ended after @since (monotonic ns), oldest first; as above. */
size_t store_since(const struct store *s, uint64_t since, struct window *const **ret);

void store_get_stats(const struct store *s, struct store_stats *ret);
