/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that may be the separate debug file of an executable, opened for the parser, which can tell
 * (debug_identity_fits()) but cannot open files.
 */
#pragma once

#include <stddef.h>

#include "worker/worker.h"

struct debug_identity;

/* As many as a job can have beside the executable. */
#define DEBUG_CANDIDATES (WORKER_MAX_FDS - 1)

struct debug_candidates {
	int fds[DEBUG_CANDIDATES]; /* owned */
	size_t n;
};

/*
 * Those that are installed for the executable at @path, as debug_file.h says: in our root only, and
 * nobody is asked over the network. @ret is filled in any case.
 */
void debug_candidates_find(const struct debug_identity *id, const char *directories,
			   const char *path, struct debug_candidates *ret);
void debug_candidates_done(struct debug_candidates *c);
