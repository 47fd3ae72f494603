/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stacks of a window: distinct frames have ids (1, 2, ... in the order in which they came),
 * stacks are rows of them, leaf first, and have ids too. Executables are held by a reference each;
 * processes are numbers here that the window gives.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "profile/sample.h"

struct intern;
struct known_stack;

struct window_stacks {
	struct intern *executables; /* struct executable * */
	struct intern *frames;	    /* struct frame_key, whole or its word */
	struct intern *stacks;	    /* ids of frames */
	uint32_t *frame_processes;  /* of frame id - 1, the process that had it last */
	uint32_t frame_processes_allocated;
	struct known_stack *known; /* by hash, n_known of them, a power of two; 0 once sealed */
	uint32_t n_known;
};

/* -ENOMEM: to be freed with window_stacks_done() all the same. */
int window_stacks_init(struct window_stacks *s);
void window_stacks_done(struct window_stacks *s);

/*
 * The id of a stack of @process, 0 for one of no frames. -ENOMEM; -EOVERFLOW if it has more than
 * SAMPLE_MAX_FRAMES, or a frame that cannot be expressed.
 */
int window_stacks_add(struct window_stacks *s, const struct frame *frames, size_t n,
		      uint32_t process, uint32_t *ret_id);
/* Nothing is added any more; memory that was held in reserve is given back. */
void window_stacks_seal(struct window_stacks *s);

/* The ids of a stack's frames, borrowed until something is added; returns how many. */
size_t window_stacks_get(const struct window_stacks *s, uint32_t stack,
			 const uint32_t **ret_frames);
/* How many distinct frames there are. */
uint32_t window_stacks_frames(const struct window_stacks *s);
/* Its executable is borrowed. @ret_process: of FRAME_ADDRESS whose it is, else who had it last. */
struct frame window_stacks_frame(const struct window_stacks *s, uint32_t id, uint32_t *ret_process);

size_t window_stacks_memory(const struct window_stacks *s);
