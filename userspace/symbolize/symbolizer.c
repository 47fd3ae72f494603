/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the symbolizer is made of, and how much memory all of it may have. Tables can be dropped at
 * any time, because names are copied out of them into the cache of names; that cache is what
 * strings handed out live in, and only symbolizer_trim() empties it.
 */
#include "symbolize/symbolizer_object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/debug_file.h"
#include "process/sideband.h"

#define DEFAULT_BUDGET	 ((size_t)64 << 20)
#define DEFAULT_RETRY_NS (600 * NS_PER_S)
#define DEFAULT_PATIENCE (400 * NS_PER_MS)
#define SMALL_TABLE	 ((size_t)8 << 10) /* names of a file that are kept all */

/* Of a file with lines: an executable, or the kernel. */
static int open_file(void *userdata, struct executable *x)
{
	struct symbolizer *s = userdata;
	int fd = s->kernel_file ? kernel_file_open(s->kernel_file, x) : -ENOENT;

	if (fd >= 0 || !s->table)
		return fd;
	return executable_table_open(s->table, x);
}

static int make_kernel(struct symbolizer *s, const struct symbolizer_options *o, uint64_t retry_ns)
{
	const char *kallsyms = o->kallsyms ? o->kallsyms : "/proc/kallsyms";
	const char *modules = o->modules ? o->modules : "/proc/modules";
	struct utsname name = {};
	const struct vmlinux_search search = {
		.root = o->root ? o->root : "/",
		.notes = o->notes ? o->notes : "/sys/kernel/notes",
		.release = name.release,
		.directories = s->debug_directories,
		.debuginfod = o->debuginfod,
	};
	int r = kernel_names_new(o->without_proc ? "" : kallsyms, modules, &s->kernel);

	if (r < 0 || o->without_proc || o->without_lines)
		return r;
	uname(&name);
	return kernel_file_new(&search, modules, retry_ns, &s->kernel_file);
}

static int make_tables(struct symbolizer *s, const struct symbolizer_options *o,
		       struct executable_table *executables)
{
	const struct executable_names_options options = {
		.executables = executables,
		.proc = o->without_proc ? NULL : s->proc,
		.debug_directories = s->debug_directories,
		.debuginfod = o->debuginfod,
		.reader = {
			.worker = o->worker,
			.job = o->symbol_job,
			.max_table = s->budget / 2,
		},
		.small_table = SMALL_TABLE,
		.retry_ns = o->retry_ns ? o->retry_ns : DEFAULT_RETRY_NS,
	};
	const struct executable_lines_options lines = {
		.open = open_file,
		.userdata = s,
		.proc = o->without_proc ? NULL : s->proc,
		.debug_directories = s->debug_directories,
		.debuginfod = o->debuginfod,
		.reader = { .worker = o->line_worker, .job = o->line_job },
		.retry_ns = options.retry_ns,
	};
	const struct jit_names_options jit = {
		.proc = o->without_proc ? NULL : s->proc,
		.max_map = s->budget / 4,
		.processes = o->processes,
		.worker = o->worker,
		.job = o->jit_job,
	};
	int r;

	s->table = executables;
	s->name_worker = o->worker;
	s->line_worker = o->without_lines ? NULL : o->line_worker;
	s->cache = name_cache_new(o->demangle);
	if (!s->cache)
		return -ENOMEM;
	r = make_kernel(s, o, options.retry_ns);
	if (r == 0)
		r = executable_names_new(&options, &s->executables);
	if (r == 0 && !o->without_lines)
		r = executable_lines_new(&lines, &s->lines);
	if (r == 0)
		r = jit_names_new(&jit, &s->jit);
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
	s->patience = o->patience_ns ? o->patience_ns : DEFAULT_PATIENCE;
	s->all_patience = o->patience_ns != 0;
	s->debug_directories =
		strdup(o->debug_directories ? o->debug_directories : DEBUG_FILE_DIRECTORIES);
	s->proc = strdup(o->proc ? o->proc : "/proc");
	if (s->debug_directories && s->proc)
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
	executable_lines_free(s->lines);
	kernel_file_free(s->kernel_file);
	jit_names_free(s->jit);
	name_cache_free(s->cache);
	jit_programs_done(&s->jit_programs);
	free(s->debug_directories);
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

void symbolizer_stay_in_budget(struct symbolizer *s, uint64_t keep_from)
{
	while (symbolizer_memory(s) - name_cache_memory(s->cache) > budget_of_tables(s)) {
		uint64_t executable = executable_names_oldest(s->executables);
		uint64_t jit = jit_names_oldest(s->jit);
		uint64_t lines = s->lines ? executable_lines_oldest(s->lines) : UINT64_MAX;
		uint64_t oldest = MIN(MIN(executable, jit), lines);

		if (oldest >= keep_from)
			return;
		if (oldest == lines)
			executable_lines_evict(s->lines);
		else if (oldest == executable)
			executable_names_evict(s->executables);
		else
			jit_names_evict(s->jit);
	}
}

void symbolizer_kernel_scheduler(struct symbolizer *s, uint64_t *ret_start, uint64_t *ret_end)
{
	kernel_names_scheduler(s->kernel, clock_monotonic_ns(), ret_start, ret_end);
}

void symbolizer_kernel_range(struct symbolizer *s, uint64_t *ret_start, uint64_t *ret_end)
{
	kernel_names_range(s->kernel, clock_monotonic_ns(), ret_start, ret_end);
}

void symbolizer_debug_file_arrived(struct symbolizer *s, const uint8_t *build_id, size_t size)
{
	executable_names_arrived(s->executables, build_id, size);
	if (s->lines)
		executable_lines_arrived(s->lines);
	if (s->kernel_file)
		kernel_file_look_again(s->kernel_file);
}

void symbolizer_kernel_changed(struct symbolizer *s, const struct sideband_event *event)
{
	if (event->type == SIDEBAND_LOST)
		kernel_names_lost(s->kernel);
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
	symbolizer_stay_in_budget(s, s->clock);
}

bool symbolizer_has_process(const struct symbolizer *s, const struct process *process)
{
	return jit_names_has(s->jit, process);
}

void symbolizer_forget_process(struct symbolizer *s, const struct process *process)
{
	jit_names_forget(s->jit, process);
}

void symbolizer_trim(struct symbolizer *s)
{
	if (name_cache_memory(s->cache) > budget_of_cache(s))
		name_cache_clear(s->cache);
	symbolizer_stay_in_budget(s, UINT64_MAX);
}

void symbolizer_expire(struct symbolizer *s, uint64_t now)
{
	if (now < s->expire_at)
		return;
	while (executable_names_oldest(s->executables) <= s->expire_before)
		executable_names_evict(s->executables);
	while (s->lines && executable_lines_oldest(s->lines) <= s->expire_before)
		executable_lines_evict(s->lines);
	s->expire_before = s->clock;
	s->expire_at = now + SYMBOLIZER_IDLE_NS;
}

void symbolizer_get_stats(const struct symbolizer *s, struct symbolizer_stats *ret)
{
	struct executable_names_stats files;
	struct jit_names_stats jit;
	struct executable_lines_stats lines = {};

	executable_names_get_stats(s->executables, &files);
	jit_names_get_stats(s->jit, &jit);
	if (s->lines)
		executable_lines_get_stats(s->lines, &lines);
	*ret = (struct symbolizer_stats){
		.frames_looked_up = s->frames_looked_up,
		.frames_unnamed = s->frames_unnamed,
		.tables_loaded = files.loaded,
		.tables_asked = files.asked,
		.tables_evicted = files.evicted + jit.evicted,
		.tables_failed = files.failed,
		.debug_files_failed = files.debug_failed,
		.tables_crashed = files.crashed,
		.tables_timed_out = files.timed_out,
		.lines_frames = s->lines_frames,
		.lines_late = s->lines_late,
		.lines_asked = lines.asked,
		.lines_failed = lines.failed,
		.lines_crashed = lines.crashed,
		.lines_timed_out = lines.timed_out,
		.lines_evicted = lines.evicted,
		.lines_split_missing = lines.split_missing,
		.lines_units_refused = lines.units_refused,
		.lines_sections_compressed = lines.sections_compressed,
		.perf_maps_loaded = jit.loaded,
		.perf_maps_cut = jit.cut,
		.perf_maps_failed = jit.failed,
		.perf_map_lines_bad = jit.bad_lines,
		.jitdumps_loaded = jit.dumps_loaded,
		.jitdumps_cut = jit.dumps_cut,
		.jitdumps_failed = jit.dumps_failed,
		.jitdump_records_bad = jit.dump_records_bad,
		.kernel_symbols = kernel_names_count(s->kernel),
	};
	memcpy(ret->unnamed, s->unnamed, sizeof(ret->unnamed));
}

const struct jit_programs *symbolizer_jit_programs(const struct symbolizer *s)
{
	return &s->jit_programs;
}

size_t symbolizer_memory(const struct symbolizer *s)
{
	return sizeof(*s) + kernel_names_memory(s->kernel) +
	       executable_names_memory(s->executables) + jit_names_memory(s->jit) +
	       (s->lines ? executable_lines_memory(s->lines) : 0) + name_cache_memory(s->cache);
}
