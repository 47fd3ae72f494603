/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From records to windows: what a live profiler and a replay have in common. The pipeline owns the
 * stream, the tables and the symbolizer; whoever has records puts them into its stream and flushes.
 * There can be any number of receivers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "receiver.h"
#include "symbolize/symbolizer.h"
#include "unwind/table_store.h"

struct abi_file_announcement;
struct executable;
struct executable_table;
struct pipeline;
struct process_table;
struct stream;
struct table_manager;
struct window;
struct worker;

/*
 * How long a stack is held back for a table. A profile is late by so much at the most; scrapers
 * give up after about 3 s.
 */
#define PIPELINE_PATIENCE_NS 1500000000ULL

struct pipeline_options {
	struct symbolizer_options symbolizer;
	uint64_t start_time;	  /* of the cumulative window, monotonic ns */
	size_t cumulative_memory; /* its budget, bytes; 0 = there is none */
	bool without_proc;	  /* replay: never look at the running machine */
	bool same_vdso;		  /* without_proc: but its vdso is the right one */
	/* May be NULL. Called when a file got its executable (capture). */
	void (*file_announced)(void *userdata, const struct abi_file_announcement *file,
			       const struct executable *x);
	void *userdata;
};

#define PIPELINE_COUNTERS(X)                                                                       \
	X(samples, "samples taken from the stream")                                                \
	X(samples_dropped_memory, "samples that found no room in a window")                        \
	X(files_dropped_memory, "files without rules or names: no memory to look for them")        \
	X(frames_without_file, "frames with a file id that was never announced, or forgotten")     \
	X(slices_unwound, "stacks that came as memory and were unwound in user space")             \
	X(slices_unwound_early, "of these, stacks that could not wait for all their tables")       \
	X(slices_waiting, "stacks that wait for a table now, and hold up what is later")           \
	X(waits_woken, "waits that were joined with the stack of who ended them")                  \
	X(waits_without_waker, "waits that nobody was seen to end: time, an interrupt, a loss")    \
	X(wakers_given_up, "stacks that ended a wait which did not come, or too late")             \
	X(wakers_dropped_memory, "stacks that ended a wait, dropped because memory ran out")       \
	X(waits_ongoing, "waits that were in a profile before they had ended")                     \
	X(waits_merged,                                                                            \
	  "entries of the cumulative profiles that became one with those of others of its name")   \
	X(waits_folded, "entries of the cumulative profiles that gave up their stacks")

struct pipeline_stats {
#define X(name, help) uint64_t name;
	PIPELINE_COUNTERS(X)
#undef X
};

int pipeline_new(const struct pipeline_options *o, struct pipeline **ret);
/* Receivers go with it. */
struct pipeline *pipeline_free(struct pipeline *p);

struct pipeline_tables {
	struct table_store_memory memory;
	uint64_t budget;		  /* bytes of rows; 0 = the store's default */
	struct worker *worker;		  /* borrowed; its job @job is table_job_run() */
	struct worker *background_worker; /* borrowed; NULL = the same */
	unsigned int job;
	int cache_dirfd; /* borrowed; -1 = none */
};

/*
 * Loads unwinding tables from now on into @o->memory: of each file that is announced, and of those
 * given to table_manager_bind(). Without, stacks that come as slices stay unwound. 0 or -errno.
 */
int pipeline_use_tables(struct pipeline *p, const struct pipeline_tables *o);

/*
 * Begins to gather what is selected, from its start time on. The receiver is the pipeline's; what
 * is gathered so far is receiver_window(), complete up to the last flush. 0 or -ENOMEM.
 */
int pipeline_receive(struct pipeline *p, const struct receiver_options *o, struct receiver **ret);
/*
 * Gives it a wait that goes on: a record of collector_read_waits(). It is unwound with the tables
 * there are. When the same wait ends after receiver_end() it is not added again.
 */
void pipeline_add_ongoing(struct pipeline *p, struct receiver *r, const void *record, size_t size);
/* Ends that; the caller owns the window. */
struct window *pipeline_take(struct pipeline *p, struct receiver *r, uint64_t end_time);
/* Gives up. Accepts NULL. */
void pipeline_drop(struct pipeline *p, struct receiver *r);

/*
 * Handles all records not later than @until; @now is the time of the clock that they carry. Returns
 * up to when all is handled: it may be earlier, because a stack can wait for an unwinding table for
 * PIPELINE_PATIENCE_NS.
 */
uint64_t pipeline_flush(struct pipeline *p, uint64_t until, uint64_t now);
/*
 * Adds samples that were lost before they reached the stream to every receiver's quality record,
 * and what the stream itself has dropped since the last call.
 */
void pipeline_count_losses(struct pipeline *p, uint64_t samples);
/*
 * All waits since the start, for kinds block and mutex; NULL if there is none. Borrowed, until the
 * next flush.
 */
struct window *pipeline_cumulative(struct pipeline *p);
/* What is to be done about once a second: forget the dead, bring memory back within budgets. */
void pipeline_tick(struct pipeline *p, uint64_t now);

/* The parts. Borrowed. */
struct stream *pipeline_stream(struct pipeline *p);
struct process_table *pipeline_processes(struct pipeline *p);
struct executable_table *pipeline_executables(struct pipeline *p);
struct symbolizer *pipeline_symbolizer(struct pipeline *p);
struct table_manager *pipeline_tables(struct pipeline *p); /* NULL = there are none */
void pipeline_get_stats(const struct pipeline *p, struct pipeline_stats *ret);
