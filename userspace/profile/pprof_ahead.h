/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a profile can be made while its window is still open: the locations of frames whose names
 * are known. Only what is not known by then, and the samples, is left for its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/pprof_frames.h"
#include "profile/pprof_tables.h"

struct symbolizer;
struct window;

struct pprof_ahead {
	struct pprof_tables tables;
	struct pprof_frames frames;
	bool *done; /* of the window's frame id - 1 */
	size_t done_allocated;
};

/* NULL when out of memory. */
struct pprof_ahead *pprof_ahead_new(struct symbolizer *symbolizer);
/* Not after its window. Returns NULL; accepts NULL. */
struct pprof_ahead *pprof_ahead_free(struct pprof_ahead *a);

/* Takes in what is known by now; always of the same window. */
void pprof_ahead_step(struct pprof_ahead *a, const struct window *w);
