/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table as its owner sees it: made, aged, asked about.
 *
 * How an answer can be wrong: by a lost FORK between two lives of one tgid, as long as no sample's
 * start time contradicts; by a lost COMM or MMAP2 until the process is read again (see
 * process_repair.c). A lost EXIT is noticed at the next FORK of the number, or then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/life.h"

#define GRACE_NS (60 * NS_PER_S)

/* A storm of short processes is kept shorter than the grace period, so that memory is bounded. */
#define DEAD_MAX 32768

int process_table_new(const struct process_table_options *o, struct process_table **ret)
{
	struct process_table *t = calloc(1, sizeof(*t));
	int r = -ENOMEM;

	if (!t)
		return -ENOMEM;
	t->proc_fd = -1;
	t->grace_ns = o && o->grace_ns ? o->grace_ns : GRACE_NS;
	if (!o || !o->without_proc) {
		t->proc_fd =
			open(o && o->proc ? o->proc : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (t->proc_fd < 0) {
			r = -errno;
			goto fail;
		}
	}
	t->names = shared_set_new();
	if (!t->names)
		goto fail;
	t->cgroups = cgroups_new(t->proc_fd, t->names);
	if (!t->cgroups)
		goto fail;
	process_table_upkeep(t, 0);
	*ret = t;
	return 0;
fail:
	process_table_free(t);
	return r;
}

struct process_table *process_table_free(struct process_table *t)
{
	struct life *life, *next;

	if (!t)
		return NULL;
	HASH_CLEAR(hh, t->newest);
	DL_FOREACH_SAFE(t->living, life, next)
		life_free(t, life);
	DL_FOREACH_SAFE(t->dead, life, next)
		life_free(t, life);
	cgroups_free(t->cgroups);
	shared_set_free(t->names);
	closep(&t->proc_fd);
	free(t);
	return NULL;
}

void process_table_expire(struct process_table *t, uint64_t now)
{
	while (t->dead) {
		bool over = t->dead->process->exit_time + t->grace_ns <= now;

		if (!over && t->n_dead <= DEAD_MAX)
			break;
		t->counts.forgotten_early += !over;
		life_forget(t, t->dead);
	}
	process_table_upkeep(t, now);
}

struct process *process_table_find(struct process_table *t, uint32_t tgid)
{
	struct life *life = life_newest(t, tgid);

	return life && !life->process->exit_time ? life->process : NULL;
}

static void describe_mapping(const struct mapping *m, struct process_mapping *ret)
{
	const struct mapped_file *file = mapped_file(m->file);

	*ret = (struct process_mapping){
		.start = m->start,
		.end = m->end,
		.offset = m->offset,
		.path = file->path,
		.build_id = file->build_id_size ? file->build_id : NULL,
		.build_id_size = file->build_id_size,
		.deleted = file->deleted,
	};
}

/* The life with this start; else, since not every life's start is known, the newest. */
static struct life *life_of_start(const struct process_table *t, uint32_t tgid,
				  uint64_t start_boottime)
{
	struct life *newest = life_newest(t, tgid), *life;

	for (life = newest; life; life = life->older)
		if (life->start_exact && life->process->start_boottime == start_boottime)
			return life;
	if (newest && newest->start_exact && start_boottime)
		return NULL;
	return newest;
}

uint32_t process_table_parent(struct process_table *t, uint32_t tgid, uint64_t start_boottime)
{
	struct life *life = life_of_start(t, tgid, start_boottime);

	return life ? life->process->parent : 0;
}

int process_table_mapping(struct process_table *t, uint32_t tgid, uint64_t start_boottime,
			  uint64_t address, struct process_mapping *ret)
{
	struct life *life = life_of_start(t, tgid, start_boottime);
	const struct mapping *m = life ? mappings_find(life->mappings, address) : NULL;

	if (!m)
		return -ENOENT;
	describe_mapping(m, ret);
	return 0;
}

int process_table_each_mapping(struct process_table *t, const struct process *p,
			       int (*visit)(const struct process_mapping *m, void *userdata),
			       void *userdata)
{
	struct life *life = life_newest(t, p->tgid);
	int r = 0;

	while (life && life->process != p)
		life = life->older;
	for (uint32_t i = 0; r == 0 && life && life->mappings && i < life->mappings->n; i++) {
		struct process_mapping m;

		if (!life->mappings->items[i].file)
			continue;
		describe_mapping(&life->mappings->items[i], &m);
		r = visit(&m, userdata);
	}
	return r;
}

int process_table_each(struct process_table *t, int (*visit)(struct process *p, void *userdata),
		       void *userdata)
{
	struct life *life;
	int r = 0;

	DL_FOREACH(t->living, life) {
		r = visit(life->process, userdata);
		if (r)
			return r;
	}
	DL_FOREACH(t->dead, life) {
		r = visit(life->process, userdata);
		if (r)
			return r;
	}
	return 0;
}

void process_table_get_stats(const struct process_table *t, struct process_table_stats *ret)
{
	*ret = (struct process_table_stats){
		.processes = t->n_living + t->n_dead,
		.processes_exited = t->n_dead,
		.processes_forgotten_early = t->counts.forgotten_early,
		.mappings = t->account.mappings,
		.mappings_dropped = t->account.dropped,
		.sideband_events = t->counts.sideband_events,
		.sideband_lost = t->counts.sideband_lost,
		.proc_rescans = t->counts.proc_rescans,
		.unknown_processes = t->counts.unknown_processes,
	};
}

size_t process_table_memory(const struct process_table *t)
{
	return sizeof(*t) +
	       (t->n_living + t->n_dead) * (sizeof(struct life) + sizeof(struct process_object)) +
	       HASH_OVERHEAD(hh, t->newest) + t->account.memory + t->thread_memory +
	       shared_set_memory(t->names) + cgroups_memory(t->cgroups);
}
