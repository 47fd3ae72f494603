/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window: the samples of a stretch of time, rolled up. Equal (process, thread, stack, kind, wait,
 * waker) are one entry. A window owns all it needs (its own interned stacks, references to
 * processes and executables), so it is dropped as a whole and nothing else has to be told.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/quality.h"
#include "profile/sample.h"

/* Kinds of sample that a window holds: numbers below this. */
#define WINDOW_KINDS (ABI_KIND_MUTEX + 1)

struct window;

struct window *window_new(uint64_t start_time);
struct window *window_free(struct window *w);

/*
 * Adds a sample, and counts it in the quality record of its kind (attempted, its ending, its
 * frames); losses are for the owner of the window to add there. -ENOMEM, or -EOVERFLOW if a frame
 * cannot be expressed: the sample is not in the window and the caller counts it as lost.
 */
int window_add(struct window *w, const struct sample *sample);
/* Ends it; nothing is added any more and memory that was held in reserve is given back. */
void window_close(struct window *w, uint64_t end_time);

uint64_t window_start(const struct window *w);
uint64_t window_end(const struct window *w);
/* The record of one enum abi_sample_kind; each kind has its own. */
struct quality *window_quality(struct window *w, unsigned int kind);
uint64_t window_samples(const struct window *w); /* sum of counts of all entries of kind cpu */
bool window_has_kind(const struct window *w, unsigned int kind);
size_t window_memory(const struct window *w);
uint32_t window_entries(const struct window *w); /* how many */

/* One entry, its frames put together again. The pointers are valid during the call only. */
struct window_entry {
	struct process *process;
	uint32_t tid;
	uint8_t kind;
	uint8_t user_end;
	bool folded;
	struct wait wait;
	uint64_t samples;     /* observations that were added */
	int64_t count, value; /* what they stand for, as in struct sample */
	size_t n_frames;
	const struct frame *frames; /* leaf first */
	struct process *waker;	    /* NULL = not known */
	size_t n_waker_frames;
	const struct frame *waker_frames; /* leaf first */
};

/* Adds what an entry of another window stands for. Errors as of window_add(). */
int window_add_entry(struct window *w, const struct window_entry *e);

/* Calls @visit for every entry, in no order; stops at non-zero, which it returns. */
int window_each(const struct window *w, int (*visit)(const struct window_entry *e, void *userdata),
		void *userdata);
/*
 * The same for those that were added after the first @first, in the order in which they were added.
 * Returns how many were visited without stopping.
 */
uint32_t window_each_from(const struct window *w, uint32_t first,
			  int (*visit)(const struct window_entry *e, void *userdata),
			  void *userdata);
