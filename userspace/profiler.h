/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiler: everything from the kernel's records to windows, in one object. It owns the
 * collector, the stream, the process and executable tables and the symbolizer, and knows no event
 * loop: its owner calls profiler_drain() every PROFILER_DRAIN_NS, and when profiler_fd() is
 * readable. profd and profctl (when there is no daemon) use it in the same way.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "collect/collector.h"
#include "collect/stream.h"
#include "fetch/debuginfod.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/selection.h"
#include "profile/window.h"
#include "symbolize/symbolizer.h"
#include "unwinding.h"

#define PROFILER_DRAIN_NS  (200 * 1000000ULL)
#define PROFILER_WINDOW_NS (10 * 1000000000ULL)

struct pipeline;
struct profiler;

struct table_manager;

struct profiler_options {
	struct collector_options collector;
	struct symbolizer_options symbolizer;
	struct unwinding_options unwinding;
	struct debuginfod_options debuginfod; /* no URLs = none is asked */
	uint64_t window;		      /* ns; 0 = PROFILER_WINDOW_NS */
	/* Idle waits (profile/wait.h) are not in the continuous windows: nobody reads them there.
	 */
	size_t cumulative_memory; /* bytes of the waits since the start; 0 = they are not kept */
	size_t tap_memory;	  /* bytes of all open taps together; 0 = no bound */
	const char *capture_path; /* write the raw stream there; NULL = do not */
	/*
	 * Gets each window of the continuous stream when it is over, and owns it. NULL = there is
	 * no continuous window (profctl); only taps collect.
	 */
	void (*window_closed)(void *userdata, struct window *w);
	void *userdata;
};

/* Loads BPF, starts sampling, reads /proc. The errors are those of collector_new(). */
int profiler_new(const struct profiler_options *o, struct profiler **ret, struct error *e);
struct profiler *profiler_free(struct profiler *p);

int profiler_fd(const struct profiler *p);
/*
 * Takes in all there is, closes windows and finishes taps that are over. @now: monotonic ns. An
 * error (-errno) is one of the kernel side or of memory; what could be done was done, and the next
 * call goes on. Callbacks may open, finish and cancel taps, but must not drain.
 */
int profiler_drain(struct profiler *p, uint64_t now);
/* When to drain next if profiler_fd() does not become readable before: at the end of a tap. */
uint64_t profiler_due(const struct profiler *p, uint64_t now);
/*
 * Handles also what has not settled yet, so that a process is known as soon as it has started.
 * Records that come later for the time before are then handled late; not to be done all the time.
 * False: something is held back for an unwinding table, and what has started since is not known.
 */
bool profiler_catch_up(struct profiler *p, uint64_t now);
/*
 * The continuous window that is open now, and (@ret_until) up to when samples are in it. Borrowed,
 * until the next drain. NULL if there is none.
 */
const struct window *profiler_window(const struct profiler *p, uint64_t *ret_until);
/* Ends the continuous window now (rotation, shutdown). */
void profiler_close_window(struct profiler *p, uint64_t now);
/* The error that has ended the capture, -errno; 0 if it is well, or if there is none. */
int profiler_capture_error(const struct profiler *p);

/*
 * A tap collects the samples of a selection from now on, beside the continuous windows, until its
 * end time; then @done gets the window and owns it. @done is called from profiler_drain(), at the
 * first drain that has seen everything up to the end; or from profiler_tap_finish().
 *
 * Of a wait, what falls into the tap's time counts, whether it began before or goes on at the end:
 * waits that go on are read then, and the tap is held open until the drain after that.
 *
 * When the open taps use up their memory, those that have PROFILER_TAP_MIN_BYTES lose what comes;
 * it is in their quality records.
 */
#define PROFILER_MAX_TAPS      64 /* more at one time are refused with -EBUSY */
#define PROFILER_TAP_MIN_BYTES (4U << 20)

struct profiler_tap;
typedef void (*profiler_tap_fn)(void *userdata, struct window *w);

struct profiler_tap_options {
	const struct selection *selection; /* NULL = everything */
	uint64_t end_time;
	uint32_t kinds;	       /* bits 1 << enum abi_sample_kind; 0 = cpu */
	uint32_t wait_reasons; /* of kind block, bits 1 << enum wait_reason; 0 = all */
	struct pprof_ahead
		*ahead; /* borrowed: what of the profile is made before; NULL = nothing */
	profiler_tap_fn done;
	void *userdata;
};

int profiler_tap_open(struct profiler *p, const struct profiler_tap_options *o,
		      struct profiler_tap **ret);
/* Ends it early and calls done with what there is. The tap is gone afterwards. */
void profiler_tap_finish(struct profiler_tap *tap, uint64_t now);
/* Gives up without calling done. Accepts NULL. Not to be called after done was called. */
struct profiler_tap *profiler_tap_cancel(struct profiler_tap *tap);
/* Bytes that the open taps have. */
size_t profiler_taps_memory(const struct profiler *p);

/*
 * The waits since the start, kinds block and mutex; NULL if they are not kept. Borrowed, until the
 * next drain.
 */
struct window *profiler_cumulative(struct profiler *p);
/*
 * The waits that go on now, as far as they have come: what the cumulative window does not have yet,
 * and without threads, as there.
 * @reasons as for a tap. The caller frees the window. -ENOTSUP if waits are not sampled.
 */
int profiler_read_waits(struct profiler *p, const struct selection *s, uint32_t reasons,
			struct window **ret);

/* How many processes match now, those that ended within the grace period included. */
size_t profiler_count_matches(struct profiler *p, const struct selection *s);
/* The same of what /proc tells, all of which is read: for when profiler_catch_up() could not. */
size_t profiler_count_running(const struct selection *s);

/* The parts, for naming, metrics and status. Borrowed. */
struct collector *profiler_collector(struct profiler *p);
struct symbolizer *profiler_symbolizer(struct profiler *p);
struct process_table *profiler_processes(struct profiler *p);
struct executable_table *profiler_executables(struct profiler *p);
struct stream *profiler_stream(struct profiler *p);
struct table_manager *profiler_tables(struct profiler *p);
struct unwinding *profiler_unwinding(struct profiler *p);
struct pipeline *profiler_pipeline(struct profiler *p);
/* NULL if none is asked. */
struct debuginfod *profiler_debuginfod(struct profiler *p);
/* ns between two samples of a CPU. */
uint64_t profiler_period(const struct profiler *p);
/* CLOCK_REALTIME - CLOCK_MONOTONIC, ns, now. */
int64_t profiler_wall_offset(const struct profiler *p);

/*
 * Runs a capture through the pipeline: one window with all its samples. The caller frees
 * @ret_window; the symbolizer belongs to the replay, which must outlive the window's encoding.
 */
struct replay;
int replay_run(const char *path, struct replay **ret, struct error *e);
struct window *replay_window(struct replay *r);
struct symbolizer *replay_symbolizer(struct replay *r);
uint64_t replay_period(const struct replay *r);
int64_t replay_wall_offset(const struct replay *r);
struct replay *replay_free(struct replay *r);
