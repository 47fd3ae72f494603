/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collecting without a daemon: a profiler of our own, as root. It samples from local_new() on, so
 * that several collections in a row (top) share the work of starting.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "profctl/wanted.h"
#include "profctl/watch.h"

struct child;
struct local;
struct selection;
struct window;

struct local_options {
	uint32_t frequency;	     /* Hz; 0 = the default */
	const struct wanted *wanted; /* what will be asked of it */
	uint64_t line_patience;	     /* ns that local_encode() waits for lines; 0 = the default */
};

/* The errors say what is missing and what to do. */
int local_new(const struct local_options *options, struct local **ret, struct error *e);
struct local *local_free(struct local *l);

struct local_request {
	const struct selection *selection;
	const struct wanted *wanted;
	uint64_t duration;   /* ns; 0 = until @watch says so */
	struct child *child; /* held; let go when collecting. The result is then of it and its
				    descendants, whatever the selection */
	const struct watch *watch;
};

/*
 * Collects into a window, which the caller frees. -ESRCH: the selection matches no process;
 * -ECANCELED: @watch gave up; others with words in @e.
 */
int local_collect(struct local *l, const struct local_request *r, struct window **ret,
		  struct error *e);

/* One kind of a window as a profile. Caller frees. */
int local_encode(struct local *l, struct window *w, const struct wanted *wanted, uint8_t kind,
		 struct recorded *ret, struct error *e);
