/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile on its way out: parts of it go in, compressed bytes come out. Protobuf defines the
 * concatenation of two messages as their merge, so a profile is written as a row of partial Profile
 * messages of one sample, one location, ... each, and never stands in memory as a whole.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

struct message;

struct pprof_writer {
	z_stream stream;
	uint8_t pending[16384]; /* not compressed yet */
	size_t n_pending;
	uint8_t *data;
	size_t used, allocated;
	int error; /* the first one, -errno; all that follows does nothing */
};

/* @level as in zlib. 0 or -ENOMEM; pprof_writer_done() undoes it in any case. */
int pprof_writer_init(struct pprof_writer *w, int level);
void pprof_writer_done(struct pprof_writer *w);

/* Fields of the profile: a message or row of numbers, bytes (or a string), a number. */
void pprof_write(struct pprof_writer *w, unsigned int field, const struct message *m);
void pprof_write_bytes(struct pprof_writer *w, unsigned int field, const void *data, size_t size);
void pprof_write_number(struct pprof_writer *w, unsigned int field, uint64_t value);

/* Ends it. Caller frees @ret_data. 0, or the first error that happened. */
int pprof_writer_finish(struct pprof_writer *w, void **ret_data, size_t *ret_size);
