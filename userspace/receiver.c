/* SPDX-License-Identifier: Apache-2.0 */
#include "receiver.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "profile/sample.h"
#include "profile/selection.h"
#include "profile/wait.h"
#include "profile/window.h"
#include "wakers.h"

#define WAIT_KINDS (1U << ABI_KIND_BLOCK | 1U << ABI_KIND_MUTEX)

struct receiver {
	struct selection selection;
	uint32_t kinds;
	struct wait_filter waits; /* of kind block */
	bool clip, of_all_time;
	uint64_t end_time;	/* UINT64_MAX = open */
	struct intern *ongoing; /* struct waker_key: waits that are in it before they end */
	struct window *window;
	struct receiver_budget *budget; /* NULL = none */
	size_t memory;			/* what of it is ours */
};

static size_t memory_of(const struct receiver *r)
{
	return sizeof(*r) + window_memory(r->window) + (r->ongoing ? intern_memory(r->ongoing) : 0);
}

/* After each sample; those of the continuous window have no budget. */
static void account(struct receiver *r)
{
	size_t before = r->memory;

	if (!r->budget)
		return;
	r->memory = memory_of(r);
	r->budget->used += r->memory - before;
}

static bool has_room(const struct receiver *r)
{
	const struct receiver_budget *b = r->budget;

	return !b || !b->max || b->used < b->max || r->memory < b->each;
}

struct receiver *receiver_free(struct receiver *r)
{
	if (!r)
		return NULL;
	if (r->budget)
		r->budget->used -= r->memory;
	selection_done(&r->selection);
	intern_free(r->ongoing);
	window_free(r->window);
	free(r);
	return NULL;
}

struct receiver *receiver_new(const struct receiver_options *o)
{
	struct receiver *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->kinds = o->kinds ? o->kinds : UINT32_MAX;
	r->waits.reasons = o->wait_reasons ? o->wait_reasons : UINT32_MAX;
	r->waits.locks = UINT32_MAX;
	r->clip = o->clip;
	r->of_all_time = o->of_all_time;
	r->end_time = UINT64_MAX;
	if (selection_copy(o->selection, &r->selection) == 0)
		r->window = window_new(o->start_time);
	if (!r->window)
		return receiver_free(r);
	r->budget = o->budget;
	account(r);
	return r;
}

void receiver_end(struct receiver *r, uint64_t end_time)
{
	r->end_time = end_time;
}

/*
 * When a wait was over. The sample comes when the thread runs again, which may be later; of a wait
 * that was not rescaled (of one, count is one) the length is known.
 */
static uint64_t wait_end(const struct sample *s)
{
	if (s->kind == ABI_KIND_BLOCK && s->count == ABI_COUNT_ONE)
		return MIN(s->time, s->since + (uint64_t)s->value);
	return s->time;
}

/* A wait that was already counted when it had not ended. */
static bool was_ongoing(const struct receiver *r, const struct sample *s)
{
	const struct waker_key key = { .since = s->since, .tid = s->tid };

	return s->kind == ABI_KIND_BLOCK && r->ongoing &&
	       intern_find(r->ongoing, &key, sizeof(key)) != 0;
}

bool receiver_wants(const struct receiver *r, const struct sample *s, struct sample *ret)
{
	bool is_wait = 1U << s->kind & WAIT_KINDS;
	uint64_t start = window_start(r->window);

	if (!(r->kinds & 1U << s->kind) || s->time < start ||
	    !selection_matches(&r->selection, s->process))
		return false;
	if (s->kind == ABI_KIND_BLOCK && !wait_filter_may_pass(&r->waits, s->wait))
		return false;
	if (s->time > r->end_time && (!is_wait || s->since >= r->end_time || was_ongoing(r, s)))
		return false;
	*ret = *s;
	if (r->of_all_time)
		ret->tid = 0;
	if (!is_wait || !r->clip)
		return true;
	ret->value = wait_clip(s->value, s->since, wait_end(s), start, r->end_time);
	return ret->value > 0;
}

/* Remembers it, so that it is not added again when it ends. */
static bool is_first_time(struct receiver *r, const struct sample *s)
{
	const struct waker_key key = { .since = s->since, .tid = s->tid };

	if (!r->ongoing)
		r->ongoing = intern_new();
	return r->ongoing && intern_find(r->ongoing, &key, sizeof(key)) == 0 &&
	       intern_bytes(r->ongoing, &key, sizeof(key)) != 0;
}

bool receiver_wants_ongoing(struct receiver *r, const struct sample *s, struct sample *ret)
{
	struct sample part;

	/* Chance decides again at its end, so it might be taken back. */
	if (r->of_all_time && s->count != ABI_COUNT_ONE)
		return false;
	/* What goes on at a later time went on at the end, too. */
	if (s->since >= r->end_time || !receiver_wants(r, s, &part) || !is_first_time(r, s))
		return false;
	*ret = part;
	return true;
}

int receiver_add(struct receiver *r, const struct sample *part, bool from_slice)
{
	struct quality *q = window_quality(r->window, part->kind);
	int error = has_room(r) ? window_add(r->window, part) : -ENOSPC;

	account(r);
	if (error < 0) {
		q->samples_attempted++;
		q->samples_lost++;
	} else {
		q->user_stacks_from_slices += from_slice;
	}
	return error;
}

struct window *receiver_window(const struct receiver *r)
{
	return r->window;
}

struct window *receiver_take(struct receiver *r, uint64_t end_time)
{
	struct window *w = TAKE_PTR(r->window);

	receiver_free(r);
	window_close(w, MAX(end_time, window_start(w)));
	return w;
}
