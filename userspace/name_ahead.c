/* SPDX-License-Identifier: Apache-2.0 */
#include "name_ahead.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/intern.h"
#include "profile/window.h"
#include "symbolize/symbolizer.h"

#define FIRST_FRAMES 1024
#define LONGEST_NS   (10 * NS_PER_S)
#define SHORTEST_NS  (100 * NS_PER_MS) /* in less a job may not be done */

struct name_ahead {
	uint64_t end, next;   /* monotonic ns */
	uint32_t entries;     /* of the window, that were looked at */
	struct intern *asked; /* struct asked_frame */
	struct wanted_frame *wanted;
	size_t n, allocated;
};

struct asked_frame {
	uint64_t of; /* whose address it is: an executable's, a process's */
	uint64_t address;
};

struct name_ahead *name_ahead_new(uint64_t end)
{
	struct name_ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->end = end;
	a->asked = intern_new();
	return a->asked ? a : name_ahead_free(a);
}

struct name_ahead *name_ahead_free(struct name_ahead *a)
{
	if (!a)
		return NULL;
	intern_free(a->asked);
	free(a->wanted);
	free(a);
	return NULL;
}

DEFINE_CLEANUP(struct name_ahead *, name_ahead_free);

static int want(struct name_ahead *a, const struct frame *frame, struct process *process)
{
	const struct asked_frame key = {
		.of = frame->kind == FRAME_ADDRESS ? (uintptr_t)process
						   : (uintptr_t)frame->executable,
		.address = frame->address,
	};
	uint32_t count = intern_count(a->asked);

	if (intern_bytes(a->asked, &key, sizeof(key)) <= count)
		return 0;
	if (a->n == a->allocated) {
		size_t allocated = a->allocated ? a->allocated * 2 : FIRST_FRAMES;
		struct wanted_frame *bigger = reallocarray(a->wanted, allocated, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		a->wanted = bigger;
		a->allocated = allocated;
	}
	a->wanted[a->n++] = (struct wanted_frame){ *frame, process };
	return 0;
}

static int want_entry(const struct window_entry *e, void *userdata)
{
	struct name_ahead *a = userdata;
	int r = 0;

	for (size_t i = 0; i < e->n_frames && r == 0; i++)
		r = want(a, &e->frames[i], e->process);
	for (size_t i = 0; i < e->n_waker_frames && r == 0; i++)
		r = want(a, &e->waker_frames[i], e->waker);
	return r;
}

/* Without memory it asks for less; the rest is asked for when the window is encoded. */
static void ask(struct name_ahead *a, const struct window *w, struct symbolizer *symbolizer)
{
	a->entries += window_each_from(w, a->entries, want_entry, a);
	symbolizer_want(symbolizer, a->wanted, a->n);
	free(a->wanted);
	a->wanted = NULL;
	a->n = a->allocated = 0;
}

/* When half of the time that is left is over. */
static uint64_t next_after(const struct name_ahead *a, uint64_t now)
{
	uint64_t left = a->end > now ? a->end - now : 0;

	return left < 2 * SHORTEST_NS ? UINT64_MAX : now + MIN(left / 2, LONGEST_NS);
}

void name_ahead_step(struct name_ahead *a, const struct window *w, struct symbolizer *symbolizer,
		     uint64_t now)
{
	if (now < a->next)
		return;
	if (a->next != 0)
		ask(a, w, symbolizer);
	a->next = next_after(a, now);
}

void name_ahead_whole(const struct window *w, struct symbolizer *symbolizer)
{
	_cleanup_(name_ahead_freep)
	struct name_ahead *a = name_ahead_new(0);

	if (a)
		ask(a, w, symbolizer);
}
