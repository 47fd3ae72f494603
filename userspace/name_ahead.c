/* SPDX-License-Identifier: Apache-2.0 */
#include "name_ahead.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profile/window.h"
#include "symbolize/symbolizer.h"

#define LONGEST_NS  (10 * NS_PER_S)
#define SHORTEST_NS (100 * NS_PER_MS) /* in less a job may not be done */

/* Asks for what came after the first @first frames. Without memory for it that is done later. */
static void ask(const struct window *w, uint32_t first, struct symbolizer *symbolizer)
{
	_cleanup_free_ struct wanted_frame *wanted =
		calloc(window_frames(w) - first, sizeof(*wanted));
	size_t n = 0;

	for (uint32_t id = first + 1; wanted && id <= window_frames(w); id++) {
		wanted[n].frame = window_frame(w, id, &wanted[n].process);
		n++;
	}
	symbolizer_want(symbolizer, wanted, n);
}

/* When half of the time that is left is over. */
static uint64_t next_after(const struct name_ahead *a, uint64_t now)
{
	uint64_t left = a->end > now ? a->end - now : 0;

	return left < 2 * SHORTEST_NS ? UINT64_MAX : now + MIN(left / 2, LONGEST_NS);
}

bool name_ahead_is_due(const struct name_ahead *a, uint64_t now)
{
	return now >= a->next || a->next == UINT64_MAX;
}

void name_ahead_step(struct name_ahead *a, const struct window *w, struct symbolizer *symbolizer,
		     uint64_t now)
{
	if (now < a->next)
		return;
	if (a->next != 0) {
		ask(w, a->frames, symbolizer);
		a->frames = window_frames(w);
	}
	a->next = next_after(a, now);
}

void name_ahead_whole(const struct window *w, struct symbolizer *symbolizer)
{
	ask(w, 0, symbolizer);
}
