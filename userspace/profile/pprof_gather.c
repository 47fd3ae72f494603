/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/pprof_encoder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "process/process.h"
#include "profile/pprof_ahead.h"
#include "profile/saturate.h"
#include "profile/window.h"
#include "symbolize/symbolizer.h"

int encoder_init(struct encoder *e, const struct pprof_options *o, struct symbolizer *symbolizer)
{
	*e = (struct encoder){
		.options = o,
		.filter = o->filter.reasons ? o->filter : wait_filter_default(o->kind),
		.owners = intern_new(),
		.samples = intern_new(),
	};
	if (!e->owners || !e->samples)
		return -ENOMEM;
	if (o->ahead) {
		e->tables = o->ahead->tables;
		e->frames = o->ahead->frames;
		e->frames.tables = &e->tables;
		o->ahead->tables = (struct pprof_tables){};
		o->ahead->frames = (struct pprof_frames){};
		return 0;
	}
	if (pprof_tables_init(&e->tables) < 0)
		return -ENOMEM;
	return pprof_frames_init(&e->frames, &e->tables, symbolizer);
}

void encoder_done(struct encoder *e)
{
	pprof_tables_done(&e->tables);
	pprof_frames_done(&e->frames);
	intern_free(e->owners);
	intern_free(e->samples);
	free(e->values);
	free(e->all_numbers);
}

static int vote_program(struct encoder *e, const struct window_entry *entry)
{
	struct program *p = &e->program;
	const struct process *process = entry->process;
	uint32_t path;

	if (!process->executable || !process->executable[0])
		return 0;
	path = pprof_tables_string(&e->tables, process->executable);
	if (!path)
		return -ENOMEM;
	if (!p->any) {
		*p = (struct program){
			.any = true,
			.tgid = process->tgid,
			.start_boottime = process->start_boottime,
			.first_path = path,
			.path = path,
		};
	}
	p->other_process |=
		process->tgid != p->tgid || process->start_boottime != p->start_boottime;
	p->other_path |= path != p->first_path;
	if (path == p->path) {
		p->votes = saturating_add(p->votes, entry->count);
	} else if (p->votes < entry->count) {
		p->path = path;
		p->votes = entry->count - p->votes;
	} else {
		p->votes -= entry->count;
	}
	return 0;
}

static uint32_t add_owner(struct encoder *e, const struct process *p)
{
	struct owner owner = {
		.pid = e->options->subtractable ? 0 : p->tgid,
		.comm = pprof_tables_string(&e->tables, p->comm),
		.unit = pprof_tables_string(&e->tables, p->unit),
		.container = pprof_tables_string(&e->tables, p->container),
	};

	if (!owner.comm || !owner.unit || !owner.container)
		return 0;
	return intern_bytes(e->owners, &owner, sizeof(owner));
}

/* A frame of the window at hand. */
static const struct frame *frame_of(const struct encoder *e, uint32_t id)
{
	return &e->frames.frames[e->numbers[id - 1] - 1].frame;
}

static void count_quality(struct encoder *e, const struct window_entry *entry)
{
	struct quality *q = &e->quality;

	q->samples_attempted += entry->samples;
	if (entry->user_end < ABI_STACK_ENDS_COUNT)
		q->user_stacks[entry->user_end] += entry->samples;
	q->frames += entry->samples * entry->n_frames;
	for (size_t i = 0; i < entry->n_frames; i++) {
		const struct frame *frame = frame_of(e, entry->frames[i]);

		if (frame->kind != FRAME_KERNEL)
			q->user_frames += entry->samples;
		if (frame->guessed)
			q->user_frames_guessed += entry->samples;
	}
}

struct stack {
	uint32_t *locations;
	size_t n;
};

static int add_frame(struct encoder *e, const struct window_entry *entry, uint32_t id,
		     struct stack *stack)
{
	struct frame_location location;
	int r = pprof_frames_get(&e->frames, e->numbers[id - 1], &location);

	if (r < 0)
		return r;
	stack->locations[stack->n++] = location.location;
	if (location.unnamed) {
		e->quality.frames_unnamed += entry->samples;
		e->quality.unnamed[location.why] += entry->samples;
	}
	return 0;
}

/* One of the locations that are made up: 0 stands for no memory. */
static int add_location(struct stack *stack, uint32_t location)
{
	stack->locations[stack->n++] = location;
	return location ? 0 : -ENOMEM;
}

static bool wants_waker(const struct encoder *e, const struct window_entry *entry)
{
	const struct pprof_options *o = e->options;

	return entry->waker && o->wakers != PPROF_WAKERS_NONE &&
	       (o->wakers == PPROF_WAKERS_ALL || selection_matches(o->selection, entry->waker));
}

/* Who ended the wait, upside down on the leaf's side: the two stacks meet where they meet in time.
 */
static int add_waker(struct encoder *e, const struct window_entry *entry, struct stack *stack)
{
	char marker[128];

	for (size_t i = entry->n_waker_frames; i > 0; i--) {
		int r = add_frame(e, entry, entry->waker_frames[i - 1], stack);

		if (r < 0)
			return r;
	}
	snprintf(marker, sizeof(marker), "--- woken by %s ---", entry->waker->comm);
	return add_location(stack, pprof_frames_note(&e->frames, marker));
}

/*
 * The stack of an entry as locations. One that is not complete says so at its outer end, and one
 * without any frame is still a stack: readers lose samples that have no locations.
 */
static int locate(struct encoder *e, const struct window_entry *entry, struct stack *stack)
{
	int r = 0;

	if (entry->folded)
		return add_location(stack, pprof_frames_note(&e->frames, "[older waits]"));
	if (wants_waker(e, entry))
		r = add_waker(e, entry, stack);
	for (size_t i = 0; i < entry->n_frames && r == 0; i++)
		r = add_frame(e, entry, entry->frames[i], stack);
	if (r < 0)
		return r;
	if (abi_stack_is_truncated(entry->user_end))
		return add_location(stack, pprof_frames_truncated(&e->frames, entry->user_end));
	return stack->n ? 0 : add_location(stack, pprof_frames_no_stack(&e->frames));
}

static void add_value(struct sample_value *to, const struct window_entry *entry)
{
	to->count = saturating_add(to->count, entry->count);
	to->value = saturating_add(to->value, entry->value);
}

static int add_sample(struct encoder *e, const struct window_entry *entry, struct wait wait)
{
	struct sample_key key = { .tid = entry->tid, .wait = wait };
	struct stack stack = { .locations = key.locations };
	uint32_t count = intern_count(e->samples);
	uint32_t id;
	int r;

	key.owner = add_owner(e, entry->process);
	if (!key.owner)
		return -ENOMEM;
	r = locate(e, entry, &stack);
	if (r < 0)
		return r;
	r = pprof_reserve(&e->values, &e->values_allocated, count, sizeof(*e->values));
	if (r < 0)
		return r;
	id = intern_bytes(e->samples, &key,
			  offsetof(struct sample_key, locations) +
				  stack.n * sizeof(key.locations[0]));
	if (!id)
		return -ENOMEM;
	add_value(&e->values[id - 1], entry);
	return 0;
}

#define NAME_LEN 128

/* What the innermost user functions say of a wait. Names are cut, which hides no prefix. */
static struct wait refine(struct encoder *e, const struct window_entry *entry)
{
	char text[WAIT_REFINE_NAMES][NAME_LEN];
	const char *names[WAIT_REFINE_NAMES];
	size_t n = 0;

	for (size_t i = 0; i < entry->n_frames && n < WAIT_REFINE_NAMES; i++) {
		const struct frame *frame = frame_of(e, entry->frames[i]);
		struct symbol symbols[WAIT_REFINE_NAMES];
		size_t found;

		if (frame->kind == FRAME_KERNEL)
			continue;
		found = symbolizer_frame(e->frames.symbolizer, frame, entry->process, symbols,
					 WAIT_REFINE_NAMES - n);
		for (size_t k = 0; k < found; k++, n++) {
			snprintf(text[n], NAME_LEN, "%s", symbols[k].name);
			names[n] = text[n];
		}
	}
	return wait_refine(entry->wait, names, n);
}

static bool is_wanted(struct encoder *e, const struct window_entry *entry, struct wait *ret)
{
	*ret = entry->wait;
	ret->is_two = 0;
	if (e->options->kind == ABI_KIND_CPU)
		return true;
	if (!wait_filter_may_pass(&e->filter, entry->wait))
		return false;
	if (wait_is_refinable(entry->wait) && !entry->folded)
		*ret = refine(e, entry);
	return wait_filter_passes(&e->filter, *ret);
}

static bool is_selected(const struct encoder *e, const struct window_entry *entry)
{
	return entry->kind == e->options->kind &&
	       selection_matches(e->options->selection, entry->process);
}

/* Gives numbers to frames that have none yet, and weight to all. */
static int number_frames(struct encoder *e, const struct window_entry *entry, const uint32_t *ids,
			 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t *number = &e->numbers[ids[i] - 1];

		if (*number == 0) {
			struct process *process;
			struct frame frame = window_frame(entry->window, ids[i], &process);

			*number = pprof_frames_number(&e->frames, &frame, process);
			if (*number == 0)
				return -ENOMEM;
		}
		e->frames.frames[*number - 1].weight += entry->samples;
	}
	return 0;
}

static int want_entry(const struct window_entry *entry, void *userdata)
{
	struct encoder *e = userdata;
	int r;

	if (!is_selected(e, entry) || entry->folded ||
	    (entry->kind != ABI_KIND_CPU && !wait_filter_may_pass(&e->filter, entry->wait)))
		return 0;
	r = number_frames(e, entry, entry->frames, entry->n_frames);
	if (r == 0 && wants_waker(e, entry))
		r = number_frames(e, entry, entry->waker_frames, entry->n_waker_frames);
	return r;
}

static int gather_entry(const struct window_entry *entry, void *userdata)
{
	struct encoder *e = userdata;
	struct wait wait;
	int r;

	if (!is_selected(e, entry) || !is_wanted(e, entry, &wait))
		return 0;
	count_quality(e, entry);
	if (entry->folded && e->options->subtractable) {
		add_value(&e->folded, entry);
		return 0;
	}
	r = vote_program(e, entry);
	if (r < 0)
		return r;
	return add_sample(e, entry, wait);
}

int64_t encoder_count(const struct encoder *e, const struct sample_value *value)
{
	if (e->options->kind == ABI_KIND_CPU)
		return value->count;
	return MAX(saturating_add(value->count, ABI_COUNT_ONE / 2) / ABI_COUNT_ONE, (int64_t)1);
}

void encoder_folded_lines(const struct encoder *e, void (*line)(const char *text, void *userdata),
			  void *userdata)
{
	char text[64];

	if (e->folded.count == 0)
		return;
	snprintf(text, sizeof(text), "profd: folded_contentions=%" PRId64,
		 encoder_count(e, &e->folded));
	line(text, userdata);
	snprintf(text, sizeof(text), "profd: folded_delay_ns=%" PRId64, e->folded.value);
	line(text, userdata);
}

/* Room for the numbers of the frames of all windows, one behind the other. */
static int make_numbers(struct encoder *e, struct window *const *windows, size_t n)
{
	size_t frames = 1;

	for (size_t i = 0; i < n; i++)
		frames += window_frames(windows[i]);
	e->all_numbers = calloc(frames, sizeof(*e->all_numbers));
	return e->all_numbers ? 0 : -ENOMEM;
}

/* Visits the entries of all windows. */
static int each_entry(struct encoder *e, struct window *const *windows, size_t n,
		      int (*visit)(const struct window_entry *entry, void *userdata))
{
	int r = 0;

	e->numbers = e->all_numbers;
	for (size_t i = 0; i < n && r == 0; i++) {
		r = window_each(windows[i], visit, e);
		e->numbers += window_frames(windows[i]);
	}
	return r;
}

/* Lost samples have no names: they count as attempted, and as lost, in every selection. */
static void add_losses(struct quality *q, const struct quality *of_window)
{
	q->samples_attempted += of_window->samples_lost;
	q->samples_lost += of_window->samples_lost;
	q->sideband_lost += of_window->sideband_lost;
	q->user_stacks_from_slices += of_window->user_stacks_from_slices;
}

int encoder_gather(struct encoder *e, struct window *const *windows, size_t n)
{
	int r = make_numbers(e, windows, n);

	if (r == 0)
		r = each_entry(e, windows, n, want_entry);
	if (r < 0)
		return r;
	pprof_frames_prepare(&e->frames);
	for (size_t i = 0; i < n; i++)
		add_losses(&e->quality, window_quality(windows[i], e->options->kind));
	return each_entry(e, windows, n, gather_entry);
}

const char *encoder_program(const struct encoder *e)
{
	const struct program *p = &e->program;

	if (!p->any || selection_is_everything(e->options->selection) ||
	    (p->other_process && p->other_path))
		return NULL;
	return intern_get(e->tables.strings, p->path, NULL);
}
