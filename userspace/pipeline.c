/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "collect/stream.h"
#include "jit_watch.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"
#include "profile/cumulative.h"
#include "profile/sample.h"
#include "profile/selection.h"
#include "profile/wait.h"
#include "profile/window.h"
#include "slice.h"
#include "unopened.h"
#include "unwind/table_manager.h"
#include "wakers.h"

/* Bytes of records that may be held back for a table. */
#define MAX_WAITING (32UL << 20)

#define WAIT_KINDS (1U << ABI_KIND_BLOCK | 1U << ABI_KIND_MUTEX)

struct receiver {
	struct selection selection;
	uint32_t kinds;
	struct wait_filter waits; /* of kind block */
	bool clip, without_threads;
	uint64_t end_time;	/* UINT64_MAX = open */
	struct intern *ongoing; /* struct waker_key: waits that are in it before they end */
	struct window *window;
	struct receiver *prev, *next;
};

struct pipeline {
	struct pipeline_options options;
	struct stream *stream;
	struct process_table *processes;
	struct executable_table *executables;
	struct symbolizer *symbolizer;
	struct jit_watch *jit;
	struct table_manager *tables; /* NULL = none */
	struct unopened *unopened;    /* files that have an id and no table yet */
	struct receiver *receivers;
	struct cumulative *cumulative; /* NULL = none */
	struct wakers *wakers;
	uint64_t now;		     /* during a flush */
	uint64_t stream_time;	     /* of the latest sample */
	struct stream_stats counted; /* what of the stream's losses is in quality records */
	struct pipeline_stats stats;
};

static void lose(struct quality *q, uint64_t samples, uint64_t sideband)
{
	q->samples_attempted += samples;
	q->samples_lost += samples;
	q->sideband_lost += sideband;
}

/* What is lost has no name and no kind: it may have been of any. */
static void lose_everywhere(struct pipeline *p, uint64_t samples, uint64_t sideband)
{
	struct receiver *r;

	for (unsigned int kind = 0; kind < WINDOW_KINDS; kind++) {
		DL_FOREACH(p->receivers, r)
			lose(window_quality(r->window, kind), samples, sideband);
		if (p->cumulative)
			lose(window_quality(cumulative_window(p->cumulative), kind), samples,
			     sideband);
	}
}

/*
 * Return addresses of the kernel point behind the call; BPF has already moved those of user space
 * into it. The first one is where execution stood.
 */
static struct frame kernel_frame(uint64_t address, bool first)
{
	return (struct frame){ .kind = FRAME_KERNEL, .address = first ? address : address - 1 };
}

/* A frame of a file that nobody knows becomes one without a file: an address that has no name. */
static struct frame user_frame(struct pipeline *p, uint64_t word)
{
	struct frame f = {
		.kind = FRAME_ADDRESS,
		.guessed = word & ABI_FRAME_GUESSED,
		.address = word & ABI_FRAME_ADDRESS_MASK,
	};

	if (word >> ABI_FRAME_KIND_SHIFT == ABI_FRAME_FILE) {
		uint32_t id = (uint32_t)(word >> ABI_FRAME_FILE_SHIFT) & ABI_FRAME_FILE_MASK;

		f.address = word & ABI_FRAME_OFFSET_MASK;
		f.executable = executable_table_get(p->executables, id);
		if (p->tables)
			table_store_touch(table_manager_store(p->tables), id, p->now);
		if (f.executable)
			f.kind = FRAME_FILE;
		else
			p->stats.frames_without_file++;
	}
	return f;
}

/*
 * A critical section ends in the program, whatever the kernel does then: all its frames are left
 * out, unless the lock is the kernel's own.
 */
static bool is_end_of_section(const struct abi_sample *a)
{
	return a->kind == ABI_KIND_MUTEX && a->user_end != ABI_STACK_none &&
	       !(a->wait.flags & (ABI_WAIT_KERNEL_LOCK | ABI_WAIT_SPIN));
}

/*
 * How many of the innermost kernel frames of a wait are the scheduler, and what profd hooked into
 * it: the same in every wait, and not there while it goes on (the kernel leaves them out when the
 * stack of another task is taken, stack_trace_consume_entry_nosched()). Equal waits look equal
 * without them.
 */
static size_t frames_left_out(struct pipeline *p, const struct abi_sample *a)
{
	uint64_t start, end;
	size_t n = 0;

	if (is_end_of_section(a))
		return a->kernel_frames;
	if (a->kind != ABI_KIND_BLOCK)
		return 0;
	symbolizer_kernel_scheduler(p->symbolizer, &start, &end);
	while (n < a->kernel_frames && !(a->frames[n] >= start && a->frames[n] < end))
		n++;
	while (n < a->kernel_frames && a->frames[n] >= start && a->frames[n] < end)
		n++;
	/* There was none, or nothing else. */
	return n < a->kernel_frames ? n : 0;
}

static size_t resolve_frames(struct pipeline *p, const struct abi_sample *a,
			     struct process *process, struct frame *frames)
{
	const uint64_t *words = (const uint64_t *)a->frames + a->kernel_frames;
	/* Of a task that does not run, the innermost frame is a return address too. */
	bool jit = false, sleeps = a->wait.flags & ABI_WAIT_ONGOING;
	size_t n = 0;

	for (size_t i = frames_left_out(p, a); i < a->kernel_frames; i++)
		frames[n++] = kernel_frame(a->frames[i], i == 0 && !sleeps);
	for (size_t i = 0; i < a->user_frames; i++, words++) {
		jit |= *words >> ABI_FRAME_KIND_SHIFT == ABI_FRAME_ADDRESS;
		frames[n++] = user_frame(p, *words);
	}
	if (jit)
		jit_watch_note(p->jit, process);
	return n;
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

/* Whether @r wants @s; then *@ret is what it gets of it. */
static bool receives(const struct receiver *r, const struct sample *s, struct sample *ret)
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
	if (r->without_threads)
		ret->tid = 0;
	if (!is_wait || !r->clip)
		return true;
	ret->value = wait_clip(s->value, s->since, wait_end(s), start, r->end_time);
	return ret->value > 0;
}

static void add_to(struct pipeline *p, struct receiver *r, const struct sample *s)
{
	if (window_add(r->window, s) == 0)
		return;
	p->stats.samples_dropped_memory++;
	lose(window_quality(r->window, s->kind), 1, 0);
}

static void accumulate(struct pipeline *p, const struct sample *s)
{
	if (!p->cumulative || !(1U << s->kind & WAIT_KINDS))
		return;
	if (cumulative_add(p->cumulative, s) == 0)
		return;
	p->stats.samples_dropped_memory++;
	lose(window_quality(cumulative_window(p->cumulative), s->kind), 1, 0);
}

static void distribute(struct pipeline *p, const struct sample *s, bool from_slice)
{
	struct receiver *r;
	struct sample part;

	DL_FOREACH(p->receivers, r) {
		if (!receives(r, s, &part))
			continue;
		add_to(p, r, &part);
		window_quality(r->window, s->kind)->user_stacks_from_slices += from_slice;
	}
	accumulate(p, s);
	if (from_slice && p->cumulative)
		window_quality(cumulative_window(p->cumulative), s->kind)
			->user_stacks_from_slices++;
}

/* A waker waits for the wait that it has ended; that comes later in the stream. */
static void hold_waker(struct pipeline *p, const struct abi_sample *a, const struct sample *s)
{
	const struct waker_key key = { .since = a->wait.since, .tid = a->wait.waiter_tid };

	if (wakers_put(p->wakers, &key, s) < 0)
		p->stats.wakers_dropped_memory++;
}

/* A sample that is complete: names are all it lacks. */
static void deliver(struct pipeline *p, const struct abi_sample *a, struct sample *s,
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

/* All but the frames. */
static struct sample sample_of(struct pipeline *p, const struct abi_sample *a)
{
	struct sample s = {
		.kind = a->kind,
		.user_end = a->user_end,
		.tid = a->tid,
		.time = a->record.time,
		.value = a->value,
		.count = (int64_t)a->count,
		.process = process_table_lookup(p->processes, a->tgid, a->record.time,
						a->start_boottime, a->cgroup_id, a->comm),
	};

	if (a->kind != ABI_KIND_CPU) {
		s.wait = wait_classify(&a->wait);
		s.since = a->wait.since;
	}
	return s;
}

/* There was no memory for the sample's process. */
static void lose_unnamed(struct pipeline *p)
{
	p->stats.samples_dropped_memory++;
	lose_everywhere(p, 1, 0);
}

static void handle_sample(void *userdata, const struct abi_sample *a)
{
	struct pipeline *p = userdata;
	struct frame frames[SAMPLE_MAX_FRAMES];
	struct sample s = sample_of(p, a);

	p->stats.samples++;
	if (!s.process) {
		lose_unnamed(p);
		return;
	}
	s.n_frames = resolve_frames(p, a, s.process, frames);
	s.frames = frames;
	deliver(p, a, &s, false);
}

/* It may not wait for ever, nor keep more in memory than that. */
static bool is_impatient(const struct pipeline *p, const struct abi_sample *a)
{
	return !p->tables || p->now > a->record.time + PIPELINE_PATIENCE_NS ||
	       stream_waiting(p->stream) > MAX_WAITING;
}

static bool handle_slice(void *userdata, const struct abi_sample *a, const struct abi_slice *slice)
{
	struct pipeline *p = userdata;
	const struct slice_world world = { p->processes, p->executables, p->tables };
	struct frame frames[SAMPLE_MAX_FRAMES];
	struct slice_result result = { .user_end = a->user_end };
	struct sample s = sample_of(p, a);
	bool impatient = is_impatient(p, a);

	if (!s.process) {
		lose_unnamed(p);
		return true;
	}
	s.n_frames = resolve_frames(p, a, s.process, frames);
	s.frames = frames;
	if (p->tables && slice_unwind(&world, a, slice, impatient, frames + s.n_frames,
				      SAMPLE_MAX_FRAMES - s.n_frames, &result) == -EAGAIN) {
		p->stats.slices_waiting = 1;
		return false;
	}
	p->stats.samples++;
	p->stats.slices_unwound++;
	p->stats.slices_unwound_early += impatient;
	s.user_end = result.user_end;
	s.n_frames += result.n_frames;
	deliver(p, a, &s, true);
	return true;
}

static void handle_sideband(void *userdata, const struct sideband_event *event)
{
	struct pipeline *p = userdata;

	if (event->type == SIDEBAND_LOST) {
		lose_everywhere(p, 0, event->lost);
		symbolizer_kernel_changed(p->symbolizer, event);
	}
	if (event->type == SIDEBAND_KSYMBOL) {
		symbolizer_kernel_changed(p->symbolizer, event);
		return;
	}
	/* Without memory the event is as good as lost. */
	if (process_table_apply(p->processes, event) < 0)
		lose_everywhere(p, 0, 1);
}

/* The file of an id has been found: it can be read now. */
static void file_found(struct pipeline *p, uint32_t file_id, struct executable *x)
{
	if (p->tables)
		table_manager_bind(p->tables, x, file_id, false); /* without memory: no table */
}

/* What is never found is unwound by frame pointer. */
static void unopened_settled(void *userdata, uint32_t file_id, struct executable *x)
{
	struct pipeline *p = userdata;

	if (x)
		file_found(p, file_id, x);
	else if (p->tables)
		table_store_bind(table_manager_store(p->tables), NULL, file_id);
}

/* There is no memory to find or await it; without this its stacks would come as slices for ever. */
static void give_up_file(struct pipeline *p, uint32_t file_id)
{
	p->stats.files_dropped_memory++;
	unopened_settled(p, file_id, NULL);
}

static void handle_file(void *userdata, const struct abi_file_announcement *file)
{
	struct pipeline *p = userdata;
	struct executable *x;

	if (executable_table_announce(p->executables, file, p->processes) < 0) {
		give_up_file(p, file->file_id);
		return;
	}
	x = executable_table_get(p->executables, file->file_id);
	if (x && p->options.file_announced)
		p->options.file_announced(p->options.userdata, file, x);
	if (x && x->readable)
		file_found(p, file->file_id, x);
	else if (unopened_add(&p->unopened, file->file_id, file->record.time) < 0)
		give_up_file(p, file->file_id);
}

struct pipeline *pipeline_free(struct pipeline *p)
{
	if (!p)
		return NULL;
	while (p->receivers)
		pipeline_drop(p, p->receivers);
	/* In this order: each may hold what belongs to the next. */
	stream_free(p->stream);
	wakers_free(p->wakers);
	cumulative_free(p->cumulative);
	table_manager_free(p->tables);
	unopened_free(&p->unopened);
	jit_watch_free(p->jit);
	symbolizer_free(p->symbolizer);
	executable_table_free(p->executables);
	process_table_free(p->processes);
	free(p);
	return NULL;
}

DEFINE_CLEANUP(struct pipeline *, pipeline_free);

int pipeline_new(const struct pipeline_options *o, struct pipeline **ret)
{
	_cleanup_(pipeline_freep)
	struct pipeline *p = calloc(1, sizeof(*p));
	const struct process_table_options processes = { .without_proc = o->without_proc };
	const struct executable_table_options executables = {
		.without_proc = o->without_proc,
		.same_vdso = o->same_vdso,
	};
	int r;

	if (!p)
		return -ENOMEM;
	p->options = *o;
	p->options.symbolizer.without_proc |= o->without_proc;
	p->wakers = wakers_new();
	if (o->cumulative_memory)
		p->cumulative = cumulative_new(o->start_time, o->cumulative_memory);
	if (!p->wakers || (o->cumulative_memory && !p->cumulative))
		return -ENOMEM;
	r = process_table_new(&processes, &p->processes);
	if (r < 0)
		return r;
	r = executable_table_new(&executables, &p->executables);
	if (r < 0)
		return r;
	p->options.symbolizer.processes = p->processes;
	r = symbolizer_new(&p->options.symbolizer, p->executables, &p->symbolizer);
	if (r < 0)
		return r;
	p->jit = jit_watch_new(p->symbolizer);
	if (!p->jit)
		return -ENOMEM;
	r = stream_new(&(struct stream_handler){ .sample = handle_sample,
						 .slice = handle_slice,
						 .sideband = handle_sideband,
						 .file = handle_file,
						 .userdata = p },
		       &p->stream);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

int pipeline_use_tables(struct pipeline *p, const struct pipeline_tables *o)
{
	const struct table_manager_options manager = {
		.store = { .memory = o->memory, .budget = o->budget },
		.executables = p->executables,
		.worker = o->worker,
		.background_worker = o->background_worker,
		.job = o->job,
		.cache_dirfd = o->cache_dirfd,
		.debug_directories = p->options.symbolizer.debug_directories,
	};
	int r = table_manager_new(&manager, &p->tables);

	if (r < 0)
		return r;
	return table_manager_bind(p->tables, executable_table_get(p->executables, ABI_FILE_ID_VDSO),
				  ABI_FILE_ID_VDSO, false);
}

static void receiver_free(struct receiver *r)
{
	selection_done(&r->selection);
	intern_free(r->ongoing);
	free(r);
}

int pipeline_receive(struct pipeline *p, const struct receiver_options *o, struct receiver **ret)
{
	struct receiver *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->kinds = o->kinds ? o->kinds : UINT32_MAX;
	r->waits.reasons = o->wait_reasons ? o->wait_reasons : UINT32_MAX;
	r->waits.locks = UINT32_MAX;
	r->clip = o->clip;
	r->without_threads = o->without_threads;
	r->end_time = UINT64_MAX;
	if (selection_copy(o->selection, &r->selection) == 0)
		r->window = window_new(o->start_time);
	if (!r->window) {
		receiver_free(r);
		return -ENOMEM;
	}
	DL_APPEND(p->receivers, r);
	*ret = r;
	return 0;
}

void pipeline_end(struct receiver *r, uint64_t end_time)
{
	r->end_time = end_time;
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

void pipeline_add_ongoing(struct pipeline *p, struct receiver *r, const void *record, size_t size)
{
	const struct slice_world world = { p->processes, p->executables, p->tables };
	const struct abi_slice *slice;
	const struct abi_sample *a = stream_check_sample(record, size, &slice);
	struct frame frames[SAMPLE_MAX_FRAMES];
	struct slice_result result;
	struct sample s, part;

	if (!a || a->kind != ABI_KIND_BLOCK)
		return;
	s = sample_of(p, a);
	/* What goes on at a later time went on at the end, too. */
	if (!s.process || s.since >= r->end_time)
		return;
	if (!receives(r, &s, &part) || !is_first_time(r, &s))
		return;
	part.n_frames = resolve_frames(p, a, s.process, frames);
	part.frames = frames;
	if (slice && p->tables &&
	    slice_unwind(&world, a, slice, true, frames + part.n_frames,
			 SAMPLE_MAX_FRAMES - part.n_frames, &result) == 0) {
		part.user_end = result.user_end;
		part.n_frames += result.n_frames;
	}
	p->stats.waits_ongoing++;
	add_to(p, r, &part);
	window_quality(r->window, part.kind)->user_stacks_from_slices += slice != NULL;
}

const struct window *pipeline_window(const struct receiver *r)
{
	return r->window;
}

static struct window *detach(struct pipeline *p, struct receiver *r)
{
	struct window *w = r->window;

	DL_DELETE(p->receivers, r);
	receiver_free(r);
	return w;
}

struct window *pipeline_take(struct pipeline *p, struct receiver *r, uint64_t end_time)
{
	struct window *w = detach(p, r);

	window_close(w, MAX(end_time, window_start(w)));
	jit_watch_refresh(p->jit);
	return w;
}

void pipeline_drop(struct pipeline *p, struct receiver *r)
{
	if (r)
		window_free(detach(p, r));
}

uint64_t pipeline_flush(struct pipeline *p, uint64_t until, uint64_t now)
{
	p->now = now;
	p->stats.slices_waiting = 0;
	if (p->tables)
		table_manager_process(p->tables, now);
	until = stream_flush(p->stream, until);
	unopened_retry(&p->unopened, p->executables, now, unopened_settled, p);
	return until;
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
		lose_everywhere(p, samples, sideband);
}

void pipeline_tick(struct pipeline *p, uint64_t now)
{
	process_table_expire(p->processes, now);
	wakers_expire(p->wakers, p->stream_time);
	jit_watch_tick(p->jit);
	symbolizer_trim(p->symbolizer);
	symbolizer_expire(p->symbolizer, now);
}

struct stream *pipeline_stream(struct pipeline *p)
{
	return p->stream;
}

struct process_table *pipeline_processes(struct pipeline *p)
{
	return p->processes;
}

struct executable_table *pipeline_executables(struct pipeline *p)
{
	return p->executables;
}

struct symbolizer *pipeline_symbolizer(struct pipeline *p)
{
	return p->symbolizer;
}

struct table_manager *pipeline_tables(struct pipeline *p)
{
	return p->tables;
}

void pipeline_get_stats(const struct pipeline *p, struct pipeline_stats *ret)
{
	*ret = p->stats;
	ret->wakers_given_up = wakers_given_up(p->wakers);
	ret->waits_folded = p->cumulative ? cumulative_folded(p->cumulative) : 0;
}

struct window *pipeline_cumulative(struct pipeline *p)
{
	return p->cumulative ? cumulative_window(p->cumulative) : NULL;
}
