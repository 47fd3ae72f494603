/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "jit_watch.h"
#include "pipeline_object.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"
#include "profile/cumulative.h"
#include "unopened.h"
#include "unwind/table_manager.h"
#include "wakers.h"

/* Bytes of records that may be held back for a table. */
#define MAX_WAITING (32UL << 20)

/* There was no memory for the sample's process. */
static void lose_unnamed(struct pipeline *p)
{
	p->stats.samples_dropped_memory++;
	pipeline_lose(p, 1, 0);
}

static void handle_sample(void *userdata, const struct abi_sample *a)
{
	struct pipeline *p = userdata;
	struct frame frames[SAMPLE_MAX_FRAMES];
	struct sample s = pipeline_sample_of(p, a);

	p->stats.samples++;
	if (!s.process) {
		lose_unnamed(p);
		return;
	}
	pipeline_resolve_frames(p, a, &s, frames);
	pipeline_deliver(p, a, &s, false);
}

/* It may not wait for ever, nor let others wait for long, nor keep more in memory than that. */
static bool is_impatient(const struct pipeline *p, const struct abi_sample *a)
{
	return !p->tables || p->now > a->record.time + p->hold ||
	       p->now > p->until + PIPELINE_PATIENCE_NS || stream_waiting(p->stream) > MAX_WAITING;
}

static bool handle_slice(void *userdata, const struct abi_sample *a, const struct abi_slice *slice)
{
	struct pipeline *p = userdata;
	struct frame frames[SAMPLE_MAX_FRAMES];
	struct sample s = pipeline_sample_of(p, a);
	bool impatient = is_impatient(p, a);

	if (!s.process) {
		lose_unnamed(p);
		return true;
	}
	pipeline_resolve_frames(p, a, &s, frames);
	if (pipeline_unwind_slice(p, a, slice, impatient, &s, frames) == -EAGAIN) {
		p->stats.slices_waiting = 1;
		return false;
	}
	p->stats.samples++;
	p->stats.slices_unwound++;
	p->stats.slices_unwound_early += impatient;
	pipeline_deliver(p, a, &s, true);
	return true;
}

/*
 * Its tables are wanted from now on: the first that is missing, which is known however young the
 * process is, and those of its callers.
 */
static void look_at_slice(void *userdata, const struct abi_sample *a, const struct abi_slice *slice)
{
	struct frame frames[SAMPLE_MAX_FRAMES];
	struct pipeline *p = userdata;
	struct executable *x = executable_table_get(p->executables, a->missing_file);
	struct sample s = { 0 };

	if (p->tables && x)
		table_manager_want(p->tables, x);
	pipeline_unwind_slice(p, a, slice, false, &s, frames);
}

static void handle_sideband(void *userdata, const struct sideband_event *event)
{
	struct pipeline *p = userdata;

	if (event->type == SIDEBAND_LOST) {
		pipeline_lose(p, 0, event->lost);
		symbolizer_kernel_changed(p->symbolizer, event);
	}
	if (event->type == SIDEBAND_KSYMBOL) {
		symbolizer_kernel_changed(p->symbolizer, event);
		return;
	}
	/* Without memory the event is as good as lost. */
	if (process_table_apply(p->processes, event) < 0)
		pipeline_lose(p, 0, 1);
}

/* The file of an id has been found: it can be read now. */
static void file_found(struct pipeline *p, uint32_t file_id, struct executable *x)
{
	if (p->tables)
		table_manager_bind(p->tables, x, file_id, TABLE_AWAITED); /* without memory: none */
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
	while (p->n_receivers)
		pipeline_drop(p, p->receivers[p->n_receivers - 1]);
	free(p->receivers);
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

static bool has_ended(void *userdata, const struct process *p)
{
	const struct pipeline *pipeline = userdata;
	const struct process *now = process_table_find(pipeline->processes, p->tgid);

	return !now || !process_is_same_life(now, p);
}

int pipeline_new(const struct pipeline_options *o, struct pipeline **ret)
{
	_cleanup_(pipeline_freep)
	struct pipeline *p = calloc(1, sizeof(*p));
	const struct process_table_options processes = { .without_proc = o->without_proc };
	const struct executable_table_options executables = {
		.without_proc = o->without_proc,
		.same_vdso = o->same_vdso,
	};
	const struct cumulative_options cumulative = {
		.start_time = o->start_time,
		.budget = o->cumulative_memory,
		.has_ended = has_ended,
		.userdata = p,
	};
	int r;

	if (!p)
		return -ENOMEM;
	p->options = *o;
	p->hold = PIPELINE_HOLD_NS;
	p->options.symbolizer.without_proc |= o->without_proc;
	p->wakers = wakers_new();
	if (o->cumulative_memory)
		p->cumulative = cumulative_new(&cumulative);
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
						 .slice_ahead = look_at_slice,
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
				  ABI_FILE_ID_VDSO, TABLE_URGENT);
}

uint64_t pipeline_flush(struct pipeline *p, uint64_t until, uint64_t now)
{
	p->now = now;
	p->until = until;
	p->stats.slices_waiting = 0;
	if (p->tables)
		table_manager_process(p->tables, now);
	until = stream_flush(p->stream, until);
	unopened_retry(&p->unopened, p->executables, now, unopened_settled, p);
	return until;
}

void pipeline_set_hold(struct pipeline *p, uint64_t ns)
{
	p->hold = ns;
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
	ret->waits_merged = p->cumulative ? cumulative_merged(p->cumulative) : 0;
	ret->waits_folded = p->cumulative ? cumulative_folded(p->cumulative) : 0;
}

struct window *pipeline_cumulative(struct pipeline *p)
{
	return p->cumulative ? cumulative_window(p->cumulative) : NULL;
}
