/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows become files. What could not be written (a full disk) stays in the store and is tried
 * again with the next rotation, merged with what came since; when the store's bound drops it, that
 * is counted. Sampling goes on in any case.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "history.h"

struct rotation;
struct store;
struct symbolizer;

/* What can change while running. */
struct rotation_policy {
	uint64_t retain_bytes;
	uint64_t retain_age; /* ns */
	bool split;	     /* a file for each process */
};

struct rotation_stats {
	uint64_t failures;     /* rotations that could not write or remove all they should */
	uint64_t lost;	       /* files that others of their time were written without */
	uint64_t last_success; /* monotonic ns, 0 = none yet */
	struct history_stats history;
};

/* What a profile needs to know besides the windows. */
struct rotation_source {
	struct store *store;
	struct symbolizer *symbolizer;
	uint64_t period;     /* ns between samples */
	int64_t wall_offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC, ns */
};

/* Opens the directory; errors as of history_new(). */
int rotation_new(const char *directory, const struct rotation_policy *policy, struct rotation **ret,
		 struct error *e);
struct rotation *rotation_free(struct rotation *r);
void rotation_set_policy(struct rotation *r, const struct rotation_policy *policy);

/* Writes all unwritten windows, then lets go of old files. @now: monotonic ns. -errno is logged. */
int rotation_run(struct rotation *r, const struct rotation_source *source, uint64_t now);

void rotation_get_stats(const struct rotation *r, struct rotation_stats *ret);
