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

/* One entry. The pointers are valid until something is added. */
struct window_entry {
	const struct window *window; /* that it is in */
	struct process *process;
	uint32_t tid;
	uint8_t kind;
	uint8_t user_end;
	bool folded;
	struct wait wait;
	uint64_t samples;     /* observations that were added */
	int64_t count, value; /* what they stand for, as in struct sample */
	size_t n_frames;
	const uint32_t *frames; /* for window_frame(), leaf first */
	struct process *waker;	/* NULL = not known */
	size_t n_waker_frames;
	const uint32_t *waker_frames; /* leaf first */
};

/* Distinct frames of all stacks: they have the ids 1, 2, ... in the order in which they came. */
uint32_t window_frames(const struct window *w);
/*
 * A frame, and in @ret_process (which may be NULL) whose it is: for FRAME_ADDRESS the process in
 * which the address is meant, else one that had it. Both are borrowed from the window.
 */
struct frame window_frame(const struct window *w, uint32_t id, struct process **ret_process);

/* Adds what an entry of another window stands for. Errors as of window_add(). */
int window_add_entry(struct window *w, const struct window_entry *e);

/* Calls @visit for every entry, in the order of window_get(); stops at non-zero, which it returns.
 */
int window_each(const struct window *w, int (*visit)(const struct window_entry *e, void *userdata),
		void *userdata);
/* The entry that was the (@i + 1)th to come; it must be there. */
struct window_entry window_get(const struct window *w, uint32_t i);
