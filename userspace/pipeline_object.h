/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the pipeline, shared by pipeline.c (the parts and the stream's handler),
 * pipeline_sample.c (from a record to a sample) and pipeline_receivers.c (from a sample to
 * windows).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/stream.h"
#include "pipeline.h"
#include "profile/sample.h"
#include "receiver.h"

struct cumulative;
struct jit_watch;
struct unopened;
struct wakers;

struct pipeline {
	struct pipeline_options options;
	struct stream *stream;
	struct process_table *processes;
	struct executable_table *executables;
	struct symbolizer *symbolizer;
	struct jit_watch *jit;
	struct table_manager *tables; /* NULL = none */
	struct unopened *unopened;    /* files that have an id and no table yet */
	struct receiver **receivers;
	size_t n_receivers;
	struct cumulative *cumulative; /* NULL = none */
	struct wakers *wakers;
	uint64_t now, until; /* during a flush */
	uint64_t hold;
	uint64_t stream_time;	     /* of the latest sample */
	struct stream_stats counted; /* what of the stream's losses is in quality records */
	struct pipeline_stats stats;
};

/*
 * All of @a but its frames, and no process if there is no memory for it: such a sample must not be
 * delivered. The process is borrowed.
 */
struct sample pipeline_sample_of(struct pipeline *p, const struct abi_sample *a);
/*
 * Gives @s the frames of @a, which are written to the front of @frames, room for SAMPLE_MAX_FRAMES.
 * Their executables are borrowed.
 */
void pipeline_resolve_frames(struct pipeline *p, const struct abi_sample *a, struct sample *s,
			     struct frame *frames);
/*
 * Appends what the slice of @a is unwound to; @frames are those of @s. 0; -EAGAIN as of
 * slice_unwind(), and then @s is as it was.
 */
int pipeline_unwind_slice(struct pipeline *p, const struct abi_sample *a,
			  const struct abi_slice *slice, bool impatient, struct sample *s,
			  struct frame *frames);

/*
 * Takes a sample that is complete (names are all it lacks) to whoever wants it: a waker waits for
 * the wait that it has ended, a wait gets its waker. @from_slice: the stack came as one.
 */
void pipeline_deliver(struct pipeline *p, const struct abi_sample *a, struct sample *s,
		      bool from_slice);
/*
 * Counts what is lost in the quality records of every window that is open, and of every kind: what
 * is lost has no name and no kind, it may have been of any.
 */
void pipeline_lose(struct pipeline *p, uint64_t samples, uint64_t sideband);
