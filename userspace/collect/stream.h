/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the records of the ring and of the per-CPU side-band buffers into the order of their times.
 * Records are held back until no earlier one can still arrive; file announcements are not, because
 * the file has to be opened while it can be. What goes in can be written to a capture file
 * (collect/capture.h), and a capture can be put in again: replay is the same code from here on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

struct sideband_event;
struct stream;

/* Records later than this before the moment of draining may still be overtaken by earlier ones. */
#define STREAM_SETTLE_NS 10000000ULL

struct stream_handler {
	/* A checked sample: sizes and counts are consistent, comm is terminated. */
	void (*sample)(void *userdata, const struct abi_sample *sample);
	/*
	 * A checked sample with a slice: slice->size bytes of stack follow @slice. False: it cannot
	 * be handled yet; it and all that is later are held back, and it is offered again.
	 */
	bool (*slice)(void *userdata, const struct abi_sample *sample,
		      const struct abi_slice *slice);
	/*
	 * May be NULL. A slice that comes after one that is held back: an opportunity to get what
	 * it will need. Once for each, in order of time, and of what is before it nothing has been
	 * handled.
	 */
	void (*slice_ahead)(void *userdata, const struct abi_sample *sample,
			    const struct abi_slice *slice);
	void (*sideband)(void *userdata, const struct sideband_event *event);
	/* Called from stream_put_ring() at once; see stream_hold_files(). Its name is terminated.
	 */
	void (*file)(void *userdata, const struct abi_file_announcement *file);
	void *userdata;
};

#define STREAM_COUNTERS(X)                                                                         \
	X(records, "records taken from the ring buffer")                                           \
	X(records_bad, "records of the ring buffer that contradicted themselves")                  \
	X(sideband, "records taken from the side-band buffers")                                    \
	X(sideband_bad, "side-band records that contradicted themselves")                          \
	X(slices, "of the records, samples whose stack came as memory")                            \
	X(out_of_order, "records that arrived after later ones had been handled")                  \
	X(dropped_memory, "records dropped because memory ran out")

struct stream_stats {
#define X(name, help) uint64_t name;
	STREAM_COUNTERS(X)
#undef X
};

int stream_new(const struct stream_handler *handler, struct stream **ret);
struct stream *stream_free(struct stream *s);

/*
 * File announcements wait for their turn too: what a replay wants, where nothing can be opened any
 * more but by what earlier side-band records told of the file.
 */
void stream_hold_files(struct stream *s);

/* Takes a copy of one record of the ring, aligned to 8. 0, -EBADMSG (counted) or -ENOMEM (counted).
 */
int stream_put_ring(struct stream *s, const void *record, size_t size);
/*
 * Checks a record that does not go through a stream, aligned to 8: the sample, and its slice (NULL
 * if it has none); NULL if it is none or contradicts itself.
 */
const struct abi_sample *stream_check_sample(const void *record, size_t size,
					     const struct abi_slice **ret_slice);
/* Takes a copy of one perf record (struct perf_event_header and what follows). As above. */
int stream_put_sideband(struct stream *s, const void *record, size_t size);

/*
 * Handles, in order of time, all records not later than @until. Nothing may be put in meanwhile.
 * Returns up to when all is handled: @until, or earlier if a slice is held back.
 */
uint64_t stream_flush(struct stream *s, uint64_t until);

/* Bytes that wait. */
size_t stream_waiting(const struct stream *s);
/*
 * Bytes of memory in use. What the records of a burst needed is given back by stream_flush(), some
 * seconds (of @until) later.
 */
size_t stream_memory(const struct stream *s);

/* A copy of all that is put in goes to @tee (capture), NULL = none. @source: 0 ring, 1 side-band.
 */
void stream_set_tee(struct stream *s,
		    void (*tee)(void *userdata, int source, const void *record, size_t size),
		    void *userdata);

void stream_get_stats(const struct stream *s, struct stream_stats *ret);
