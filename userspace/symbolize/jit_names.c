/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed by struct process, of which a reference is held, so that no other process can take its
 * place. Processes without a map are remembered too: looking for one costs several system calls.
 */
#include "symbolize/jit_names.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "symbolize/perf_map.h"
#include "symbolize/perf_map_file.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define MAX_PROCESSES 16384

struct jit {
	UT_hash_handle hh;
	struct process *process; /* key; a reference is held */
	struct perf_map *map;	 /* NULL = there was none */
	uint64_t used;
	struct jit *prev, *next; /* of those with a map, or of those without */
};

struct jit_names {
	const char *proc;
	size_t max_map;
	struct jit *by_process;
	struct jit *with_map, *without_map; /* least recently used first */
	size_t bytes;			    /* of the maps */
	struct jit_names_stats stats;
};

int jit_names_new(const char *proc, size_t max_map, struct jit_names **ret)
{
	struct jit_names *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->proc = proc;
	j->max_map = max_map;
	*ret = j;
	return 0;
}

static struct jit **list_of(struct jit_names *j, const struct jit *e)
{
	return e->map ? &j->with_map : &j->without_map;
}

static void drop(struct jit_names *j, struct jit *e)
{
	struct jit **list = list_of(j, e);

	DL_DELETE(*list, e);
	HASH_DEL(j->by_process, e);
	if (e->map)
		j->bytes -= perf_map_memory(e->map);
	perf_map_free(e->map);
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

static void update(struct jit_names *j, struct jit *e)
{
	const struct perf_map_limits limits = { .max_memory = j->max_map };
	_cleanup_close_ int fd = -1;
	uint64_t bad_before;

	/* Its number may be another process's by now. */
	if (!j->proc || e->process->exit_time != 0)
		return;
	fd = perf_map_file_open(j->proc, e->process->tgid, e->process->start_boottime);
	if (fd < 0)
		return;
	if (!e->map) {
		struct perf_map *map = perf_map_new(&limits);

		if (!map)
			return;
		DL_DELETE(j->without_map, e);
		e->map = map;
		DL_APPEND(j->with_map, e);
		j->bytes += perf_map_memory(map);
		j->stats.loaded++;
	}
	j->bytes -= perf_map_memory(e->map);
	bad_before = perf_map_bad_lines(e->map);
	/* What could be read before an error counts. */
	if (perf_map_read(e->map, fd) == -EFBIG)
		j->stats.cut++;
	j->stats.bad_lines += perf_map_bad_lines(e->map) - bad_before;
	j->bytes += perf_map_memory(e->map);
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

const char *jit_names_find(struct jit_names *j, struct process *p, uint64_t address, uint64_t now)
{
	struct jit *e = get(j, p, now, false);

	return e && e->map ? perf_map_find(e->map, address) : NULL;
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
