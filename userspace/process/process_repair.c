/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read from /proc: everything at the start, a process nobody told of, the processes whose
 * records may have been lost, and the cgroup of what lives longer than a second.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/life.h"

/* Processes read again by samples, and as many by upkeep, between two calls of expire (1 s). */
#define REPAIRS_PER_CALL 256

/*
 * A service's or container's first process is moved into its cgroup soon after its fork; the
 * children that live shorter than this are taken to be where their parent is.
 */
#define YOUNG_NS	 NS_PER_S
#define CGROUPS_PER_CALL 512

static struct proc_reader reader_of(struct process_table *t)
{
	return (struct proc_reader){ t->proc_fd, t->names, &t->account };
}

static uint64_t read_boottime_offset(void)
{
	uint64_t best_gap = UINT64_MAX, offset = 0;

	/* The three readings that lie closest together tell it best. */
	for (int i = 0; i < 3; i++) {
		uint64_t before = clock_monotonic_ns();
		uint64_t boottime = clock_ns(CLOCK_BOOTTIME);
		uint64_t gap = clock_monotonic_ns() - before;

		if (gap < best_gap) {
			best_gap = gap;
			offset = boottime - before;
		}
	}
	return offset;
}

uint64_t process_table_monotonic(struct process_table *t, uint64_t boottime)
{
	return boottime > t->boottime_offset ? boottime - t->boottime_offset : 0;
}

static int set_cgroup(struct process_table *t, struct life *life, const char *path)
{
	struct shared *identity = cgroups_by_path(t->cgroups, path);
	int r;

	if (!identity)
		return -ENOMEM;
	r = life_set_identity(life, identity);
	shared_unref(identity);
	return r;
}

/* Those known to be right are at the end of the list of the living, see reread_doubtful(). */
static void mark_right(struct process_table *t, struct life *life)
{
	life->loss = t->loss;
	if (life->process->exit_time)
		return;
	DL_DELETE(t->living, life);
	DL_APPEND(t->living, life);
}

/* Moves what was read into the life. */
static int take_facts(struct process_table *t, struct life *life, struct proc_facts *f,
		      uint64_t read_time)
{
	int r;

	mark_right(t, life);
	life->read_time = read_time;
	life->leader_exited = f->leader_exited;
	life->awaits_executable = false;
	life->process->parent = f->parent;
	if (!life->start_exact)
		life->process->start_boottime = f->start_boottime;
	life_set_threads(t, life, TAKE_PTR(f->threads), f->n_threads);
	mappings_unref(life->mappings);
	life->mappings = TAKE_PTR(f->mappings);
	r = life_set_comm(life, f->comm);
	/* A process that is just dying has none any more; it keeps what is known. */
	if (r == 0 && f->executable)
		r = life_set_executable(life, f->executable);
	if (r == 0 && f->cgroup)
		r = set_cgroup(t, life, f->cgroup);
	return r;
}

static int life_from_facts(struct process_table *t, struct proc_facts *f, uint64_t read_time,
			   struct life **ret)
{
	struct process *p = process_new(f->tgid, f->comm);
	struct life *life;
	int r;

	if (!p)
		return -ENOMEM;
	life = life_new(t, p, process_table_monotonic(t, f->start_boottime));
	if (!life)
		return -ENOMEM;
	r = take_facts(t, life, f, read_time);
	if (r < 0)
		return r;
	*ret = life;
	return 0;
}

/* Whether /proc shows the life that the table knows. */
static bool is_same_life(const struct process_table *t, const struct life *life,
			 uint64_t start_boottime)
{
	uint64_t known = life->process->start_boottime;

	if (known)
		return known >= start_boottime && known - start_boottime < 2 * proc_tick_ns();
	/* It began with a FORK record, written just after the start was taken. */
	return start_boottime <= life->process->start_time + t->boottime_offset + LIFE_SLACK_NS;
}

bool process_table_still_runs(const struct process_table *t, const struct process *p)
{
	const struct life *life = life_newest(t, p->tgid);
	uint64_t start;

	return life && life->process == p && !p->exit_time && t->proc_fd >= 0 &&
	       proc_read_start(t->proc_fd, p->tgid, &start) == 0 && is_same_life(t, life, start);
}

int life_from_proc(struct process_table *t, uint32_t tgid, struct life **ret)
{
	struct life *newest = life_newest(t, tgid);
	struct proc_reader reader = reader_of(t);
	uint64_t read_time = clock_monotonic_ns();
	struct proc_facts f;
	int r;

	r = proc_read(&reader, tgid, &f);
	if (r < 0)
		return r;
	if (newest && is_same_life(t, newest, f.start_boottime)) {
		if (newest->process->exit_time)
			life_revive(t, newest);
		*ret = newest;
		r = take_facts(t, newest, &f, read_time);
	} else {
		r = life_from_facts(t, &f, read_time, ret);
	}
	proc_facts_done(&f);
	return r;
}

int life_reread(struct process_table *t, struct life *life, uint64_t now)
{
	struct life *found;
	int r;

	t->counts.proc_rescans++;
	mark_right(t, life);
	r = life_from_proc(t, life->tgid, &found);
	if (r == -ENOMEM)
		return r;
	/* Gone, or its number is another's: then a new life has ended it already. */
	if (r == -ESRCH)
		life_end(t, life, now);
	return 0;
}

int process_table_scan(struct process_table *t)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd, r = 0;

	if (t->proc_fd < 0)
		return 0;
	fd = openat(t->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r != -ENOMEM && (entry = readdir(dir))) {
		struct life *life;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		/* Those that ended meanwhile are none. */
		r = life_from_proc(t, (uint32_t)strtoul(entry->d_name, NULL, 10), &life);
	}
	return r == -ENOMEM ? r : 0;
}

/*
 * The cgroup of those that have become old enough. A sample tells it too, where cgroups have ids;
 * but a service that sleeps must be found by its unit as well.
 */
static void read_young_cgroups(struct process_table *t, uint64_t now)
{
	int reads = 0;

	while (t->young && reads < CGROUPS_PER_CALL) {
		struct life *life = t->young;
		char *path;

		if (life->process->start_time + YOUNG_NS > now && !life->process->exit_time)
			break;
		DL_DELETE2(t->young, life, young_prev, young_next);
		life->young = false;
		if (life->process->exit_time || life->read_time)
			continue;
		reads++;
		if (proc_read_cgroup(t->proc_fd, life->tgid, &path) < 0)
			continue;
		(void)set_cgroup(t, life, path);
		free(path);
	}
}

/* After a loss: goes round the living, each is read once. */
static void reread_doubtful(struct process_table *t, uint64_t now)
{
	for (int i = 0; i < REPAIRS_PER_CALL && t->living; i++) {
		struct life *life = t->living;

		if (life->loss == t->loss)
			return;
		if (life_reread(t, life, now) < 0)
			return;
	}
}

void process_table_upkeep(struct process_table *t, uint64_t now)
{
	t->repairs_left = REPAIRS_PER_CALL;
	if (t->proc_fd < 0)
		return;
	t->boottime_offset = read_boottime_offset();
	read_young_cgroups(t, now);
	reread_doubtful(t, now);
}
