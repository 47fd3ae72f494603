/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug files from debuginfod servers: a directory of what has arrived, and a process that fetches
 * (fetch_job.h). Nobody waits for it: a file that is not there is asked for, and whoever wanted it
 * does without until it has arrived. The servers are told the build ids of what runs here, so there
 * are none unless they are configured.
 *
 * Key: the build id. How an answer can be wrong: it is what the server, or a fetcher that the
 * server took over, says it is; it is parsed behind the same wall as every file and has to have the
 * right build id. That a server has nothing is believed for an hour, that it could not be asked for
 * five minutes. Bounds: the directory in bytes, half of that a file, 256 files asked for at one
 * time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct debuginfod;

struct debuginfod_options {
	const char *urls;      /* separated by spaces; at most FETCH_MAX_URLS bytes */
	const char *directory; /* made if it is not there */
	uint64_t max_bytes;    /* of the directory */
	uint64_t timeout;      /* ns for one file; 0 = 5 minutes */
	uint64_t missing_ns;   /* how long to believe that there is none; 0 = an hour */
	uint64_t failed_ns;    /* when to ask again after a failure; 0 = 5 minutes */
};

#define DEBUGINFOD_COUNTERS(X)                                                                     \
	X(asked, "debug files asked of debuginfod")                                                \
	X(found, "of these, files that have arrived")                                              \
	X(not_found, "of these, files that no server has")                                         \
	X(failed, "of these, files for which a server could not be asked, or broke off")           \
	X(refused, "of these, files that were too large or not what was asked for")                \
	X(dropped, "debug files not asked for, because too many are waiting")                      \
	X(bytes, "bytes of debug files that have arrived")                                         \
	X(waiting, "debug files that are waited for")

struct debuginfod_stats {
#define X(name, help) uint64_t name;
	DEBUGINFOD_COUNTERS(X)
#undef X
};

/*
 * Starts the fetcher. Call it early, as worker_new(). -EINVAL if the URLs are too long; an error of
 * the directory.
 */
int debuginfod_new(const struct debuginfod_options *o, struct debuginfod **ret, struct error *e);
/* Returns NULL; accepts NULL. */
struct debuginfod *debuginfod_free(struct debuginfod *d);

/* Called out of debuginfod_process() when a file is there that was asked for. */
typedef void (*debuginfod_arrived_fn)(void *userdata, const uint8_t *build_id, size_t size);
void debuginfod_on_arrival(struct debuginfod *d, debuginfod_arrived_fn arrived, void *userdata);

/*
 * The debug file of a build id, for the caller to read and close. -ENOENT if it is not there; then
 * it has been asked for, unless there is none. Never waits.
 */
int debuginfod_open(struct debuginfod *d, const uint8_t *build_id, size_t size);

/* Readable when debuginfod_process() has something to do. */
int debuginfod_fd(const struct debuginfod *d);
/* To be called when it is readable, and now and then. */
void debuginfod_process(struct debuginfod *d, uint64_t now);

void debuginfod_get_stats(const struct debuginfod *d, struct debuginfod_stats *ret);
size_t debuginfod_memory(const struct debuginfod *d);
