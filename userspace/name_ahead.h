/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for the names of a window's frames while it is still open, so that little is left to do when
 * it is encoded. To ask costs a job for each executable with something new, however little that is;
 * so it is done ever more often towards the end, and not all the time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct symbolizer;
struct window;

/* Of one window; begins as zero but for @end. */
struct name_ahead {
	uint64_t end;	 /* when the window ends, monotonic ns; UINT64_MAX = not known */
	uint64_t next;	 /* when it is due */
	uint32_t frames; /* of the window, that were asked for */
};

/* Whether it is time for a step; also shortly before the end, when there is nothing more to ask. */
bool name_ahead_is_due(const struct name_ahead *a, uint64_t now);
/* Asks for what has come to @w since the last time, if that is due. To be called often. */
void name_ahead_step(struct name_ahead *a, const struct window *w, struct symbolizer *symbolizer,
		     uint64_t now);

/* Asks for all names of a window that is closed. */
void name_ahead_whole(const struct window *w, struct symbolizer *symbolizer);
