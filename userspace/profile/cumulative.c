/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/cumulative.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "process/process_object.h"
#include "profile/cumulative_merge.h"
#include "profile/window.h"

#define OTHERS "[others]"

/* Memory of an entry besides its stacks: key, value, and its places in the tables. */
#define ENTRY_BYTES 128
/* Of a frame besides its ids in stacks, which is there once for all of them. */
#define FRAME_BYTES 48
/*
 * What folding leaves, of the budget: room to grow until the next time. Processes that live may
 * have more of it, as their waits come again, and then begin at 0.
 */
#define KEEP_PART	 3
#define KEEP_LIVING_PART 2
/* What is added at least, of the budget, before anything is looked for that can go. */
#define STEP_PART 8

struct cumulative {
	struct cumulative_options options;
	struct window *window;
	size_t limit; /* bytes: when to look next for what can go */
	struct process *names[CUMULATIVE_MAX_NAMES + 1];
	size_t n_names;
	uint64_t folded, merged;
};

struct cumulative *cumulative_new(const struct cumulative_options *o)
{
	struct cumulative *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->options = *o;
	c->limit = o->has_ended ? o->budget / STEP_PART : o->budget;
	c->window = window_new(o->start_time);
	return c->window ? c : cumulative_free(c);
}

struct cumulative *cumulative_free(struct cumulative *c)
{
	if (!c)
		return NULL;
	window_free(c->window);
	for (size_t i = 0; i < c->n_names; i++)
		process_unref(c->names[i]);
	free(c);
	return NULL;
}

/* An entry of the window, in the order of window_each(). */
struct candidate {
	size_t index;
	uint64_t exit_time; /* UINT64_MAX = it lives, or it is folded already */
	int64_t value;
	bool folded;
};

struct folding {
	struct cumulative *cumulative;
	struct candidate *list;
	bool *keep;   /* by index */
	bool *frames; /* by id, of the window that is folded: those of entries that are kept */
	size_t n, allocated;
	uint64_t folded;
	struct window *window; /* the new one */
};

static void folding_done(struct folding *f)
{
	free(f->list);
	free(f->keep);
	free(f->frames);
	window_free(f->window);
}

/*
 * Only the newest process of a life tells when it ended. What it was before an exec, and could not
 * be merged, goes before the others that have ended.
 */
static uint64_t exit_time_of(const struct cumulative_options *o, const struct process *p)
{
	if (p->exit_time)
		return p->exit_time;
	return p->tgid && o->has_ended && o->has_ended(o->userdata, p) ? 1 : UINT64_MAX;
}

static int add_candidate(const struct window_entry *e, void *userdata)
{
	struct folding *f = userdata;

	if (f->n == f->allocated) {
		size_t n = f->allocated ? f->allocated * 2 : 1024;
		struct candidate *list = reallocarray(f->list, n, sizeof(*list));

		if (!list)
			return -ENOMEM;
		f->list = list;
		f->allocated = n;
	}
	f->list[f->n] = (struct candidate){
		.index = f->n,
		.exit_time = exit_time_of(&f->cumulative->options, e->process),
		.value = e->value,
		.folded = e->folded,
	};
	f->n++;
	return 0;
}

/* What is to be kept comes first. */
static int by_worth(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->folded != y->folded)
		return x->folded ? -1 : 1;
	if (x->exit_time != y->exit_time)
		return x->exit_time > y->exit_time ? -1 : 1;
	if (x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

/* A stack, and of its frames those that no entry has which is kept already. */
static size_t stack_bytes(struct folding *f, const uint32_t *ids, size_t n)
{
	size_t bytes = n * sizeof(*ids);

	for (size_t i = 0; i < n; i++) {
		bytes += f->frames[ids[i]] ? 0 : FRAME_BYTES;
		f->frames[ids[i]] = true;
	}
	return bytes;
}

static size_t entry_bytes(struct folding *f, size_t index)
{
	const struct window_entry e = window_get(f->cumulative->window, (uint32_t)index);

	return ENTRY_BYTES + stack_bytes(f, e.frames, e.n_frames) +
	       stack_bytes(f, e.waker_frames, e.n_waker_frames);
}

static int choose(struct folding *f)
{
	const size_t budget = f->cumulative->options.budget;
	size_t kept = 0;

	f->keep = calloc(MAX(f->n, (size_t)1), sizeof(*f->keep));
	f->frames = calloc(window_frames(f->cumulative->window) + 1, sizeof(*f->frames));
	if (!f->keep || !f->frames)
		return -ENOMEM;
	if (f->n)
		qsort(f->list, f->n, sizeof(*f->list), by_worth);
	for (size_t i = 0; i < f->n; i++) {
		const struct candidate *c = &f->list[i];
		bool lives = c->exit_time == UINT64_MAX;

		kept += entry_bytes(f, c->index);
		if (!c->folded && kept > budget / (lives ? KEEP_LIVING_PART : KEEP_PART))
			break;
		f->keep[c->index] = true;
	}
	return 0;
}

/* Who stands for all ended processes of this name. NULL when out of memory. */
static struct process *process_of_name(struct cumulative *c, const char *comm)
{
	struct process *p;

	for (size_t i = 0; i < c->n_names; i++)
		if (strcmp(c->names[i]->comm, comm) == 0)
			return c->names[i];
	if (c->n_names == CUMULATIVE_MAX_NAMES)
		comm = OTHERS;
	else if (c->n_names > CUMULATIVE_MAX_NAMES)
		return c->names[CUMULATIVE_MAX_NAMES];
	p = process_new(0, comm);
	if (p)
		c->names[c->n_names++] = p;
	return p;
}

static int copy_entry(const struct window_entry *e, void *userdata)
{
	struct folding *f = userdata;
	struct window_entry folded = {
		.kind = e->kind,
		.user_end = ABI_STACK_none,
		.folded = true,
		.wait = { e->wait.reason, e->wait.lock, .system_call = -1 },
		.samples = e->samples,
		.count = e->count,
		.value = e->value,
	};

	if (f->keep[f->n++])
		return window_add_entry(f->window, e);
	folded.process = process_of_name(f->cumulative, e->process->comm);
	if (!folded.process)
		return -ENOMEM;
	f->folded++;
	return window_add_entry(f->window, &folded);
}

DEFINE_CLEANUP(struct folding *, folding_done);

/* By a window with the same waits. What became of the stacks does not change by giving them up. */
static void replace(struct cumulative *c, struct window *w)
{
	for (unsigned int kind = 0; kind < WINDOW_KINDS; kind++)
		*window_quality(w, kind) = *window_quality(c->window, kind);
	window_free(c->window);
	c->window = w;
}

static int fold(struct cumulative *c)
{
	struct folding folding = { .cumulative = c };
	_cleanup_(folding_donep)
	struct folding *f = &folding;
	int r = window_each(c->window, add_candidate, f);

	if (r == 0)
		r = choose(f);
	if (r < 0)
		return r;
	f->window = window_new(window_start(c->window));
	if (!f->window)
		return -ENOMEM;
	f->n = 0;
	r = window_each(c->window, copy_entry, f);
	if (r < 0)
		return r;
	replace(c, TAKE_PTR(f->window));
	c->folded += f->folded;
	return 0;
}

static int merge(struct cumulative *c, uint64_t now)
{
	const struct cumulative_merge_options o = { c->options.has_ended, c->options.userdata,
						    now };
	struct window *merged;
	uint64_t fewer;
	int r = cumulative_merge(c->window, &o, &merged, &fewer);

	if (r < 0)
		return r;
	c->merged += fewer;
	replace(c, merged);
	return 0;
}

static bool is_nearly_full(const struct cumulative *c)
{
	return window_memory(c->window) > c->options.budget - c->options.budget / STEP_PART;
}

/*
 * Ended processes are merged each time that the window has doubled, which keeps it as small as they
 * allow. If that is too much, those too that ended just now: a pid is less than a stack. What is
 * over the budget after that is folded. Without memory for it nothing is lost: it is tried again.
 */
static void make_smaller(struct cumulative *c, uint64_t now)
{
	size_t budget = c->options.budget, memory;
	int r = c->options.has_ended ? merge(c, now) : 0;

	if (r == 0 && c->options.has_ended && is_nearly_full(c))
		r = merge(c, UINT64_MAX);
	if (r == 0 && is_nearly_full(c))
		r = fold(c);
	/* What could not become smaller is not tried with every sample. */
	memory = window_memory(c->window);
	c->limit = MAX(MIN(2 * memory, budget), memory + budget / STEP_PART);
}

int cumulative_add(struct cumulative *c, const struct sample *s)
{
	struct sample one = *s;
	int r;

	one.tid = 0;
	r = window_add(c->window, &one);
	if (r == 0 && window_memory(c->window) > c->limit)
		make_smaller(c, s->time);
	return r;
}

struct window *cumulative_window(struct cumulative *c)
{
	return c->window;
}

size_t cumulative_memory(const struct cumulative *c)
{
	return window_memory(c->window);
}

uint64_t cumulative_folded(const struct cumulative *c)
{
	return c->folded;
}

uint64_t cumulative_merged(const struct cumulative *c)
{
	return c->merged;
}
