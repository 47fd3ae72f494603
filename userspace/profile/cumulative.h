/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All waits since the start, as Go's block and mutex profiles: one window that is never closed,
 * without threads, within a memory budget. As it grows, the waits of processes that have ended
 * become those of all that had the same name, executable and cgroup (cumulative_merge.h). When it
 * is full all the same, entries are folded: what they stand for goes into one entry for each name
 * of a process, reason and lock, without a stack. First go those of the processes that ended
 * longest ago, then those that stand for least. So totals never shrink.
 *
 * How it can be wrong: a merged wait belongs to no pid any more; a folded one neither to a unit or
 * container, and it is counted as what it was classed as without names (profile/wait.h). A stack
 * that comes again after it was folded begins at 0: who knows its sum from before sees it shrink.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/sample.h"

struct cumulative;
struct process;
struct window;

/* Names of processes that folded entries are told apart by; those of more are "[others]". */
#define CUMULATIVE_MAX_NAMES 256

struct cumulative_options {
	uint64_t start_time;
	size_t budget; /* bytes */
	/* See cumulative_merge.h; NULL = nothing is merged. */
	bool (*has_ended)(void *userdata, const struct process *p);
	void *userdata;
};

/* NULL when out of memory. */
struct cumulative *cumulative_new(const struct cumulative_options *o);
struct cumulative *cumulative_free(struct cumulative *c);

/* As window_add(). What folding finds no memory for stays as it is, over the budget. */
int cumulative_add(struct cumulative *c, const struct sample *s);

/* Borrowed, until something is added. */
struct window *cumulative_window(struct cumulative *c);
size_t cumulative_memory(const struct cumulative *c);
/* Entries that were folded, and those that became part of others by merging, so far. */
uint64_t cumulative_folded(const struct cumulative *c);
uint64_t cumulative_merged(const struct cumulative *c);
