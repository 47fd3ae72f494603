/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Side-band events change the table. What the kernel sends, seen on Linux 6.18 for dynamic, static
 * and #! programs, posix_spawn and threads:
 *
 * - fork, clone: FORK with tid == pid for a process, tid != pid for a thread. The child's mappings
 *   are not told; they are its parent's. CLONE_VM without CLONE_THREAD looks the same, and is
 *   treated the same: what parent and child map later is told for the one that does it only.
 * - exec: COMM with the exec flag and tid == pid, then one MMAP2 for each executable segment: first
 *   of what /proc/PID/exe will show (for #! the interpreter, while COMM is the script's name), then
 *   of ld.so, then [vdso]; the libraries follow as they are loaded.
 * - exec by another thread than the first: EXIT of all the others, the first (tid == pid) included,
 *   then COMM with tid == pid: the thread has become the first. Its own tid gets no EXIT.
 * - EXIT comes once for each thread, in any order; a process is over with the last of them.
 *
 * The events from the time between opening the side-band and reading /proc tell again what /proc
 * told. All that is done here can be done twice; after the last of them the state is right.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "process/life.h"
#include "process/sideband.h"

/* Later than this after its EXIT, an event of a dead process is of a life whose FORK was lost. */
#define REVIVE_NS NS_PER_S

/* Of another pid namespace, or of a task that is gone: the kernel gives no number for it. */
static bool is_nobody(uint32_t pid)
{
	return pid == 0 || pid == UINT32_MAX;
}

/* The parent's names and mappings are the child's until it execs. */
static struct process *process_of_child(const struct life *parent, const struct sideband_event *e)
{
	struct process *p;

	if (!parent)
		return process_new(e->pid, "");
	p = process_clone(parent->process);
	if (!p)
		return NULL;
	p->tgid = e->pid;
	p->start_boottime = 0;
	p->exec_time = p->exit_time = 0;
	return p;
}

static int begin_process(struct process_table *t, const struct sideband_event *e)
{
	struct life *known = life_newest(t, e->pid);
	struct life *parent = life_newest(t, e->ppid);
	struct life *life;
	struct process *p;

	/* /proc told of it first. */
	if (known && !known->process->exit_time && known->read_time >= e->time)
		return 0;
	p = process_of_child(parent, e);
	if (!p)
		return -ENOMEM;
	p->parent = e->ppid;
	life = life_new(t, p, e->time);
	if (!life)
		return -ENOMEM;
	if (!parent) {
		life->loss = LIFE_INCOMPLETE;
	} else {
		life->mappings = mappings_ref(parent->mappings);
		life->cgroup_id = parent->cgroup_id;
		life->awaits_executable = parent->awaits_executable;
	}
	return 0;
}

/*
 * The living process of an event. An event of one that was thought dead brings it to life (one of
 * its threads was not known), one of a process never heard of makes it.
 */
static int living(struct process_table *t, const struct sideband_event *e, struct life **ret)
{
	struct life *life = life_newest(t, e->pid);
	struct process *p;

	if (life && life->process->exit_time && e->time <= life->process->exit_time + REVIVE_NS)
		life_revive(t, life);
	if (life && !life->process->exit_time) {
		*ret = life;
		return 0;
	}
	p = process_new(e->pid, "");
	if (!p)
		return -ENOMEM;
	life = life_new(t, p, e->time);
	if (!life)
		return -ENOMEM;
	life->loss = LIFE_INCOMPLETE;
	*ret = life;
	return 0;
}

static int apply_fork(struct process_table *t, const struct sideband_event *e)
{
	struct life *life;
	int r;

	if (e->pid == e->tid)
		return begin_process(t, e);
	r = living(t, e, &life);
	return r < 0 ? r : life_add_thread(t, life, e->tid);
}

static void apply_exit(struct process_table *t, const struct sideband_event *e)
{
	struct life *life = life_newest(t, e->pid);

	/* A dead one, or the EXIT of the life before the one that /proc told of. */
	if (!life || life->process->exit_time || e->time < life->process->start_time)
		return;
	if (e->tid == e->pid)
		life->leader_exited = true;
	else
		life_remove_thread(life, e->tid);
	if (life->leader_exited && life->n_threads == 0)
		life_end(t, life, e->time);
}

/* A new program: nothing of the old one but the identity of the process and its cgroup. */
static int apply_exec(struct life *life, const struct sideband_event *e)
{
	struct process *p = life_own_process(life);

	if (!p)
		return -ENOMEM;
	p->exec_time = e->time;
	process_set_comm(p, e->name);
	process_set_executable(p, NULL);
	life->mappings = mappings_unref(life->mappings);
	life->awaits_executable = true;
	life->leader_exited = false;
	life->n_threads = 0;
	return 0;
}

static int apply_comm(struct process_table *t, const struct sideband_event *e)
{
	struct life *life;
	int r;

	r = living(t, e, &life);
	if (r < 0)
		return r;
	if (e->exec)
		return apply_exec(life, e);
	/* A thread's name is its own; the process is called like its first. */
	return e->tid == e->pid ? life_set_comm(life, e->name) : 0;
}

/* "//anon", "[heap]", "[stack]" and the like are not files; the vdso is nearly one. */
static bool is_file(const char *name)
{
	return (name[0] == '/' && name[1] != '/') || strcmp(name, "[vdso]") == 0;
}

static int add_mapping(struct process_table *t, struct life *life, const struct sideband_event *e,
		       struct shared *file)
{
	const struct mapping m = {
		.start = e->address,
		.end = e->address + e->size,
		.offset = e->offset,
		.file = file,
	};

	if (!life->mappings) {
		if (!file)
			return 0;
		life->mappings = mappings_new(&t->account);
		if (!life->mappings)
			return -ENOMEM;
	}
	return mappings_add(&life->mappings, &m);
}

static int apply_mmap(struct process_table *t, const struct sideband_event *e)
{
	struct shared *file = NULL;
	struct life *life;
	int r;

	r = living(t, e, &life);
	if (r < 0)
		return r;
	if (is_file(e->name)) {
		file = mapped_file_get(t->names, e->name, e->build_id, e->build_id_size);
		if (!file)
			return -ENOMEM;
	}
	r = add_mapping(t, life, e, file);
	if (r == 0 && life->awaits_executable && file && e->name[0] == '/') {
		life->awaits_executable = false;
		r = life_set_executable(life, file);
	}
	shared_unref(file);
	return r;
}

static void apply_lost(struct process_table *t, const struct sideband_event *e)
{
	t->counts.sideband_lost += e->lost;
	t->loss++;
}

int process_table_apply(struct process_table *t, const struct sideband_event *e)
{
	t->counts.sideband_events++;
	if (e->type == SIDEBAND_LOST) {
		apply_lost(t, e);
		return 0;
	}
	if (e->type == SIDEBAND_KSYMBOL || is_nobody(e->pid))
		return 0;
	switch (e->type) {
	case SIDEBAND_FORK:
		return apply_fork(t, e);
	case SIDEBAND_EXIT:
		apply_exit(t, e);
		return 0;
	case SIDEBAND_COMM:
		return apply_comm(t, e);
	case SIDEBAND_MMAP:
		return apply_mmap(t, e);
	default:
		return 0;
	}
}
