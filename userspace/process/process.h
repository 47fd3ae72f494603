/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process table: who a sample belongs to. A process is one life of a tgid; two lives with one
 * number are two processes. What a sample sees (comm, executable, unit, ...) never changes under
 * it: when a process execs or renames itself the table goes on with a new struct process, and
 * the samples taken before keep the old one. Only what was not known is filled in: the executable
 * of a process that was sampled in the midst of its exec, the cgroup, the start and exit times.
 *
 * It is fed with perf side-band records in the order of their times (see sideband.h) and reads
 * /proc once, at start, plus what lost records make necessary. How it can be wrong: a record that
 * the kernel lost; it is noticed (process_table_lost) and repaired from /proc.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct sideband_event;

struct process {
	uint32_t refs;
	uint32_t tgid;
	uint64_t start_boottime; /* ns of CLOCK_BOOTTIME; 0 until a sample or /proc told it */
	uint64_t start_time; /* ns of CLOCK_MONOTONIC: when this life began, or was first seen; it
				never changes in a life */
	uint64_t exec_time;  /* the same clock: of its last exec, 0 if it is not known of one */
	uint64_t exit_time;  /* 0 while it lives; set in the newest of a life only */
	uint32_t parent;     /* tgid */
	char *comm;	     /* of the process (its first thread); valid UTF-8 */
	char *executable;    /* path as the process knew it; "" for kernel threads and if unknown */
	char *cgroup;	     /* path in the hierarchy that systemd manages; "" if unknown */
	char *unit;	     /* systemd unit, NULL if none */
	char *container;     /* full container id, NULL if none */
};

/* Whether they are one life, before and after an exec or a new name. */
static inline bool process_is_same_life(const struct process *a, const struct process *b)
{
	return a->tgid == b->tgid && a->start_time == b->start_time;
}

/* A reference more; returns @p. */
struct process *process_ref(struct process *p);
/* A reference less, the last one frees; accepts NULL; returns NULL. */
struct process *process_unref(struct process *p);

/* One executable mapping of a process, as the side-band or /proc told it. */
struct process_mapping {
	uint64_t start, end;
	uint64_t offset;  /* in the file, of start; bytes */
	const char *path; /* as the process saw it, without " (deleted)"; owned by the table */
	const uint8_t *build_id; /* NULL if not known; owned by the table */
	uint8_t build_id_size;
	bool deleted;
};

struct process_table;

struct process_table_options {
	const char *proc;  /* "/proc" if NULL; tests give a directory of their own */
	uint64_t grace_ns; /* how long a process stays after its exit; 0 = 60 s */
	bool without_proc; /* replay: never look at the running machine */
};

#define PROCESS_TABLE_COUNTERS(X)                                                                  \
	X(processes, "processes in the table")                                                     \
	X(processes_exited, "of these, processes that have exited")                                \
	X(processes_forgotten_early, "exited processes forgotten before their grace was over")     \
	X(mappings, "executable mappings known")                                                   \
	X(mappings_dropped, "mappings dropped because a process had too many")                     \
	X(sideband_events, "perf side-band events applied")                                        \
	X(sideband_lost, "perf side-band events that the kernel lost")                             \
	X(proc_rescans, "processes read from /proc again after side-band events were lost")        \
	X(unknown_processes, "samples of processes of which no event had told")

struct process_table_stats {
#define X(name, help) uint64_t name;
	PROCESS_TABLE_COUNTERS(X)
#undef X
};

int process_table_new(const struct process_table_options *o, struct process_table **ret);
struct process_table *process_table_free(struct process_table *t);

/* Reads every process of /proc. To be called once, after the side-band is open. */
int process_table_scan(struct process_table *t);

/* Applies one side-band event. -ENOMEM, or 0: events that make no sense are counted, not refused.
 */
int process_table_apply(struct process_table *t, const struct sideband_event *event);

/*
 * The process of a sample: @tgid at @time (monotonic), known by BPF to have started at
 * @start_boottime (0 = not known) in cgroup @cgroup_id. Never NULL but for ENOMEM: a
 * process nobody told of is made from /proc, or from @comm alone. Borrowed reference: take one to
 * keep it.
 */
struct process *process_table_lookup(struct process_table *t, uint32_t tgid, uint64_t time,
				     uint64_t start_boottime, uint64_t cgroup_id, const char *comm);

/* The process with this number that lives now; NULL if there is none. Borrowed. */
struct process *process_table_find(struct process_table *t, uint32_t tgid);

/*
 * Whether @p, the newest of its life, is who has its number on the machine now. The table may be
 * behind: what ended it, or gave its number to another process, may not have been applied yet.
 */
bool process_table_still_runs(const struct process_table *t, const struct process *p);

/* The tgid of the parent of a (possibly dead) process; 0 if it is not known. */
uint32_t process_table_parent(struct process_table *t, uint32_t tgid, uint64_t start_boottime);

/* Copies the mapping of a (possibly dead) process that covers @address. -ENOENT if none does. */
int process_table_mapping(struct process_table *t, uint32_t tgid, uint64_t start_boottime,
			  uint64_t address, struct process_mapping *ret);

/* Calls @visit for the mappings of a process of the table; stops at non-zero. */
int process_table_each_mapping(struct process_table *t, const struct process *p,
			       int (*visit)(const struct process_mapping *m, void *userdata),
			       void *userdata);

/* Calls @visit for every process, dead ones in their grace period too; stops at non-zero. */
int process_table_each(struct process_table *t, int (*visit)(struct process *p, void *userdata),
		       void *userdata);

/* Forgets the dead whose grace is over. Call it about once a second. */
void process_table_expire(struct process_table *t, uint64_t now);

void process_table_get_stats(const struct process_table *t, struct process_table_stats *ret);
/* Bytes of memory in use, about. */
size_t process_table_memory(const struct process_table *t);
