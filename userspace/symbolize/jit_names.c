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
#include "process/process.h"
#include "symbolize/jitdump_file.h"
#include "symbolize/perf_map.h"
#include "symbolize/perf_map_file.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define MAX_PROCESSES 16384
/* Jitdumps that are kept open: what a compiler writes when it ends is read when it has ended. */
#define MAX_OPEN 64

struct jit {
	UT_hash_handle hh;
	struct process *process;   /* key; a reference is held */
	struct perf_map *map;	   /* NULL = there was none */
	struct jitdump_file *dump; /* NULL = there was none */
	int dump_fd;		   /* -1 = it is opened each time */
	uint64_t used;
	struct jit *prev, *next; /* of those with either, or of those without */
};

struct jit_names {
	struct jit_names_options options;
	struct jit *by_process;
	struct jit *with_map, *without_map; /* least recently used first */
	size_t bytes;			    /* of maps and dumps */
	unsigned int open_dumps;
	struct jit_names_stats stats;
};

int jit_names_new(const struct jit_names_options *o, struct jit_names **ret)
{
	struct jit_names *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->options = *o;
	*ret = j;
	return 0;
}

static struct jit **list_of(struct jit_names *j, const struct jit *e)
{
	return e->map || e->dump ? &j->with_map : &j->without_map;
}

static size_t bytes_of(const struct jit *e)
{
	return (e->map ? perf_map_memory(e->map) : 0) +
	       (e->dump ? jitdump_file_memory(e->dump) : 0);
}

static void drop(struct jit_names *j, struct jit *e)
{
	struct jit **list = list_of(j, e);

	DL_DELETE(*list, e);
	HASH_DEL(j->by_process, e);
	j->bytes -= bytes_of(e);
	perf_map_free(e->map);
	jitdump_file_free(e->dump);
	if (e->dump_fd >= 0) {
		close(e->dump_fd);
		j->open_dumps--;
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
	free(j);
	return NULL;
}

static void read_map(struct jit_names *j, struct jit *e)
{
	const struct perf_map_limits limits = { .max_memory = j->options.max_map };
	_cleanup_close_ int fd =
		perf_map_file_open(j->options.proc, e->process->tgid, e->process->start_boottime);
	uint64_t bad_before;

	if (fd < 0)
		return;
	if (!e->map) {
		e->map = perf_map_new(&limits);
		if (!e->map)
			return;
		j->stats.loaded++;
	}
	bad_before = perf_map_bad_lines(e->map);
	/* What could be read before an error counts. */
	if (perf_map_read(e->map, fd) == -EFBIG)
		j->stats.cut++;
	j->stats.bad_lines += perf_map_bad_lines(e->map) - bad_before;
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

static void read_dump(struct jit_names *j, struct jit *e)
{
	const struct jitdump_file_options o = {
		.worker = j->options.worker,
		.job = j->options.jitdump_job,
		.max_memory = j->options.max_map,
	};
	_cleanup_close_ int found = -1;
	int fd = e->dump_fd, r;

	if (fd < 0 && e->process->exit_time == 0)
		fd = found = find_dump(j, e->process);
	if (fd < 0)
		return;
	if (!e->dump) {
		e->dump = jitdump_file_new(&o);
		if (!e->dump)
			return;
		j->stats.dumps_loaded++;
	}
	if (e->dump_fd < 0 && j->open_dumps < MAX_OPEN) {
		e->dump_fd = TAKE_FD(found);
		j->open_dumps++;
	}
	r = jitdump_file_read(e->dump, fd, &j->stats.dump_records_bad);
	j->stats.dumps_cut += r == -EFBIG;
	j->stats.dumps_failed += r < 0 && r != -EFBIG;
}

static void update(struct jit_names *j, struct jit *e)
{
	struct jit **list = list_of(j, e);

	if (!j->options.proc)
		return;
	DL_DELETE(*list, e);
	j->bytes -= bytes_of(e);
	/* Of the dead only what is open: the number may be another process's by now. */
	if (e->process->exit_time == 0)
		read_map(j, e);
	read_dump(j, e);
	j->bytes += bytes_of(e);
	list = list_of(j, e);
	DL_APPEND(*list, e);
}

static struct jit *add(struct jit_names *j, struct process *p)
{
	struct jit *e;

	if (HASH_COUNT(j->by_process) >= MAX_PROCESSES)
		drop(j, j->without_map ? j->without_map : j->with_map);
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->process = p;
	e->dump_fd = -1;
	HASH_ADD_PTR(j->by_process, process, e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	process_ref(p);
	DL_APPEND(j->without_map, e);
	return e;
}

static struct jit *get(struct jit_names *j, struct process *p, uint64_t now, bool again)
{
	struct jit *e, **list;

	HASH_FIND_PTR(j->by_process, &p, e);
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

bool jit_names_find(struct jit_names *j, struct process *p, uint64_t address, uint64_t now,
		    struct jit_symbol *ret)
{
	struct jit *e = get(j, p, now, false);
	const char *name;

	if (e && e->dump && jitdump_file_find(e->dump, address, ret))
		return true;
	name = e && e->map ? perf_map_find(e->map, address) : NULL;
	if (name)
		*ret = (struct jit_symbol){ .name = name };
	return name;
}

void jit_names_refresh(struct jit_names *j, struct process *p, uint64_t now)
{
	get(j, p, now, true);
}

void jit_names_forget(struct jit_names *j, const struct process *p)
{
	struct jit *e;

	HASH_FIND_PTR(j->by_process, &p, e);
	if (e)
		drop(j, e);
}

uint64_t jit_names_oldest(const struct jit_names *j)
{
	return j->with_map ? j->with_map->used : UINT64_MAX;
}

void jit_names_evict(struct jit_names *j)
{
	if (!j->with_map)
		return;
	j->stats.evicted++;
	drop(j, j->with_map);
}

void jit_names_get_stats(const struct jit_names *j, struct jit_names_stats *ret)
{
	*ret = j->stats;
}

size_t jit_names_memory(const struct jit_names *j)
{
	return sizeof(*j) + HASH_COUNT(j->by_process) * sizeof(struct jit) +
	       HASH_OVERHEAD(hh, j->by_process) + j->bytes;
}
