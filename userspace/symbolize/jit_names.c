/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed by struct process, of which a reference is held, so that no other process can take its
 * place. Processes without either are remembered too: looking for them costs several system calls.
 */
#include "symbolize/jit_names.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/process.h"
#include "symbolize/jit_file.h"
#include "symbolize/perf_map_file.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define MAX_PROCESSES 16384
/* Files of each format that are kept open. */
#define MAX_OPEN 64
/* Of a perf map that are read in all. */
#define MAX_MAP_BYTES ((uint64_t)64 << 20)
/* Names that are wanted and not there make a file be read again after so long. */
#define AGAIN_NS (1 * NS_PER_S)

struct jit {
	UT_hash_handle hh;
	struct process *process;	     /* key; a reference is held */
	struct jit_file *files[JIT_FORMATS]; /* NULL = there was none */
	int fds[JIT_FORMATS];		     /* -1 = it is opened each time */
	uint64_t read_at;		     /* monotonic ns */
	uint64_t used;
	struct jit *prev, *next; /* of those with a file, or of those without */
};

struct jit_names {
	struct jit_names_options options;
	struct jit_reader readers[JIT_FORMATS];
	unsigned int n_open[JIT_FORMATS];
	struct jit *by_process;
	struct jit *with_file, *without_file; /* least recently used first */
	uint64_t evicted;
};

int jit_names_new(const struct jit_names_options *o, struct jit_names **ret)
{
	struct jit_names *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->options = *o;
	for (enum jit_format i = 0; i < JIT_FORMATS; i++)
		j->readers[i] = (struct jit_reader){
			.format = i,
			.worker = o->worker,
			.job = o->job,
			.max_memory = o->max_map,
			.max_bytes = i == JIT_PERF_MAP ? MAX_MAP_BYTES : 0,
		};
	*ret = j;
	return 0;
}

static struct jit **list_of(struct jit_names *j, const struct jit *e)
{
	for (enum jit_format i = 0; i < JIT_FORMATS; i++)
		if (e->files[i])
			return &j->with_file;
	return &j->without_file;
}

/* Keeps @fd, or nothing if it is -1, in place of what was open. */
static void keep_open(struct jit_names *j, struct jit *e, enum jit_format format, int fd)
{
	if (e->fds[format] >= 0) {
		close(e->fds[format]);
		j->n_open[format]--;
	}
	if (fd >= 0 && j->n_open[format] >= MAX_OPEN) {
		close(fd);
		fd = -1;
	}
	e->fds[format] = fd;
	j->n_open[format] += fd >= 0;
}

static void drop(struct jit_names *j, struct jit *e)
{
	struct jit **list = list_of(j, e);

	DL_DELETE(*list, e);
	HASH_DEL(j->by_process, e);
	for (enum jit_format i = 0; i < JIT_FORMATS; i++) {
		keep_open(j, e, i, -1);
		jit_file_free(e->files[i]);
	}
	process_unref(e->process);
	free(e);
}

struct jit_names *jit_names_free(struct jit_names *j)
{
	struct jit *e, *next;

	if (!j)
		return NULL;
	HASH_ITER(hh, j->by_process, e, next)
		drop(j, e);
	for (enum jit_format i = 0; i < JIT_FORMATS; i++)
		jit_reader_done(&j->readers[i]);
	free(j);
	return NULL;
}

struct dump_search {
	struct jit_names *names;
	struct process *process;
	int fd;
};

static int try_mapping(const struct process_mapping *m, void *userdata)
{
	struct dump_search *s = userdata;

	if (!jitdump_file_is_named(m->path))
		return 0;
	s->fd = jitdump_file_open(s->names->options.proc, s->process->tgid,
				  s->process->start_boottime, m->path);
	return s->fd >= 0;
}

static int find_dump(struct jit_names *j, struct process *p)
{
	struct dump_search search = { .names = j, .process = p, .fd = -1 };

	if (j->options.processes)
		process_table_each_mapping(j->options.processes, p, try_mapping, &search);
	return search.fd;
}

/*
 * The file of a process that lives. A perf map can be replaced by another one, a jitdump is mapped
 * for good. Of the dead only what is open: the number may be another process's by now.
 */
static int find_file(struct jit_names *j, const struct jit *e, enum jit_format format)
{
	const struct process *p = e->process;

	if (p->exit_time != 0)
		return -ESRCH;
	if (format == JIT_PERF_MAP)
		return perf_map_file_open(j->options.proc, p->tgid, p->start_boottime);
	return e->fds[format] >= 0 ? -EALREADY : find_dump(j, e->process);
}

static void read_file(struct jit_names *j, struct jit *e, enum jit_format format)
{
	_cleanup_close_ int fd = find_file(j, e, format);
	int from = fd >= 0 ? fd : e->fds[format];

	if (from < 0)
		return;
	if (!e->files[format])
		e->files[format] = jit_file_new(&j->readers[format]);
	if (!e->files[format])
		return;
	jit_file_read(e->files[format], from);
	if (fd >= 0)
		keep_open(j, e, format, TAKE_FD(fd));
}

static void update(struct jit_names *j, struct jit *e)
{
	struct jit **list = list_of(j, e);

	if (!j->options.proc)
		return;
	DL_DELETE(*list, e);
	for (enum jit_format i = 0; i < JIT_FORMATS; i++)
		read_file(j, e, i);
	e->read_at = clock_monotonic_ns();
	list = list_of(j, e);
	DL_APPEND(*list, e);
}

static struct jit *add(struct jit_names *j, struct process *p)
{
	struct jit *e;

	if (HASH_COUNT(j->by_process) >= MAX_PROCESSES)
		drop(j, j->without_file ? j->without_file : j->with_file);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->process = p;
	for (enum jit_format i = 0; i < JIT_FORMATS; i++)
		e->fds[i] = -1;
	HASH_ADD_PTR(j->by_process, process, e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	process_ref(p);
	DL_APPEND(j->without_file, e);
	return e;
}

static struct jit *find(const struct jit_names *j, const struct process *p)
{
	struct jit *e;

	HASH_FIND_PTR(j->by_process, &p, e);
	return e;
}

static struct jit *get(struct jit_names *j, struct process *p, uint64_t now, bool again)
{
	struct jit *e = find(j, p), **list;

	if (!e) {
		e = add(j, p);
		again = true;
	}
	if (!e)
		return NULL;
	if (again)
		update(j, e);
	e->used = now;
	list = list_of(j, e);
	if (e->next) {
		DL_DELETE(*list, e);
		DL_APPEND(*list, e);
	}
	return e;
}

static bool look_up(const struct jit *e, uint64_t address, struct jit_symbol *ret)
{
	for (int i = JIT_FORMATS - 1; i >= 0; i--)
		if (e->files[i] && jit_file_find(e->files[i], address, ret))
			return true;
	return false;
}

static bool is_being_read(const struct jit *e)
{
	for (enum jit_format i = 0; i < JIT_FORMATS; i++)
		if (e->files[i] && jit_file_is_being_read(e->files[i]))
			return true;
	return false;
}

bool jit_names_want(struct jit_names *j, struct process *p, uint64_t address, uint64_t now)
{
	struct jit *e = get(j, p, now, false);
	struct jit_symbol symbol;

	if (!e)
		return false;
	if (!look_up(e, address, &symbol) && clock_monotonic_ns() >= e->read_at + AGAIN_NS)
		update(j, e);
	/* What is known of the address may be of earlier code. */
	return is_being_read(e);
}

bool jit_names_is_busy(const struct jit_names *j)
{
	for (enum jit_format i = 0; i < JIT_FORMATS; i++)
		if (j->readers[i].readings)
			return true;
	return false;
}

bool jit_names_find(struct jit_names *j, struct process *p, uint64_t address, uint64_t now,
		    struct jit_symbol *ret)
{
	const struct jit *e = get(j, p, now, false);

	return e && look_up(e, address, ret);
}

enum unnamed_reason jit_names_why(const struct jit_names *j, const struct process *p)
{
	const struct jit *e = find(j, p);
	int error = 0;

	if (!e)
		return UNNAMED_NOT;
	if (is_being_read(e))
		return UNNAMED_late;
	for (enum jit_format i = 0; i < JIT_FORMATS; i++)
		if (e->files[i] && jit_file_error(e->files[i]) < 0)
			error = jit_file_error(e->files[i]);
	return error ? unnamed_reason_of(error) : UNNAMED_NOT;
}

void jit_names_refresh(struct jit_names *j, struct process *p, uint64_t now)
{
	get(j, p, now, true);
}

bool jit_names_has(const struct jit_names *j, const struct process *p)
{
	return find(j, p);
}

void jit_names_forget(struct jit_names *j, const struct process *p)
{
	struct jit *e = find(j, p);

	if (e)
		drop(j, e);
}

uint64_t jit_names_oldest(const struct jit_names *j)
{
	return j->with_file ? j->with_file->used : UINT64_MAX;
}

void jit_names_evict(struct jit_names *j)
{
	if (!j->with_file)
		return;
	j->evicted++;
	drop(j, j->with_file);
}

void jit_names_get_stats(const struct jit_names *j, struct jit_names_stats *ret)
{
	const struct jit_reader *maps = &j->readers[JIT_PERF_MAP];
	const struct jit_reader *dumps = &j->readers[JIT_JITDUMP];

	*ret = (struct jit_names_stats){
		.evicted = j->evicted,
		.loaded = maps->loaded,
		.cut = maps->cut,
		.failed = maps->failed,
		.bad_lines = maps->bad,
		.dumps_loaded = dumps->loaded,
		.dumps_cut = dumps->cut,
		.dumps_failed = dumps->failed,
		.dump_records_bad = dumps->bad,
	};
}

size_t jit_names_memory(const struct jit_names *j)
{
	return sizeof(*j) + HASH_COUNT(j->by_process) * sizeof(struct jit) +
	       HASH_OVERHEAD(hh, j->by_process) + j->readers[JIT_PERF_MAP].memory +
	       j->readers[JIT_JITDUMP].memory;
}
