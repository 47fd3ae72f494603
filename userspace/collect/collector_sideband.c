/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/collector_sideband.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* perf_event_header.size has 16 bits. */
#define RECORD_MAX_SIZE 65536

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int collector_sideband_map(int fd, size_t size, struct collector_sideband *ret)
{
	unsigned char *wrap = malloc(RECORD_MAX_SIZE);
	void *map;

	if (!wrap)
		return -ENOMEM;
	map = mmap(NULL, page_size() + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		int err = -errno;

		free(wrap);
		return err;
	}
	*ret = (struct collector_sideband){
		.page = map,
		.data = (unsigned char *)map + page_size(),
		.size = size,
		.wrap = wrap,
	};
	return 0;
}

void collector_sideband_unmap(struct collector_sideband *b)
{
	if (b->page)
		munmap(b->page, page_size() + b->size);
	free(b->wrap);
	*b = (struct collector_sideband){ 0 };
}

/* The @size bytes at @position of the stream, in one piece. */
static const void *bytes_at(const struct collector_sideband *b, uint64_t position, size_t size)
{
	size_t start = position & (b->size - 1);
	size_t first = b->size - start;

	if (size <= first)
		return b->data + start;
	memcpy(b->wrap, b->data + start, first);
	memcpy(b->wrap + first, b->data, size - first);
	return b->wrap;
}

/* The size of the record at @tail, 0 if it cannot be one. */
static size_t record_size(const struct collector_sideband *b, uint64_t head, uint64_t tail)
{
	struct perf_event_header header;

	if (head - tail > b->size || head - tail < sizeof(header))
		return 0;
	memcpy(&header, bytes_at(b, tail, sizeof(header)), sizeof(header));
	if (header.size < sizeof(header) || header.size > head - tail)
		return 0;
	return header.size;
}

int collector_sideband_drain(struct collector_sideband *b, collector_sideband_fn put,
			     void *userdata)
{
	uint64_t head, tail;
	int n = 0;

	if (!b->page)
		return 0;
	/* Pairs with the barriers in the kernel's perf_output_put_handle(). */
	head = __atomic_load_n(&b->page->data_head, __ATOMIC_ACQUIRE);
	tail = b->page->data_tail;
	while (tail != head) {
		size_t size = record_size(b, head, tail);

		if (!size) {
			__atomic_store_n(&b->page->data_tail, head, __ATOMIC_RELEASE);
			return -EBADMSG;
		}
		put(userdata, bytes_at(b, tail, size), size);
		tail += size;
		n++;
	}
	__atomic_store_n(&b->page->data_tail, tail, __ATOMIC_RELEASE);
	return n;
}
