/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for the names of a window's frames while it is still open, so that little is left to do when
 * it is encoded. To ask costs a job for each executable with something new, however little that is;
 * so it is done ever more often towards the end, and not all the time.
 */
#pragma once

#include <stdint.h>

struct name_ahead;
struct symbolizer;
struct window;

/* For a window that ends at @end (UINT64_MAX = not known). NULL when out of memory. */
struct name_ahead *name_ahead_new(uint64_t end);
/* Before its window. Returns NULL; accepts NULL. */
struct name_ahead *name_ahead_free(struct name_ahead *a);

/* Asks for what has come to @w since the last time, if that is due. To be called often. */
void name_ahead_step(struct name_ahead *a, const struct window *w, struct symbolizer *symbolizer,
		     uint64_t now);

/* Asks for all names of a window that is closed. */
void name_ahead_whole(const struct window *w, struct symbolizer *symbolizer);
