/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser worker: bytes that other users control (ELF, DWARF, perf maps) are parsed in a child
 * process that has no privileges, a limit on memory and on time, and a seccomp filter that leaves
 * it little more than reading the descriptors it is given. It answers with plain bytes, which the
 * caller checks as if they came from the file itself.
 *
 * A job that crashes the child, or exceeds a limit, fails alone: the child is started again for
 * the next one. Whether a file is too much for the parser is told by CPU time, which is the same on
 * a busy machine. One job runs at a time; the others wait in the order they were given.
 *
 * How an answer can be wrong: the child may have been taken over by a hostile file. What it returns
 * is then arbitrary, but nothing else happened.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define WORKER_MAX_FDS	 32
#define WORKER_MAX_ARGS	 4096
#define WORKER_MAX_REPLY (512U << 20)

struct worker;

/*
 * What the child can do. Runs in the child: reads the descriptors (never writes, never maps them)
 * and returns 0 with a malloc'ed answer, or -errno.
 */
struct worker_job {
	const char *name;
	int (*run)(const int *fds, size_t n_fds, const void *args, size_t args_size,
		   void **ret_data, size_t *ret_size);
};

/* How much of the CPUs the child gets while others want them; as far as it may. */
enum worker_priority {
	WORKER_NORMAL,
	WORKER_IDLE,	/* what nobody else wants (SCHED_IDLE) */
	WORKER_AWAITED, /* more than others: short work, which others wait for */
};

struct worker_options {
	const struct worker_job *jobs; /* must outlive the worker */
	size_t n_jobs;
	size_t memory_limit; /* bytes of address space of the child; 0 = 1 GiB */
	/*
	 * A job may use so much CPU time, ns; 0 = 10 s. The other limit is from its beginning to
	 * its end, with the time in which it waits for the disk, or for a CPU that others have; 0 =
	 * six times as long. Where only that is given, it is both.
	 */
	uint64_t cpu_limit;
	uint64_t time_limit;
	enum worker_priority priority;
	/*
	 * What a child that is no parser is called in lists of processes; it may open connections,
	 * and files to read. Its filter refuses what could harm instead of allowing what is needed,
	 * because nobody knows what a resolver needs: it writes what it is given and no other file,
	 * whoever it is (nobody; who the caller is, where the caller may not change that any more).
	 */
	const char *network;
	uint64_t max_file; /* bytes of a file that it may write; 0 = WORKER_MAX_REPLY */
};

#define WORKER_COUNTERS(X)                                                                         \
	X(jobs, "files given to the parser process")                                               \
	X(jobs_failed, "of these, files that it refused")                                          \
	X(jobs_crashed, "of these, files on which it crashed")                                     \
	X(jobs_timed_out, "of these, files on which it was ended because it took too long")        \
	X(starts, "times the parser process was started")                                          \
	X(queued, "files waiting for the parser process")

struct worker_stats {
#define X(name, help) uint64_t name;
	WORKER_COUNTERS(X)
#undef X
};

/* Starts the child. Call it early: the smaller the caller, the less there is in the child. */
int worker_new(const struct worker_options *o, struct worker **ret, struct error *e);
/* Ends the child; jobs not done are dropped without a call. Accepts NULL, returns NULL. */
struct worker *worker_free(struct worker *w);

/*
 * The outcome of a job: 0 and bytes (borrowed, valid during the call), or -errno: what the job
 * returned, -ECHILD if the child died of it, -ETIME if it took too long.
 */
typedef void (*worker_done_fn)(void *userdata, int status, const void *data, size_t size);

/*
 * Queues job number @job. Descriptors are duplicated and arguments copied. @done is called once,
 * from worker_process() and from nowhere else.
 */
int worker_submit(struct worker *w, unsigned int job, const int *fds, size_t n_fds,
		  const void *args, size_t args_size, worker_done_fn done, void *userdata);

/* Readable when worker_process() has something to do; the same for the worker's whole life. */
int worker_fd(const struct worker *w);
/* Takes answers, enforces the time limit, gives the next job. Call it when readable and now and
 * then. */
void worker_process(struct worker *w, uint64_t now);

void worker_get_stats(const struct worker *w, struct worker_stats *ret);
