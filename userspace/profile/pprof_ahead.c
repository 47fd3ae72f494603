/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/pprof_ahead.h"

#include <stdlib.h>

#include "process/executable.h"
#include "profile/sample.h"
#include "profile/window.h"
#include "symbolize/symbolizer.h"

struct pprof_ahead *pprof_ahead_new(struct symbolizer *symbolizer)
{
	struct pprof_ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	if (pprof_tables_init(&a->tables) < 0 ||
	    pprof_frames_init(&a->frames, &a->tables, symbolizer) < 0)
		return pprof_ahead_free(a);
	return a;
}

struct pprof_ahead *pprof_ahead_free(struct pprof_ahead *a)
{
	if (!a)
		return NULL;
	pprof_frames_done(&a->frames);
	pprof_tables_done(&a->tables);
	free(a->done);
	free(a);
	return NULL;
}

/* Without memory the rest is done at the end. */
void pprof_ahead_step(struct pprof_ahead *a, const struct window *w)
{
	for (uint32_t i = 0; i < window_frames(w); i++) {
		struct frame_location location;
		struct process *process;
		struct frame frame;
		uint32_t number;

		if (pprof_reserve(&a->done, &a->done_allocated, i, sizeof(*a->done)) < 0)
			return;
		if (a->done[i])
			continue;
		frame = window_frame(w, i + 1, &process);
		/* What could not be read can still turn out to be another. */
		if (frame.kind == FRAME_FILE && !frame.executable->readable)
			continue;
		if (!symbolizer_knows(a->frames.symbolizer, &frame))
			continue;
		number = pprof_frames_number(&a->frames, &frame, process);
		if (number == 0 || pprof_frames_get(&a->frames, number, &location) < 0)
			return;
		a->done[i] = true;
	}
}
