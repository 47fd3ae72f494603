/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the process table: lives, and how they are found and changed. Shared by
 * life.c, process_table.c (the table as its owner sees it), process_lookup.c (samples),
 * process_apply.c (events) and process_repair.c (/proc).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "process/cgroups.h"
#include "process/mappings.h"
#include "process/process_object.h"
#include "process/process_proc.h"

/*
 * The offset between the two clocks is only known to within the time that reading both takes. No
 * pid comes round so fast.
 */
#define LIFE_SLACK_NS (10 * 1000 * 1000ULL)

/* Value of life.loss: not all about it is known, reading it from /proc would help. */
#define LIFE_INCOMPLETE UINT64_MAX

/*
 * One life of a tgid, from fork to the exit of its last thread. An exec does not end it; it
 * replaces its process.
 */
struct life {
	struct process *process;  /* as samples see it now; one reference */
	struct life *older;	  /* the life before with the same tgid */
	struct life *prev, *next; /* in the table's list of the living or of the dead */
	struct life *young_prev, *young_next;
	struct mappings *mappings; /* NULL = none known */
	uint32_t *threads;	   /* ids of the living ones besides the first, ascending */
	uint32_t n_threads, threads_allocated;
	uint32_t tgid;
	uint64_t cgroup_id; /* that the process's identity was taken from; 0 = it was not */
	uint64_t read_time; /* when /proc was read: events until then are known; 0 = never */
	uint64_t loss;	    /* the table's number of losses when it was last known to be right */
	bool start_exact;   /* start_boottime is from a sample, not rounded to ticks */
	bool leader_exited;
	bool awaits_executable; /* exec'd; its first mapping of a file is the executable */
	bool young;		/* in the table's list of the young */
	UT_hash_handle hh;	/* by tgid; only the newest life of a tgid is in the hash */
};

struct process_table {
	struct life *newest;	    /* hash */
	struct life *living, *dead; /* lists; the dead in the order of their exits */
	struct life *young; /* list of those whose cgroup is still to be read, oldest first */
	uint64_t n_living, n_dead;
	int proc_fd; /* -1 = without */
	struct shared_set *names;
	struct mappings_account account;
	struct cgroups *cgroups;
	uint64_t grace_ns;
	uint64_t boottime_offset; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC; grows with every suspend */
	uint64_t loss;		  /* how often records were lost */
	uint32_t repairs_left;	  /* until the next process_table_expire() */
	uint64_t thread_memory;
	struct {
		uint64_t sideband_events, sideband_lost, proc_rescans, unknown_processes,
			forgotten_early;
	} counts;
};

/* life.c */

struct life *life_newest(const struct process_table *t, uint32_t tgid);
/*
 * A new life, which takes the reference of @p, also when it fails. The lives before it are over
 * now; it is over itself if its number has a life that began later. NULL: no memory.
 */
struct life *life_new(struct process_table *t, struct process *p, uint64_t start_time);
/* Frees what is in no list any more. */
void life_free(struct process_table *t, struct life *life);
/* Takes a dead life out of the table and frees it. */
void life_forget(struct process_table *t, struct life *life);
void life_end(struct process_table *t, struct life *life, uint64_t time);
/* Dead by error: an event or /proc says that it lives. */
void life_revive(struct process_table *t, struct life *life);

/*
 * Makes life->process one that may be changed: itself if only the table holds it, else a copy.
 * NULL: no memory.
 */
struct process *life_own_process(struct life *life);

int life_set_comm(struct life *life, const char *comm);
int life_set_executable(struct life *life, struct shared *file);
int life_set_identity(struct life *life, struct shared *identity);
int life_add_thread(struct process_table *t, struct life *life, uint32_t tid);
/* False if there is no such thread. */
bool life_remove_thread(struct life *life, uint32_t tid);
void life_set_threads(struct process_table *t, struct life *life, uint32_t *threads, uint32_t n);

/* process_repair.c */

/* Reads a process of which no event told. -ESRCH if it is not there, -ENOMEM. */
int life_from_proc(struct process_table *t, uint32_t tgid, struct life **ret);
/* Reads it again: it is changed, ended or, if its number was given away, followed by a new life. */
int life_reread(struct process_table *t, struct life *life, uint64_t now);
/* What process_table_expire() does beside forgetting: a bounded part of it at each call. */
void process_table_upkeep(struct process_table *t, uint64_t now);
uint64_t process_table_monotonic(struct process_table *t, uint64_t boottime);
