/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture files: the raw stream, so that the whole pipeline can run from it again, without root.
 * A header (magic "PROFDCAP", version, machine facts), then chunks { u32 type, u32 size, bytes }.
 * What is written is the machine's own byte order; the header tells it.
 *
 * A capture also holds what cannot be known later: when profd opened an executable, its path and
 * build id (so that replay finds the same file or none), and the processes known from /proc at the
 * start.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct process;
struct process_mapping;

struct capture_info {
	uint32_t sample_frequency;
	uint64_t start_time;	      /* monotonic ns */
	int64_t wall_minus_monotonic; /* ns: CLOCK_REALTIME - CLOCK_MONOTONIC at the start */
	char kernel_release[64];
	char boot_id[40]; /* kernel names are only valid for this boot */
};

enum capture_chunk {
	CAPTURE_RING = 1,     /* one record of the ring */
	CAPTURE_SIDEBAND = 2, /* one perf record */
	CAPTURE_DRAIN = 3,    /* u64: the time up to which the stream was flushed here */
	CAPTURE_LOST = 4,     /* u64: samples lost before they got here, since the last of these */
};

struct capture_writer;
/* Creates @path (mode 0600), which must not exist. */
int capture_create(const char *path, const struct capture_info *info, struct capture_writer **ret,
		   struct error *e);
/* Adds a chunk. Errors are kept and returned by capture_close(). */
void capture_write(struct capture_writer *w, enum capture_chunk type, const void *data,
		   size_t size);
/*
 * Write what /proc told, as the side-band records that would have told it at the time @time, so
 * that replay needs no other code for it: a process (FORK, COMM), and a mapping of it (MMAP2).
 */
void capture_write_process(struct capture_writer *w, const struct process *p, uint64_t time);
void capture_write_mapping(struct capture_writer *w, uint32_t tgid, const struct process_mapping *m,
			   uint64_t time);
/* 0 if it holds all that was written. Frees @w in any case. */
int capture_close(struct capture_writer *w);
/* The first error, 0 if there was none: after it nothing more is written. */
int capture_error(const struct capture_writer *w);

struct capture_reader;
int capture_open(const char *path, struct capture_reader **ret, struct capture_info *ret_info,
		 struct error *e);
/*
 * The next chunk: 1 and its bytes (valid until the next call), 0 at the end, -EBADMSG with the
 * offset in
 * @e if the file is cut or damaged. Types that are not known are for the caller to skip.
 */
int capture_read(struct capture_reader *r, uint32_t *ret_type, const void **ret_data,
		 size_t *ret_size, struct error *e);
struct capture_reader *capture_reader_free(struct capture_reader *r);
