/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recent past in memory: closed windows, oldest first. It owns them. Of one that is written to
 * a file, or need not be, only who used how much CPU is kept, without stacks; it goes when it is
 * old or memory is over the bound. One that is still to be written goes only when there is no other
 * way (a disk that stays full), and that is counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window;
struct store;

#define STORE_MAX_WINDOWS 512
#define STORE_MAX_WRITTEN 60 /* ten minutes of windows of 10 s */

struct store_stats {
	uint64_t windows, bytes; /* there now */
	uint64_t dropped_unwritten;
};

struct store *store_new(size_t max_bytes);
struct store *store_free(struct store *s);

/* Takes the window. */
void store_add(struct store *s, struct window *w);
/* What is to be written takes so much that it should be written now. */
bool store_is_pressed(const struct store *s);
/* Brings it within @max_bytes, now and from now on. */
void store_trim(struct store *s, size_t max_bytes);

/* The windows that are not written yet, oldest first; valid until the store changes. */
size_t store_unwritten(const struct store *s, struct window *const **ret);
/* The oldest @n of these are written; the windows are others from then on. */
void store_mark_written(struct store *s, size_t n);
/* The windows that ended after @since (monotonic ns), oldest first; as above. */
size_t store_since(const struct store *s, uint64_t since, struct window *const **ret);

void store_get_stats(const struct store *s, struct store_stats *ret);
