/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which table a frame's name comes from, and how much memory all of them may have. Tables can be
 * dropped at any time, because names are copied out of them into the cache of names; that cache
 * is what strings handed out live in, and only symbolizer_trim() empties it.
 *
 * A frame of a file has two sources: its symbol table, and its source lines with the functions that
 * were inlined. Both are asked of parser processes and may come too late for this time. What is in
 * the symbol table names the outermost, the real function; but where Go's table of lines leaves out
 * a function that its compiler has made, that is not the one that is meant. The kernel is a file
 * with lines, too, if its vmlinux is there; its symbol table is kallsyms.
 */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/debug_file.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"
#include "profile/sample.h"
#include "symbolize/executable_lines.h"
#include "symbolize/executable_names.h"
#include "symbolize/jit_names.h"
#include "symbolize/jit_programs.h"
#include "symbolize/jit_runtime.h"
#include "symbolize/kernel_file.h"
#include "symbolize/kernel_names.h"
#include "symbolize/name_cache.h"
#include "worker/worker.h"

#define DEFAULT_BUDGET	 ((size_t)64 << 20)
#define DEFAULT_RETRY_NS (600 * NS_PER_S)
#define DEFAULT_PATIENCE (400 * NS_PER_MS)
#define SMALL_TABLE	 ((size_t)8 << 10) /* names of a file that are kept all */
#define LEAST_PATIENCE	 (20 * NS_PER_MS)
#define NAMES_PART	 64
#define LINES_PART	 16
#define MAX_POLL_MS	 1000 /* workers want to see now and then what takes too long */

struct symbolizer {
	char *debug_directories, *proc;
	bool without_proc;
	size_t budget;
	uint64_t clock;			   /* a number for each look-up: what was used when */
	uint64_t expire_at, expire_before; /* monotonic ns; the clock one period earlier */
	struct kernel_names *kernel;
	struct kernel_file *kernel_file;	  /* NULL = none is looked for */
	struct executable_table *table;		  /* borrowed; NULL = nothing can be opened */
	struct worker *name_worker, *line_worker; /* borrowed; NULL = in this process */
	struct executable_names_set *executables;
	struct executable_lines_set *lines; /* NULL = names only */
	uint64_t patience;
	bool all_patience;		     /* however little is missing */
	size_t names_missing, lines_missing; /* of what was wanted last */
	struct jit_names *jit;
	struct name_cache *cache;
	uint64_t frames_looked_up, frames_unnamed;
	uint64_t unnamed[UNNAMED_COUNT];
	struct jit_programs jit_programs;
	uint64_t lines_frames, lines_late;
};

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
	struct utsname name = {};
	const struct vmlinux_search search = {
		.root = o->root ? o->root : "/",
		.notes = o->notes ? o->notes : "/sys/kernel/notes",
		.release = name.release,
		.directories = s->debug_directories,
		.debuginfod = o->debuginfod,
	};
	int r = kernel_names_new(o->without_proc ? "" : kallsyms,
				 o->modules ? o->modules : "/proc/modules", &s->kernel);

	if (r < 0 || o->without_proc || o->without_lines)
		return r;
	uname(&name);
	return kernel_file_new(&search, retry_ns, &s->kernel_file);
}

static int make_tables(struct symbolizer *s, const struct symbolizer_options *o,
		       struct executable_table *executables)
{
	const struct executable_names_options options = {
		.executables = executables,
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
	s->without_proc = o->without_proc;
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

/* Drops the tables unused for longest, but none that was used for the look-up @keep_from. */
static void stay_in_budget(struct symbolizer *s, uint64_t keep_from)
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

/* Where the process sees files; NULL if that cannot be known any more. */
static const char *root_of(const struct symbolizer *s, const struct process *process,
			   char buffer[static PATH_MAX])
{
	if (!process || process->exit_time != 0 || s->without_proc)
		return NULL;
	snprintf(buffer, PATH_MAX, "%s/%u/root", s->proc, process->tgid);
	return buffer;
}

static const char *find_in_file(struct symbolizer *s, struct executable *x, uint64_t address,
				const struct process *process)
{
	char root[PATH_MAX];

	return executable_names_find(s->executables, x, address, root_of(s, process, root),
				     s->clock);
}

/* By executable; those of processes that can still be looked into first. */
static int compare_wanted(const void *a, const void *b)
{
	const struct wanted_frame *x = a, *y = b;
	uintptr_t p = (uintptr_t)x->frame.executable, q = (uintptr_t)y->frame.executable;

	if (p != q)
		return p < q ? -1 : 1;
	return (x->process && x->process->exit_time != 0) -
	       (y->process && y->process->exit_time != 0);
}

/* Of one executable. */
struct wanted_file {
	struct executable *executable;
	uint64_t *addresses;
	size_t n;
	const char *root;
};

static void want_lines(struct symbolizer *s, const struct wanted_file *f)
{
	if (s->lines)
		s->lines_missing += executable_lines_want(s->lines, f->executable, f->addresses,
							  f->n, f->root, s->clock);
}

static void want_names(struct symbolizer *s, const struct wanted_file *f)
{
	s->names_missing += executable_names_want(s->executables, f->executable, f->addresses, f->n,
						  f->root, s->clock);
}

/* Gives each executable with its addresses to @want. */
static void each_file(struct symbolizer *s, const struct wanted_frame *wanted, size_t n,
		      void (*want)(struct symbolizer *s, const struct wanted_file *f))
{
	_cleanup_free_ uint64_t *addresses = calloc(n, sizeof(*addresses));
	size_t end;

	for (size_t first = 0; addresses && first < n; first = end) {
		struct executable *x = wanted[first].frame.executable;
		char root[PATH_MAX];
		struct wanted_file f = {
			.executable = x,
			.addresses = addresses + first,
			.root = root_of(s, wanted[first].process, root),
		};

		for (end = first; end < n && wanted[end].frame.executable == x; end++)
			addresses[end] = executable_address(x, wanted[end].frame.address);
		f.n = end - first;
		want(s, &f);
	}
}

static void want_kernel_lines(struct symbolizer *s, const struct wanted_frame *wanted, size_t n)
{
	_cleanup_free_ uint64_t *addresses = NULL;
	uint64_t now = clock_monotonic_ns(), start, end;
	struct executable *kernel;
	size_t count = 0;

	kernel_names_range(s->kernel, now, &start, &end);
	kernel = kernel_file_get(s->kernel_file, start, end, now);
	if (!kernel)
		return;
	addresses = calloc(n, sizeof(*addresses));
	if (!addresses)
		return;
	for (size_t i = 0; i < n; i++)
		if (wanted[i].frame.kind == FRAME_KERNEL &&
		    kernel_file_of(s->kernel_file, wanted[i].frame.address, &addresses[count]))
			count++;
	s->lines_missing +=
		executable_lines_want(s->lines, kernel, addresses, count, NULL, s->clock);
}

static void want_jit(struct symbolizer *s, const struct wanted_frame *wanted, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (wanted[i].frame.kind == FRAME_ADDRESS && wanted[i].process)
			s->names_missing += jit_names_want(s->jit, wanted[i].process,
							   wanted[i].frame.address, s->clock);
}

static size_t keep_files(struct wanted_frame *wanted, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (wanted[i].frame.kind == FRAME_FILE)
			wanted[kept++] = wanted[i];
	return kept;
}

void symbolizer_want(struct symbolizer *s, struct wanted_frame *wanted, size_t n)
{
	s->clock++;
	s->names_missing = s->lines_missing = 0;
	if (n > 0 && s->lines && s->kernel_file)
		want_kernel_lines(s, wanted, n);
	want_jit(s, wanted, n);
	n = keep_files(wanted, n);
	if (n == 0)
		return;
	qsort(wanted, n, sizeof(*wanted), compare_wanted);
	each_file(s, wanted, n, want_lines);
	each_file(s, wanted, n, want_names);
}

/* Takes what has come. */
static void process(struct symbolizer *s, uint64_t now)
{
	if (s->name_worker)
		worker_process(s->name_worker, now);
	if (s->line_worker)
		worker_process(s->line_worker, now);
}

/* How long to wait for what is not known yet; 0 = it is known. */
static uint64_t latest(const struct symbolizer *s, uint64_t names, uint64_t lines)
{
	bool busy = executable_names_is_busy(s->executables) || jit_names_is_busy(s->jit);
	uint64_t until = busy ? names : 0;

	if (s->lines && executable_lines_is_busy(s->lines))
		until = MAX(until, lines);
	return until;
}

static void wait_until(struct symbolizer *s, uint64_t names, uint64_t lines)
{
	struct pollfd fds[2];
	nfds_t n = 0;
	uint64_t now = clock_monotonic_ns(), until;

	if (s->name_worker)
		fds[n++] = (struct pollfd){ .fd = worker_fd(s->name_worker), .events = POLLIN };
	if (s->line_worker)
		fds[n++] = (struct pollfd){ .fd = worker_fd(s->line_worker), .events = POLLIN };
	process(s, now);
	while (now < (until = latest(s, names, lines))) {
		poll(fds, n, (int)MIN((until - now) / NS_PER_MS + 1, (uint64_t)MAX_POLL_MS));
		now = clock_monotonic_ns();
		process(s, now);
	}
}

/*
 * A profile that lacks nearly nothing is not held up for it: the full patience is for those that
 * lack a part in @part or more.
 */
static uint64_t patience_for(const struct symbolizer *s, size_t missing, size_t n, uint64_t part)
{
	uint64_t until = s->patience;

	if (!s->all_patience && missing == 0)
		return 0;
	if (!s->all_patience && missing * part < n)
		until = MAX(until * missing * part / n, LEAST_PATIENCE);
	return __builtin_add_overflow(clock_monotonic_ns(), until, &until) ? UINT64_MAX : until;
}

void symbolizer_prepare(struct symbolizer *s, struct wanted_frame *wanted, size_t n)
{
	symbolizer_want(s, wanted, n);
	wait_until(s, patience_for(s, s->names_missing, n, NAMES_PART),
		   patience_for(s, s->lines_missing, n, LINES_PART));
}

static enum unnamed_reason why(struct symbolizer *s, const struct frame *frame,
			       const struct process *process)
{
	struct executable_names_status status;
	enum unnamed_reason reason;
	uint64_t start, end;

	switch (frame->kind) {
	case FRAME_KERNEL:
		kernel_names_range(s->kernel, clock_monotonic_ns(), &start, &end);
		return start ? UNNAMED_kernel_unknown : UNNAMED_kernel_hidden;
	case FRAME_FILE:
		executable_names_status(frame->executable, &status);
		return status.why ? status.why : UNNAMED_no_symbol; /* out of memory */
	default:
		reason = process ? jit_names_why(s->jit, process) : UNNAMED_NOT;
		if (reason != UNNAMED_NOT)
			return reason;
		return process && jit_runtime_of(process->executable) ? UNNAMED_jit_without_map
								      : UNNAMED_anonymous;
	}
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
		return NULL; /* a line has its name: find_jit() */
	}
}

/* What a frame without a symbol is called. */
static struct cached_name make_up(struct symbolizer *s, const struct frame *frame,
				  enum unnamed_reason reason)
{
	const char *module = reason == UNNAMED_anonymous ? "[anon]" : "[jit]", *slash;
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

/* Code that the process has made and told of. */
static size_t find_jit(struct symbolizer *s, const struct frame *frame, struct process *process,
		       struct line_frame *ret)
{
	struct jit_symbol symbol;

	if (!process || !jit_names_find(s->jit, process, frame->address, s->clock, &symbol))
		return 0;
	*ret = (struct line_frame){
		.name = symbol.name,
		.file = symbol.file ? symbol.file : "",
		.line = symbol.line,
		.column = symbol.column,
	};
	return 1;
}

/* The source lines at a frame, innermost function first; 0 = none are known (yet). */
static size_t find_lines(struct symbolizer *s, const struct frame *frame, struct line_frame *ret,
			 size_t max)
{
	struct executable *x = NULL;
	uint64_t address;
	bool late;
	size_t n;

	if (frame->kind == FRAME_FILE) {
		x = frame->executable;
		address = executable_address(x, frame->address);
	} else if (frame->kind == FRAME_KERNEL && s->kernel_file) {
		x = kernel_file_of(s->kernel_file, frame->address, &address);
	}
	if (!s->lines || !x)
		return 0;
	n = executable_lines_find(s->lines, x, address, ret, max, s->clock, &late);
	s->lines_frames += n > 0;
	s->lines_late += late;
	return n;
}

static struct symbol symbol_of(struct symbolizer *s, const struct line_frame *line,
			       struct cached_name names)
{
	return (struct symbol){
		.name = names.name,
		.system_name = names.system_name,
		.file = line->file[0] ? name_cache_text(s->cache, line->file).name : NULL,
		.line = line->line,
		.column = line->column,
		.start_line = line->start_line,
	};
}

static void count_unnamed(struct symbolizer *s, enum unnamed_reason reason,
			  const struct process *process)
{
	s->frames_unnamed++;
	s->unnamed[reason]++;
	if (reason == UNNAMED_jit_without_map)
		jit_programs_count(&s->jit_programs, process->executable);
}

size_t symbolizer_frame(struct symbolizer *s, const struct frame *frame, struct process *process,
			struct symbol *ret, size_t max)
{
	enum unnamed_reason reason = UNNAMED_NOT;
	struct line_frame lines[SYMBOL_MAX_INLINED];
	struct cached_name names;
	const char *symbol;
	size_t n;

	s->clock++;
	s->frames_looked_up++;
	symbol = find(s, frame, process);
	n = frame->kind == FRAME_ADDRESS
		    ? find_jit(s, frame, process, lines)
		    : find_lines(s, frame, lines, MIN(max, (size_t)SYMBOL_MAX_INLINED));
	if (n == 0)
		lines[n++] = (struct line_frame){ .name = "", .file = "" };
	if ((!symbol || lines[n - 1].is_exact) && lines[n - 1].name[0])
		symbol = lines[n - 1].name;
	for (size_t i = 0; i + 1 < n; i++)
		ret[i] = symbol_of(s, &lines[i],
				   lines[i].name[0] ? name_cache_symbol(s->cache, lines[i].name)
						    : name_cache_text(s->cache, "[inlined]"));
	if (symbol) {
		names = name_cache_symbol(s->cache, symbol);
	} else {
		reason = why(s, frame, process);
		names = make_up(s, frame, reason);
		count_unnamed(s, reason, process);
	}
	ret[n - 1] = symbol_of(s, &lines[n - 1], names);
	ret[n - 1].unnamed = !symbol;
	ret[n - 1].why = reason;
	stay_in_budget(s, s->clock);
	return n;
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
	stay_in_budget(s, s->clock);
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
	stay_in_budget(s, UINT64_MAX);
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
		.lines_frames = s->lines_frames,
		.lines_late = s->lines_late,
		.lines_asked = lines.asked,
		.lines_failed = lines.failed,
		.lines_crashed = lines.crashed,
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
