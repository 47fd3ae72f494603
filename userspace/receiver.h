/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A receiver gathers the samples of a selection in a window. Of waits it may take the part only
 * that falls into its time, and those that had not ended when its time was over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct receiver;
struct sample;
struct selection;
struct window;

/*
 * The memory of receivers together, bytes. What comes when it is used up is lost, but for a
 * receiver that has less than @each. Tables double when they grow, so one may come to twice its
 * part.
 */
struct receiver_budget {
	size_t max, each; /* max 0 = no bound */
	size_t used;	  /* for the receivers to change */
};

struct receiver_options {
	const struct selection *selection; /* NULL = everything; copied */
	uint64_t start_time;		   /* monotonic ns */
	uint32_t kinds;			   /* bits 1 << enum abi_sample_kind; 0 = all */
	uint32_t wait_reasons;		   /* of kind block, bits 1 << enum wait_reason; 0 = all */
	/*
	 * Of a wait only what falls between start and end counts. Without, a wait belongs as a
	 * whole to where it ends.
	 */
	bool clip;
	/*
	 * It goes with what has ended since the start: what is equal but for the thread is one, and
	 * a wait that goes on is wanted only if it is sure to be kept when it ends.
	 */
	bool of_all_time;
	struct receiver_budget *budget; /* must outlive the receiver; NULL = none */
};

/* NULL when out of memory. */
struct receiver *receiver_new(const struct receiver_options *o);
/* With its window. Accepts NULL. */
struct receiver *receiver_free(struct receiver *r);

/*
 * From now on it gets nothing of the time after @end_time (monotonic ns) but what earlier waits
 * have of the time before: they can end later.
 */
void receiver_end(struct receiver *r, uint64_t end_time);

/* Whether @r wants @s; then *@ret is what it gets of it. Frames are not looked at. */
bool receiver_wants(const struct receiver *r, const struct sample *s, struct sample *ret);
/*
 * The same for a wait that goes on. It is noted, so that it is not wanted again when it ends; what
 * cannot be noted, for want of memory, is not wanted.
 */
bool receiver_wants_ongoing(struct receiver *r, const struct sample *s, struct sample *ret);
/*
 * Adds what one of these has given. @from_slice: its stack was unwound in user space. 0,
 * -ENOMEM or -ENOSPC (the budget is used up): then it is lost in the window's quality record.
 */
int receiver_add(struct receiver *r, const struct sample *part, bool from_slice);

/* Borrowed. */
struct window *receiver_window(const struct receiver *r);
/* The caller owns the window, which is closed at @end_time or at its start; @r is gone. */
struct window *receiver_take(struct receiver *r, uint64_t end_time);
