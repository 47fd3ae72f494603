/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What unwinding without frame pointers needs beside the kernel side: the parser processes, the
 * cache of tables on disk, and loading tables before they are needed. One object, so that the
 * profiler has little to do with it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "preload.h"
#include "worker/worker.h"

struct collector;
struct pipeline;
struct unwinding;

enum unwinding_preload {
	PRELOAD_ALL,	 /* what runs, then the usual directories */
	PRELOAD_RUNNING, /* only what runs */
	PRELOAD_NOTHING,
};

struct unwinding_options {
	uint64_t memory;   /* bytes of rows in the kernel; 0 = 64 MiB */
	const char *cache; /* directory, made if it is not there; NULL or "" = none */
	enum unwinding_preload preload;
};

#define UNWINDING_DEFAULT_MEMORY (64ULL << 20)
#define UNWINDING_DEFAULT_CACHE	 "/var/cache/profd"
#define UNWINDING_PARSERS	 4
#define UNWINDING_CACHE_BYTES	 (512ULL << 20) /* that the cache may have at a start */

/* Starts the parser processes. To be called early: they have a copy of what the caller has. */
int unwinding_new(const struct unwinding_options *o, struct unwinding **ret, struct error *e);
/* After the pipeline. Accepts NULL, returns NULL. */
struct unwinding *unwinding_free(struct unwinding *u);

/* Connects everything, when the process table has been filled. */
int unwinding_start(struct unwinding *u, struct pipeline *p, struct collector *c);

/* The parser process for files that are waited for. */
struct worker *unwinding_worker(struct unwinding *u);
/* That for names. */
struct worker *unwinding_name_worker(struct unwinding *u);
/* That for source lines, which can take long. */
struct worker *unwinding_line_worker(struct unwinding *u);

/* Readable when unwinding_process() has something to do. */
int unwinding_fd(const struct unwinding *u);
/* Takes what the parsers have done and goes on with loading. */
void unwinding_process(struct unwinding *u, uint64_t now);

/*
 * When the tables of all that ran at the start were in the kernel (or were refused), ns; 0 = they
 * are not yet, or nothing is preloaded.
 */
uint64_t unwinding_loaded_at(const struct unwinding *u);

/* The parser processes together. */
void unwinding_get_worker_stats(const struct unwinding *u, struct worker_stats *ret);
void unwinding_get_preload_stats(const struct unwinding *u, struct preload_stats *ret);
