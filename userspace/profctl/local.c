/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/local.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/process.h"
#include "profctl/child.h"
#include "profctl/tree.h"
#include "profile/pprof.h"
#include "profile/window.h"
#include "profiler.h"

/* How long a collection is put off for unwinding tables. */
#define TABLES_NS (3 * NS_PER_S)
/* How long after the end of a collection its last records may still be on their way. */
#define LAST_RECORDS_NS (2 * STREAM_SETTLE_NS)
#define TREE_UPDATE_NS	NS_PER_S

struct local {
	struct profiler *profiler;
};

/*
 * Until the unwinding tables of all that runs are there, stacks would come as memory and the first
 * ones could not wait long enough on a slow machine.
 */
static void wait_for_tables(struct local *l)
{
	uint64_t now = clock_monotonic_ns(), give_up = now + TABLES_NS;
	for (; now < give_up; now = clock_monotonic_ns()) {
		struct pollfd p = { profiler_fd(l->profiler), POLLIN, 0 };

		if (unwinding_loaded_at(profiler_unwinding(l->profiler)) ||
		    profiler_drain(l->profiler, now) < 0)
			return;
		poll(&p, 1, (int)(PROFILER_DRAIN_NS / NS_PER_MS));
	}
}

int local_new(const struct local_options *options, struct local **ret, struct error *e)
{
	/* What others will start meanwhile is not waited for: preloading all takes minutes. */
	const struct profiler_options o = {
		.collector = {
			.sample_frequency = options->frequency,
			.without_waits = !wanted_has_waits(options->wanted),
			.without_wakers = !options->wanted->wakers,
		},
		.symbolizer.line_patience_ns = options->line_patience,
		.unwinding = {
			.cache = geteuid() == 0 ? UNWINDING_DEFAULT_CACHE : NULL,
			.preload = PRELOAD_RUNNING,
		},
	};
	struct local *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return error_set(e, ENOMEM, "out of memory");
	r = profiler_new(&o, &l->profiler, e);
	if (r < 0) {
		free(l);
		return r;
	}
	wait_for_tables(l);
	*ret = l;
	return 0;
}

struct local *local_free(struct local *l)
{
	if (!l)
		return NULL;
	profiler_free(l->profiler);
	free(l);
	return NULL;
}

/* One collection on its way. */
struct collection {
	struct local *local;
	const struct local_request *request;
	struct profiler_tap *tap; /* NULL once it is over */
	struct window *window;
	struct tree *tree; /* NULL without a program */
	uint64_t end;	   /* UINT64_MAX = open */
	uint64_t finish;   /* when to end the tap early; 0 = not */
	uint64_t next_update;
};

static void take_window(void *userdata, struct window *w)
{
	struct collection *c = userdata;

	c->window = w;
	c->tap = NULL;
}

static int collection_begin(struct collection *c, struct error *e)
{
	struct profiler *profiler = c->local->profiler;
	const struct local_request *r = c->request;
	struct profiler_tap_options tap = {
		.selection = r->child ? NULL : r->selection,
		.done = take_window,
		.userdata = c,
	};
	uint64_t now;
	int result;

	/* What waits now belongs to the time before, and tells which processes there are. */
	result = profiler_drain(profiler, clock_monotonic_ns());
	if (result < 0)
		return error_set(e, -result, "cannot read the samples: %s", strerror(-result));
	if (r->child) {
		c->tree = tree_new((uint32_t)r->child->pid);
		if (!c->tree)
			return error_set(e, ENOMEM, "out of memory");
	} else if (!profiler_count_matches(profiler, r->selection)) {
		return error_set(e, ESRCH, "no process matches the selection");
	}
	now = clock_monotonic_ns();
	c->end = r->duration ? now + r->duration : UINT64_MAX;
	tap.end_time = c->end;
	for (size_t i = 0; i < r->wanted->n; i++)
		tap.kinds |= 1U << r->wanted->kinds[i];
	tap.wait_reasons = wanted_filter(r->wanted, ABI_KIND_BLOCK).reasons;
	result = profiler_tap_open(profiler, &tap, &c->tap);
	if (result < 0)
		return error_set(e, -result, "cannot collect: %s", strerror(-result));
	return r->child ? child_release(r->child, e) : 0;
}

/* Waits for samples and for what is watched, at most until the next thing is due. */
static void wait_for_something(const struct collection *c)
{
	const struct watch *watch = c->request->watch;
	struct pollfd fds[WATCH_MAX_FDS + 1];
	uint64_t now = clock_monotonic_ns();
	uint64_t due = now + MIN(PROFILER_DRAIN_NS, WATCH_TICK_NS);

	if (c->finish)
		due = MIN(due, c->finish);
	else if (c->end != UINT64_MAX)
		due = MIN(due, c->end + LAST_RECORDS_NS);
	memcpy(fds, watch->fds, watch->n_fds * sizeof(*fds));
	fds[watch->n_fds] = (struct pollfd){ profiler_fd(c->local->profiler), POLLIN, 0 };
	poll(fds, watch->n_fds + 1, due > now ? (int)((due - now + NS_PER_MS - 1) / NS_PER_MS) : 0);
	memcpy(watch->fds, fds, watch->n_fds * sizeof(*fds));
}

static int update_tree(struct collection *c, uint64_t now)
{
	if (!c->tree || (c->tap && now < c->next_update))
		return 0;
	c->next_update = now + TREE_UPDATE_NS;
	return tree_update(c->tree, profiler_processes(c->local->profiler));
}

static int collection_step(struct collection *c, struct error *e)
{
	const struct watch *watch = c->request->watch;
	uint64_t now = clock_monotonic_ns();
	int r;

	r = profiler_drain(c->local->profiler, now);
	if (r >= 0)
		r = update_tree(c, now);
	if (r < 0)
		return error_set(e, -r, "cannot collect: %s", strerror(-r));
	if (c->tap && c->finish && now >= c->finish)
		profiler_tap_finish(c->tap, now);
	if (!c->tap)
		return 0;
	switch (watch->look(watch->userdata)) {
	case WATCH_ABORT:
		return error_set(e, ECANCELED, "interrupted");
	case WATCH_FINISH:
		if (!c->finish)
			c->finish = now + LAST_RECORDS_NS;
		break;
	case WATCH_GO_ON:
		break;
	}
	return 0;
}

/* Leaves in the window only what is of the program and its descendants. */
static int keep_tree(struct collection *c, struct error *e)
{
	struct window *filtered;
	int r;

	r = update_tree(c, clock_monotonic_ns());
	if (r == 0)
		r = tree_filter(c->tree, c->window, &filtered);
	if (r < 0)
		return error_set(e, -r, "cannot pick the program's samples: %s", strerror(-r));
	window_free(c->window);
	c->window = filtered;
	return 0;
}

int local_collect(struct local *l, const struct local_request *request, struct window **ret,
		  struct error *e)
{
	struct collection c = { .local = l, .request = request };
	int r;

	r = collection_begin(&c, e);
	while (r == 0 && c.tap) {
		wait_for_something(&c);
		r = collection_step(&c, e);
	}
	if (r == 0 && !c.window)
		r = error_set(e, ENOMEM, "out of memory");
	if (r == 0 && c.tree)
		r = keep_tree(&c, e);
	profiler_tap_cancel(c.tap);
	tree_free(c.tree);
	if (r < 0) {
		window_free(c.window);
		return r;
	}
	*ret = c.window;
	return 0;
}

int local_encode(struct local *l, struct window *w, const struct wanted *wanted, uint8_t kind,
		 struct recorded *ret, struct error *e)
{
	const struct pprof_options o = {
		.kind = kind,
		.filter = wanted_filter(wanted, kind),
		.wakers = wanted_wakers(wanted, kind),
		.period = profiler_period(l->profiler),
		.time = (int64_t)window_start(w) + profiler_wall_offset(l->profiler),
		.duration = (int64_t)(window_end(w) - window_start(w)),
	};
	int r;

	r = pprof_encode(&w, 1, &o, profiler_symbolizer(l->profiler), &ret->data, &ret->size, NULL);
	symbolizer_trim(profiler_symbolizer(l->profiler));
	if (r < 0)
		return error_set(e, -r, "cannot write the profile: %s", strerror(-r));
	return 0;
}
