/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window: the samples of a stretch of time, rolled up. Equal (process, thread, stack, kind) are
 * one entry. A window owns all it needs (its own interned stacks, references to processes and
 * executables), so it is dropped as a whole and nothing else has to be told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/quality.h"
#include "profile/sample.h"

struct window;

struct window *window_new(uint64_t start_time);
struct window *window_free(struct window *w);

/*
 * Adds a sample, and counts it in the quality record (attempted, its ending, its frames); losses
 * are for the owner of the window to add there. -ENOMEM, or -EOVERFLOW if a frame cannot be
 * expressed: the sample is not in the window and the caller counts it as lost.
 */
int window_add(struct window *w, const struct sample *sample);
/* Ends it; nothing is added any more and memory that was held in reserve is given back. */
void window_close(struct window *w, uint64_t end_time);

uint64_t window_start(const struct window *w);
uint64_t window_end(const struct window *w);
struct quality *window_quality(struct window *w);
uint64_t window_samples(const struct window *w); /* sum of counts of all entries */
size_t window_memory(const struct window *w);

/* One entry, its frames put together again. The pointers are valid during the call only. */
struct window_entry {
	struct process *process;
	uint32_t tid;
	uint8_t kind;
	uint8_t user_end;
	uint64_t samples;     /* observations that were added */
	int64_t count, value; /* what they stand for */
	size_t n_frames;
	const struct frame *frames; /* leaf first */
};

/* Calls @visit for every entry, in no order; stops at non-zero, which it returns. */
int window_each(const struct window *w, int (*visit)(const struct window_entry *e, void *userdata),
		void *userdata);
