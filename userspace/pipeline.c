/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "collect/stream.h"
#include "jit_watch.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"
#include "profile/sample.h"
#include "profile/selection.h"
#include "profile/window.h"
#include "slice.h"
#include "unopened.h"
#include "unwind/table_manager.h"

/* Bytes of records that may be held back for a table. */
#define MAX_WAITING (32UL << 20)

struct receiver {
	struct selection selection;
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
	uint64_t now;		     /* during a flush */
	struct stream_stats counted; /* what of the stream's losses is in quality records */
	struct pipeline_stats stats;
};

static void lose(struct receiver *r, uint64_t samples, uint64_t sideband)
{
	struct quality *q = window_quality(r->window);

	q->samples_attempted += samples;
	q->samples_lost += samples;
	q->sideband_lost += sideband;
}

static void lose_everywhere(struct pipeline *p, uint64_t samples, uint64_t sideband)
{
	struct receiver *r;

	DL_FOREACH(p->receivers, r)
		lose(r, samples, sideband);
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

static size_t resolve_frames(struct pipeline *p, const struct abi_sample *a,
			     struct process *process, struct frame *frames)
{
	const uint64_t *words = (const uint64_t *)a->frames;
	bool jit = false;
	size_t n = 0;

	for (size_t i = 0; i < a->kernel_frames; i++)
		frames[n++] = kernel_frame(*words++, i == 0);
	for (size_t i = 0; i < a->user_frames; i++, words++) {
		jit |= *words >> ABI_FRAME_KIND_SHIFT == ABI_FRAME_ADDRESS;
		frames[n++] = user_frame(p, *words);
	}
	if (jit)
		jit_watch_note(p->jit, process);
	return n;
}

static void distribute(struct pipeline *p, const struct sample *s)
{
	struct receiver *r;

	DL_FOREACH(p->receivers, r) {
		if (s->time < window_start(r->window) ||
		    !selection_matches(&r->selection, s->process))
			continue;
		if (window_add(r->window, s) < 0) {
			p->stats.samples_dropped_memory++;
			lose(r, 1, 0);
		}
	}
}

/* All but the frames. */
static struct sample sample_of(struct pipeline *p, const struct abi_sample *a)
{
	return (struct sample){
		.kind = a->kind,
		.user_end = a->user_end,
		.tid = a->tid,
		.time = a->record.time,
		.value = a->value,
		.count = (int64_t)a->count,
		.process = process_table_lookup(p->processes, a->tgid, a->record.time,
						a->start_boottime, a->cgroup_id, a->comm),
	};
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
	distribute(p, &s);
}

/* What was handled of slices, for the quality records of those who get the sample. */
static void count_slice(struct pipeline *p, const struct sample *s)
{
	struct receiver *r;

	DL_FOREACH(p->receivers, r) {
		if (s->time >= window_start(r->window) &&
		    selection_matches(&r->selection, s->process))
			window_quality(r->window)->user_stacks_from_slices++;
	}
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
	distribute(p, &s);
	count_slice(p, &s);
	return true;
}

static void handle_sideband(void *userdata, const struct sideband_event *event)
{
	struct pipeline *p = userdata;

	if (event->type == SIDEBAND_LOST)
		lose_everywhere(p, 0, event->lost);
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

static void handle_file(void *userdata, const struct abi_file_announcement *file)
{
	struct pipeline *p = userdata;
	struct executable *x;

	if (executable_table_announce(p->executables, file, p->processes) < 0)
		return;
	x = executable_table_get(p->executables, file->file_id);
	if (x && p->options.file_announced)
		p->options.file_announced(p->options.userdata, file, x);
	if (x && x->readable)
		file_found(p, file->file_id, x);
	else
		unopened_add(&p->unopened, file->file_id, file->record.time);
}

struct pipeline *pipeline_free(struct pipeline *p)
{
	if (!p)
		return NULL;
	while (p->receivers)
		pipeline_drop(p, p->receivers);
	/* In this order: each may hold what belongs to the next. */
	stream_free(p->stream);
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
	};
	int r = table_manager_new(&manager, &p->tables);

	if (r < 0)
		return r;
	return table_manager_bind(p->tables, executable_table_get(p->executables, ABI_FILE_ID_VDSO),
				  ABI_FILE_ID_VDSO, false);
}

int pipeline_receive(struct pipeline *p, const struct selection *s, uint64_t start_time,
		     struct receiver **ret)
{
	_cleanup_free_ struct receiver *r = calloc(1, sizeof(*r));

	if (!r || selection_copy(s, &r->selection) < 0)
		return -ENOMEM;
	r->window = window_new(start_time);
	if (!r->window) {
		selection_done(&r->selection);
		return -ENOMEM;
	}
	DL_APPEND(p->receivers, r);
	*ret = TAKE_PTR(r);
	return 0;
}

const struct window *pipeline_window(const struct receiver *r)
{
	return r->window;
}

static struct window *detach(struct pipeline *p, struct receiver *r)
{
	struct window *w = r->window;

	DL_DELETE(p->receivers, r);
	selection_done(&r->selection);
	free(r);
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
}
