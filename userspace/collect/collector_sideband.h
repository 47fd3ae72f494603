/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buffer that the kernel shares for one perf event: one page of head and tail, then records in
 * a ring of a power of two bytes. The kernel writes head, the reader writes tail.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <linux/perf_event.h>

struct collector_sideband {
	struct perf_event_mmap_page *page; /* NULL = not mapped */
	unsigned char *data;
	size_t size;	     /* of data */
	unsigned char *wrap; /* a record that goes over the end is put together here */
};

typedef void (*collector_sideband_fn)(void *userdata, const void *record, size_t size);

/* Maps the buffer of @fd; @size is a power of two, at least a page. */
int collector_sideband_map(int fd, size_t size, struct collector_sideband *ret);
/* Accepts one that is not mapped. */
void collector_sideband_unmap(struct collector_sideband *b);

/*
 * Calls @put for each whole record, valid during the call, and gives its room back. Returns how
 * many; -EBADMSG when a record's size is impossible: what was in the buffer is then given up.
 */
int collector_sideband_drain(struct collector_sideband *b, collector_sideband_fn put,
			     void *userdata);
