/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quality record: what became of the samples of a stretch of time. It is part of every window,
 * adds up when windows are merged, and is written into the comments of every profile.
 */
#pragma once

#include <stdint.h>

#include "abi.h"
#include "symbolize/unnamed.h"

struct quality {
	uint64_t samples_attempted;
	uint64_t samples_lost; /* by all processes together: a lost sample has no name */
	uint64_t sideband_lost;
	uint64_t user_stacks[ABI_STACK_ENDS_COUNT]; /* by ending; none, exec: no attempt */
	uint64_t user_frames, user_frames_guessed;
	uint64_t user_stacks_from_slices; /* unwound in user space, from a copy of the stack */
	/* Those without a name are counted when names are looked up. */
	uint64_t frames, frames_unnamed;
	uint64_t unnamed[UNNAMED_COUNT]; /* of frames_unnamed, by reason */
};

void quality_add(struct quality *sum, const struct quality *q);

/* The name of an ending: "complete", "no_mapping", ... */
const char *quality_end_name(unsigned int end);

/*
 * Calls @line for each line of the record, "profd: key=value" without newline: samples_attempted,
 * samples_lost, sideband_lost, user_stacks_attempted, user_stacks_complete,
 * user_stacks_truncated_REASON (each that is not zero), user_stacks_in_exec (not attempted; if it
 * is not zero), user_frames_guessed, user_stacks_from_slices, frames, frames_unnamed,
 * frames_unnamed_REASON (each that is not zero).
 */
void quality_lines(const struct quality *q, void (*line)(const char *text, void *userdata),
		   void *userdata);
