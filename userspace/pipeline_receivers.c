/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From samples to windows: waits are joined with those who ended them, and what is complete goes to
 * all receivers that want it and into the cumulative window. What is lost goes the same way, into
 * the quality records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "jit_watch.h"
#include "pipeline_object.h"
#include "profile/cumulative.h"
#include "profile/window.h"
#include "wakers.h"

#define WAIT_KINDS (1U << ABI_KIND_BLOCK | 1U << ABI_KIND_MUTEX)

static void lose(struct window *w, unsigned int kind, uint64_t samples, uint64_t sideband)
{
	struct quality *q = window_quality(w, kind);

	q->samples_attempted += samples;
	q->samples_lost += samples;
	q->sideband_lost += sideband;
}

void pipeline_lose(struct pipeline *p, uint64_t samples, uint64_t sideband)
{
	for (unsigned int kind = 0; kind < WINDOW_KINDS; kind++) {
		for (size_t i = 0; i < p->n_receivers; i++)
			lose(receiver_window(p->receivers[i]), kind, samples, sideband);
		if (p->cumulative)
			lose(cumulative_window(p->cumulative), kind, samples, sideband);
	}
}

void pipeline_count_losses(struct pipeline *p, uint64_t samples)
{
	struct stream_stats now;
	uint64_t sideband;

	stream_get_stats(p->stream, &now);
	samples += now.records_bad - p->counted.records_bad;
	samples += now.dropped_memory - p->counted.dropped_memory;
	sideband = now.sideband_bad - p->counted.sideband_bad;
	p->counted = now;
	if (samples || sideband)
		pipeline_lose(p, samples, sideband);
}

static void add_to(struct pipeline *p, struct receiver *r, const struct sample *part,
		   bool from_slice)
{
	if (receiver_add(r, part, from_slice) < 0)
		p->stats.samples_dropped_memory++;
}

static void accumulate(struct pipeline *p, const struct sample *s, bool from_slice)
{
	struct window *w;
	int r = 0;

	if (!p->cumulative)
		return;
	if (1U << s->kind & WAIT_KINDS)
		r = cumulative_add(p->cumulative, s);
	w = cumulative_window(p->cumulative); /* another one, if it was folded */
	window_quality(w, s->kind)->user_stacks_from_slices += from_slice;
	if (r < 0) {
		p->stats.samples_dropped_memory++;
		lose(w, s->kind, 1, 0);
	}
}

static void distribute(struct pipeline *p, const struct sample *s, bool from_slice)
{
	struct sample part;

	for (size_t i = 0; i < p->n_receivers; i++)
		if (receiver_wants(p->receivers[i], s, &part))
			add_to(p, p->receivers[i], &part, from_slice);
	accumulate(p, s, from_slice);
}

/* A waker waits for the wait that it has ended; that comes later in the stream. */
static void hold_waker(struct pipeline *p, const struct abi_sample *a, const struct sample *s)
{
	const struct waker_key key = { .since = a->wait.since, .tid = a->wait.waiter_tid };

	if (wakers_put(p->wakers, &key, s) < 0)
		p->stats.wakers_dropped_memory++;
}

void pipeline_deliver(struct pipeline *p, const struct abi_sample *a, struct sample *s,
		      bool from_slice)
{
	const struct waker_key key = { .since = s->since, .tid = s->tid };
	struct waker *waker = NULL;

	p->stream_time = MAX(p->stream_time, s->time);
	if (s->kind == ABI_KIND_WAKER) {
		hold_waker(p, a, s);
		return;
	}
	if (s->kind == ABI_KIND_BLOCK)
		waker = wakers_take(p->wakers, &key);
	if (waker) {
		p->stats.waits_woken++;
		s->waker = waker->process;
		s->n_waker_frames = waker->n_frames;
		s->waker_frames = waker->frames;
	} else if (s->kind == ABI_KIND_BLOCK) {
		p->stats.waits_without_waker++;
	}
	distribute(p, s, from_slice);
	waker_free(waker);
}

int pipeline_receive(struct pipeline *p, const struct receiver_options *o, struct receiver **ret)
{
	struct receiver **all, *r;

	all = reallocarray(p->receivers, p->n_receivers + 1, sizeof(struct receiver *));
	if (!all)
		return -ENOMEM;
	p->receivers = all;
	r = receiver_new(o);
	if (!r)
		return -ENOMEM;
	p->receivers[p->n_receivers++] = r;
	*ret = r;
	return 0;
}

void pipeline_add_ongoing(struct pipeline *p, struct receiver *r, const void *record, size_t size)
{
	const struct abi_slice *slice;
	const struct abi_sample *a = stream_check_sample(record, size, &slice);
	struct frame frames[SAMPLE_MAX_FRAMES];
	struct sample s, part;

	if (!a || a->kind != ABI_KIND_BLOCK)
		return;
	s = pipeline_sample_of(p, a);
	if (!s.process || !receiver_wants_ongoing(r, &s, &part))
		return;
	pipeline_resolve_frames(p, a, &part, frames);
	if (slice)
		pipeline_unwind_slice(p, a, slice, true, &part, frames);
	p->stats.waits_ongoing++;
	add_to(p, r, &part, slice != NULL);
}

/* It is the caller's now. */
static void detach(struct pipeline *p, const struct receiver *r)
{
	size_t i = 0;

	while (p->receivers[i] != r)
		i++;
	p->n_receivers--;
	memmove(p->receivers + i, p->receivers + i + 1,
		(p->n_receivers - i) * sizeof(struct receiver *));
}

struct window *pipeline_take(struct pipeline *p, struct receiver *r, uint64_t end_time)
{
	struct window *w;

	detach(p, r);
	w = receiver_take(r, end_time);
	jit_watch_refresh(p->jit);
	return w;
}

void pipeline_drop(struct pipeline *p, struct receiver *r)
{
	if (!r)
		return;
	detach(p, r);
	receiver_free(r);
}
