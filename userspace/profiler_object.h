/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the profiler, shared by profiler.c and profiler_tap.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler.h"
#include "receiver.h"

#define PROFILER_NEVER UINT64_MAX

struct profiler {
	struct profiler_options options;
	struct pipeline *pipeline;
	struct collector *collector;
	struct unwinding *unwinding;
	struct debuginfod *debuginfod; /* NULL = none is asked */
	struct capture_writer *capture;
	int epoll;		   /* of what wants to be drained early */
	struct receiver *window;   /* the continuous one; NULL = there is none */
	uint64_t window_end;	   /* PROFILER_NEVER = there is none */
	struct profiler_tap *taps; /* list */
	size_t n_taps;
	struct receiver_budget tap_budget;
	uint64_t horizon; /* records up to here have been handled */
	uint64_t next_tick;
	uint64_t counted_losses; /* what of the collector's is in quality records */
	bool advancing;
};

/* To be done before anything ends: what was lost belongs to all that is open. */
void profiler_count_losses(struct profiler *p);
/*
 * Handles all records up to @until (monotonic ns), and all that ends until then, in order. What
 * waits for an unwinding table holds up the rest, until a later call. Nothing if it is called by a
 * callback of itself. -ENOMEM if there is no continuous window any more, else 0.
 */
int profiler_advance(struct profiler *p, uint64_t until);

/* The tap to be looked after first, and (monotonic ns) when. NULL and PROFILER_NEVER: there is
 * none. */
struct profiler_tap *profiler_first_tap(const struct profiler *p, uint64_t *ret_when);
/* Its time has come: all records up to @now are handled. It may be gone afterwards. */
void profiler_tap_look_after(struct profiler_tap *tap, uint64_t now);
/* Asks for the names that the open taps will need. */
void profiler_name_ahead(struct profiler *p, uint64_t now);
