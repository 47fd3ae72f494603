/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a sample finds the life it belongs to.
 *
 * While no FORK is lost the time alone decides: a tgid is given again only after the last thread of
 * its old life has exited, and a child runs only after its FORK was recorded. The start time finds
 * out the lost ones; it also finds a life when the table already knows newer ones.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/life.h"

/* A task still runs for a moment after its EXIT record. */
#define AFTERLIFE_NS NS_PER_S

/* Whether a sample's process that started at @start_boottime can be this life. */
static bool may_be(struct process_table *t, const struct life *life, uint64_t start_boottime)
{
	uint64_t known = life->process->start_boottime;

	if (start_boottime == 0 || known == start_boottime)
		return true;
	if (life->start_exact)
		return false;
	if (known)
		return start_boottime >= known && start_boottime - known < 2 * proc_tick_ns();
	/* A replayed capture has another boot's clocks. */
	if (t->proc_fd < 0)
		return true;
	return process_table_monotonic(t, start_boottime) <=
	       life->process->start_time + LIFE_SLACK_NS;
}

static struct life *find_life(struct process_table *t, uint32_t tgid, uint64_t time,
			      uint64_t start_boottime)
{
	struct life *newest = life_newest(t, tgid), *life;

	for (life = newest; life && start_boottime; life = life->older)
		if (life->start_exact && life->process->start_boottime == start_boottime)
			return life;
	for (life = newest; life; life = life->older)
		if (life->process->start_time <= time)
			break;
	if (!life || !may_be(t, life, start_boottime))
		return NULL;
	if (start_boottime == 0 && life->process->exit_time &&
	    time > life->process->exit_time + AFTERLIFE_NS)
		return NULL;
	return life;
}

static void learn_start(struct life *life, uint64_t start_boottime)
{
	if (start_boottime == 0 || life->start_exact)
		return;
	life->process->start_boottime = start_boottime;
	life->start_exact = true;
}

/* Reads it from /proc if it is there still and is the process of the sample. */
static int unknown_from_proc(struct process_table *t, uint32_t tgid, uint64_t start_boottime,
			     struct life **ret)
{
	uint64_t start;

	if (t->proc_fd < 0 || proc_read_start(t->proc_fd, tgid, &start) < 0)
		return -ESRCH;
	if (start_boottime && start_boottime - start >= 2 * proc_tick_ns())
		return -ESRCH;
	return life_from_proc(t, tgid, ret);
}

/* A process nobody told of. */
static struct life *make_unknown(struct process_table *t, uint32_t tgid, uint64_t time,
				 uint64_t start_boottime, const char *comm)
{
	uint64_t start_time = time;
	struct life *life = NULL;
	struct process *p;
	int r;

	t->counts.unknown_processes++;
	r = unknown_from_proc(t, tgid, start_boottime, &life);
	if (r != -ESRCH)
		return life;
	p = process_new(tgid, comm);
	if (!p)
		return NULL;
	if (start_boottime && t->proc_fd >= 0)
		start_time = MIN(time, process_table_monotonic(t, start_boottime));
	life = life_new(t, p, start_time);
	/* Nothing will tell of its end. */
	if (life && t->proc_fd >= 0)
		life_end(t, life, time);
	return life;
}

/* The sample's cgroup id is newer than anything inherited. */
static void learn_cgroup(struct process_table *t, struct life *life, uint64_t cgroup_id)
{
	struct shared *identity;
	char *path;

	if (cgroup_id == 0 || cgroup_id == life->cgroup_id || !cgroups_have_ids(t->cgroups))
		return;
	life->cgroup_id = cgroup_id;
	identity = cgroups_by_id(t->cgroups, cgroup_id);
	if (!identity && !life->process->exit_time &&
	    proc_read_cgroup(t->proc_fd, life->tgid, &path) == 0) {
		identity = cgroups_by_path(t->cgroups, path);
		free(path);
		cgroups_remember(t->cgroups, cgroup_id, identity);
	}
	if (identity)
		life_set_identity(life, identity);
	shared_unref(identity);
}

/* Records were lost since the life was known to be right, or its EXIT was not the last of it. */
static bool is_doubtful(const struct process_table *t, const struct life *life, uint64_t time)
{
	if (t->proc_fd < 0)
		return false;
	if (life->process->exit_time)
		return life == life_newest(t, life->tgid) && life->process->start_boottime &&
		       time > life->process->exit_time + AFTERLIFE_NS;
	return life->loss != t->loss;
}

struct process *process_table_lookup(struct process_table *t, uint32_t tgid, uint64_t time,
				     uint64_t start_boottime, uint64_t cgroup_id, const char *comm)
{
	struct life *life = find_life(t, tgid, time, start_boottime);

	if (!life)
		life = make_unknown(t, tgid, time, start_boottime, comm);
	if (!life)
		return NULL;
	learn_start(life, start_boottime);
	if (is_doubtful(t, life, time) && t->repairs_left > 0) {
		t->repairs_left--;
		life_reread(t, life, time);
	}
	if (!life->process->comm[0])
		process_set_comm(life->process, comm);
	learn_cgroup(t, life, cgroup_id);
	return life->process;
}
