/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps, and the waits that go on when one ends. A tap without waits ends at its time; one with
 * waits is then looked after once more, when what was read and what ended meanwhile are both in.
 */
#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "name_ahead.h"
#include "pipeline.h"
#include "profile/pprof_ahead.h"
#include "profiler_object.h"
#include "receiver.h"

struct profiler_tap {
	struct profiler *profiler;
	struct receiver *receiver;
	struct name_ahead names;
	struct pprof_ahead *ahead; /* borrowed; NULL = none */
	struct selection selection;
	bool has_waits;
	bool ending;	   /* at the end, waits that went on were read; it is open until then */
	uint64_t end_time; /* when to look after it next */
	uint64_t stop;	   /* ending: when it was over */
	profiler_tap_fn done;
	void *userdata;
	struct profiler_tap *prev, *next;
};

struct profiler_tap *profiler_first_tap(const struct profiler *p, uint64_t *ret_when)
{
	struct profiler_tap *first = NULL, *tap;

	DL_FOREACH(p->taps, tap)
		if (!first || tap->end_time < first->end_time)
			first = tap;
	*ret_when = first ? first->end_time : PROFILER_NEVER;
	return first;
}

static void tap_free(struct profiler_tap *tap)
{
	DL_DELETE(tap->profiler->taps, tap);
	tap->profiler->n_taps--;
	selection_done(&tap->selection);
	free(tap);
}

static void end_tap(struct profiler_tap *tap, uint64_t end)
{
	struct profiler *p = tap->profiler;
	struct window *w = pipeline_take(p->pipeline, tap->receiver, end);
	profiler_tap_fn done = tap->done;
	void *userdata = tap->userdata;

	tap_free(tap);
	done(userdata, w);
}

struct ongoing {
	struct pipeline *pipeline;
	struct receiver *receiver;
};

static void add_ongoing(void *userdata, const void *record, size_t size)
{
	const struct ongoing *o = userdata;

	pipeline_add_ongoing(o->pipeline, o->receiver, record, size);
}

/* Gives @r the waits that go on now. What cannot be read is missing there, and nothing else. */
static int read_waits(struct profiler *p, struct receiver *r, const struct selection *s)
{
	struct ongoing o = { p->pipeline, r };

	return collector_read_waits(p->collector, s && s->n_pids == 1 ? s->pids[0] : 0, add_ongoing,
				    &o);
}

/*
 * The time of a tap with waits is over. Those that go on are read now, which is a little later;
 * those that ended meanwhile are still on their way. So it stays open until both are in.
 */
static void begin_to_end(struct profiler_tap *tap, uint64_t end)
{
	struct profiler *p = tap->profiler;

	tap->ending = true;
	tap->stop = end;
	receiver_end(tap->receiver, end);
	if (read_waits(p, tap->receiver, &tap->selection) == -ENOTSUP)
		tap->end_time = end;
	else
		tap->end_time = MAX(end, clock_monotonic_ns());
}

void profiler_tap_look_after(struct profiler_tap *tap, uint64_t now)
{
	if (tap->ending)
		end_tap(tap, tap->stop);
	else if (tap->has_waits)
		begin_to_end(tap, now);
	else
		end_tap(tap, now);
}

static int tap_new(struct profiler *p, const struct profiler_tap_options *o,
		   struct profiler_tap **ret)
{
	const uint32_t waits = 1U << ABI_KIND_BLOCK | 1U << ABI_KIND_MUTEX;
	const struct receiver_options receiver = {
		.selection = o->selection,
		.start_time = clock_monotonic_ns(),
		.kinds = o->kinds ? o->kinds : 1U << ABI_KIND_CPU,
		.wait_reasons = o->wait_reasons,
		.clip = true,
		.budget = &p->tap_budget,
	};
	struct profiler_tap *tap = calloc(1, sizeof(*tap));
	int r = tap ? selection_copy(o->selection, &tap->selection) : -ENOMEM;

	if (r == 0)
		r = pipeline_receive(p->pipeline, &receiver, &tap->receiver);
	if (r < 0) {
		if (tap)
			selection_done(&tap->selection);
		free(tap);
		return r;
	}
	tap->profiler = p;
	tap->has_waits = receiver.kinds & waits;
	tap->end_time = o->end_time;
	tap->names.end = o->end_time;
	tap->ahead = o->ahead;
	tap->done = o->done;
	tap->userdata = o->userdata;
	*ret = tap;
	return 0;
}

void profiler_name_ahead(struct profiler *p, uint64_t now)
{
	struct profiler_tap *tap;

	DL_FOREACH(p->taps, tap) {
		const struct window *w = receiver_window(tap->receiver);
		bool due = name_ahead_is_due(&tap->names, now);

		/* What was asked before is there by now. */
		if (tap->ahead && due)
			pprof_ahead_step(tap->ahead, w);
		name_ahead_step(&tap->names, w, pipeline_symbolizer(p->pipeline), now);
	}
}

int profiler_tap_open(struct profiler *p, const struct profiler_tap_options *o,
		      struct profiler_tap **ret)
{
	struct profiler_tap *tap;
	int r;

	if (p->n_taps >= PROFILER_MAX_TAPS)
		return -EBUSY;
	/* Losses so far are not this tap's. */
	profiler_count_losses(p);
	r = tap_new(p, o, &tap);
	if (r < 0)
		return r;
	DL_APPEND(p->taps, tap);
	p->n_taps++;
	*ret = tap;
	return 0;
}

/*
 * Nothing is left for later, so records that have not settled are handled too: one that is
 * overtaken by others costs less than the last milliseconds of a program that has just ended.
 */
void profiler_tap_finish(struct profiler_tap *tap, uint64_t now)
{
	struct profiler *p = tap->profiler;

	/* Not to be ended by time meanwhile. */
	tap->end_time = PROFILER_NEVER;
	profiler_drain(p, now);
	if (tap->has_waits && !tap->ending) {
		begin_to_end(tap, now);
		tap->end_time = PROFILER_NEVER;
		collector_drain(p->collector, pipeline_stream(p->pipeline));
	}
	profiler_count_losses(p);
	profiler_advance(p, clock_monotonic_ns());
	end_tap(tap, tap->ending ? tap->stop : now);
}

struct profiler_tap *profiler_tap_cancel(struct profiler_tap *tap)
{
	if (!tap)
		return NULL;
	pipeline_drop(tap->profiler->pipeline, tap->receiver);
	tap_free(tap);
	return NULL;
}

size_t profiler_taps_memory(const struct profiler *p)
{
	return p->tap_budget.used;
}

int profiler_read_waits(struct profiler *p, const struct selection *s, uint32_t reasons,
			struct window **ret)
{
	const struct receiver_options o = {
		.selection = s,
		.kinds = 1U << ABI_KIND_BLOCK,
		.wait_reasons = reasons,
		.of_all_time = true,
	};
	struct receiver *receiver;
	int r = pipeline_receive(p->pipeline, &o, &receiver);

	if (r < 0)
		return r;
	r = read_waits(p, receiver, s);
	if (r < 0) {
		pipeline_drop(p->pipeline, receiver);
		return r;
	}
	*ret = pipeline_take(p->pipeline, receiver, clock_monotonic_ns());
	return 0;
}
