/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which table a frame's name comes from, and how much memory all of them may have. Tables can be
 * dropped at any time, because names are copied out of them into the cache of names; that cache
 * is what strings handed out live in, and only symbolizer_trim() empties it.
 *
 * Source lines and inlined functions have their place in symbolizer_frame(): more than one symbol
 * for a frame of a file.
 */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"
#include "profile/sample.h"
#include "symbolize/executable_names.h"
#include "symbolize/jit_names.h"
#include "symbolize/kernel_names.h"
#include "symbolize/name_cache.h"

#define DEFAULT_BUDGET	 ((size_t)64 << 20)
#define DEFAULT_RETRY_NS (600 * NS_PER_S)

struct symbolizer {
	char *debug_directory, *proc;
	bool without_proc;
	size_t budget;
	uint64_t clock;			   /* a number for each look-up: what was used when */
	uint64_t expire_at, expire_before; /* monotonic ns; the clock one period earlier */
	struct kernel_names *kernel;
	struct executable_names_set *executables;
	struct jit_names *jit;
	struct name_cache *cache;
	uint64_t frames_looked_up, frames_unnamed;
};

static int make_tables(struct symbolizer *s, const struct symbolizer_options *o,
		       struct executable_table *executables)
{
	const struct executable_names_options options = {
		.executables = executables,
		.debug_directory = s->debug_directory,
		.reader = {
			.worker = o->worker,
			.job = o->symbol_job,
			.max_table = s->budget / 2,
		},
		.retry_ns = o->retry_ns ? o->retry_ns : DEFAULT_RETRY_NS,
	};
	const char *kallsyms = o->kallsyms ? o->kallsyms : "/proc/kallsyms";
	int r;

	s->cache = name_cache_new(o->demangle);
	if (!s->cache)
		return -ENOMEM;
	r = kernel_names_new(o->without_proc ? "" : kallsyms, &s->kernel);
	if (r == 0)
		r = executable_names_new(&options, &s->executables);
	if (r == 0)
		r = jit_names_new(o->without_proc ? NULL : s->proc, s->budget / 4, &s->jit);
	return r;
}

int symbolizer_new(const struct symbolizer_options *o, struct executable_table *executables,
		   struct symbolizer **ret)
{
	static const struct symbolizer_options defaults;
	struct symbolizer *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return -ENOMEM;
	o = o ? o : &defaults;
	s->budget = o->memory_budget ? o->memory_budget : DEFAULT_BUDGET;
	s->without_proc = o->without_proc;
	s->debug_directory = strdup(o->debug_directory ? o->debug_directory : "/usr/lib/debug");
	s->proc = strdup(o->proc ? o->proc : "/proc");
	if (s->debug_directory && s->proc)
		r = make_tables(s, o, executables);
	if (r < 0) {
		symbolizer_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct symbolizer *symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return NULL;
	kernel_names_free(s->kernel);
	executable_names_free(s->executables);
	jit_names_free(s->jit);
	name_cache_free(s->cache);
	free(s->debug_directory);
	free(s->proc);
	free(s);
	return NULL;
}

static size_t budget_of_cache(const struct symbolizer *s)
{
	return s->budget / 4;
}

/* The rest is the name cache's. */
static size_t budget_of_tables(const struct symbolizer *s)
{
	return s->budget - budget_of_cache(s);
}

/* Drops the tables unused for longest, but none that was used for the look-up @keep_from. */
static void stay_in_budget(struct symbolizer *s, uint64_t keep_from)
{
	while (symbolizer_memory(s) - name_cache_memory(s->cache) > budget_of_tables(s)) {
		uint64_t executable = executable_names_oldest(s->executables);
		uint64_t jit = jit_names_oldest(s->jit);

		if (MIN(executable, jit) >= keep_from)
			return;
		if (executable < jit)
			executable_names_evict(s->executables);
		else
			jit_names_evict(s->jit);
	}
}

static const char *find_in_file(struct symbolizer *s, struct executable *x, uint64_t address,
				const struct process *process)
{
	char root[PATH_MAX];
	bool has_root = process && process->exit_time == 0 && !s->without_proc;

	if (!x->readable)
		return NULL;
	if (has_root)
		snprintf(root, sizeof(root), "%s/%u/root", s->proc, process->tgid);
	return executable_names_find(s->executables, x, address, has_root ? root : NULL, s->clock);
}

static const char *find(struct symbolizer *s, const struct frame *frame, struct process *process)
{
	switch (frame->kind) {
	case FRAME_KERNEL:
		return kernel_names_find(s->kernel, frame->address, clock_monotonic_ns());
	case FRAME_FILE:
		return find_in_file(s, frame->executable,
				    executable_address(frame->executable, frame->address), process);
	default:
		return process ? jit_names_find(s->jit, process, frame->address, s->clock) : NULL;
	}
}

/* What a frame without a symbol is called. */
static struct cached_name make_up(struct symbolizer *s, const struct frame *frame)
{
	const char *module = "[anon]", *slash;
	uint64_t address = frame->address;
	char text[NAME_MAX + 32];

	if (frame->kind == FRAME_KERNEL) {
		module = "[kernel]";
	} else if (frame->kind == FRAME_FILE) {
		slash = strrchr(frame->executable->path, '/');
		module = slash ? slash + 1 : frame->executable->path;
		module = module[0] ? module : "[unknown]";
		address = executable_address(frame->executable, frame->address);
	}
	snprintf(text, sizeof(text), "%.*s+0x%" PRIx64, NAME_MAX, module, address);
	return name_cache_text(s->cache, text);
}

size_t symbolizer_frame(struct symbolizer *s, const struct frame *frame, struct process *process,
			struct symbol *ret, size_t max)
{
	struct cached_name names;
	const char *symbol;

	(void)max; /* one until there are inlined functions */
	s->clock++;
	s->frames_looked_up++;
	symbol = find(s, frame, process);
	if (symbol) {
		names = name_cache_symbol(s->cache, symbol);
	} else {
		names = make_up(s, frame);
		s->frames_unnamed++;
	}
	*ret = (struct symbol){
		.name = names.name,
		.system_name = names.system_name,
		.unnamed = !symbol,
	};
	stay_in_budget(s, s->clock);
	return 1;
}

void symbolizer_kernel_range(struct symbolizer *s, uint64_t *ret_start, uint64_t *ret_end)
{
	kernel_names_range(s->kernel, clock_monotonic_ns(), ret_start, ret_end);
}

void symbolizer_kernel_changed(struct symbolizer *s, const struct sideband_event *event)
{
	if (event->type != SIDEBAND_KSYMBOL)
		return;
	if (event->unregister)
		kernel_names_remove(s->kernel, event->address);
	else
		kernel_names_add(s->kernel, event->address, event->size, event->name);
}

void symbolizer_refresh_process(struct symbolizer *s, struct process *process)
{
	jit_names_refresh(s->jit, process, ++s->clock);
	stay_in_budget(s, s->clock);
}

void symbolizer_forget_process(struct symbolizer *s, const struct process *process)
{
	jit_names_forget(s->jit, process);
}

void symbolizer_trim(struct symbolizer *s)
{
	if (name_cache_memory(s->cache) > budget_of_cache(s))
		name_cache_clear(s->cache);
	stay_in_budget(s, UINT64_MAX);
}

void symbolizer_expire(struct symbolizer *s, uint64_t now)
{
	if (now < s->expire_at)
		return;
	while (executable_names_oldest(s->executables) <= s->expire_before)
		executable_names_evict(s->executables);
	s->expire_before = s->clock;
	s->expire_at = now + SYMBOLIZER_IDLE_NS;
}

void symbolizer_get_stats(const struct symbolizer *s, struct symbolizer_stats *ret)
{
	struct executable_names_stats files;
	struct jit_names_stats jit;

	executable_names_get_stats(s->executables, &files);
	jit_names_get_stats(s->jit, &jit);
	*ret = (struct symbolizer_stats){
		.frames_looked_up = s->frames_looked_up,
		.frames_unnamed = s->frames_unnamed,
		.tables_loaded = files.loaded,
		.tables_evicted = files.evicted + jit.evicted,
		.tables_failed = files.failed,
		.debug_files_failed = files.debug_failed,
		.tables_crashed = files.crashed,
		.perf_maps_loaded = jit.loaded,
		.perf_maps_cut = jit.cut,
		.perf_map_lines_bad = jit.bad_lines,
		.kernel_symbols = kernel_names_count(s->kernel),
	};
}

size_t symbolizer_memory(const struct symbolizer *s)
{
	return sizeof(*s) + kernel_names_memory(s->kernel) +
	       executable_names_memory(s->executables) + jit_names_memory(s->jit) +
	       name_cache_memory(s->cache);
}
