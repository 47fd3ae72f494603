/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/gunzip.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <zlib.h>

#include "base/cleanup.h"

#define GZIP_ONLY (15 + 16) /* the largest window; + 16 = nothing but gzip is accepted */
#define STEP_MAX  (1U << 30)

struct output {
	uint8_t *data;
	size_t used, allocated;
};

static int grow(struct output *o, size_t max)
{
	size_t size = MIN(MAX(o->allocated * 2, (size_t)4096), max + 1);
	uint8_t *data;

	if (o->used > max)
		return -EFBIG;
	data = realloc(o->data, size);
	if (!data)
		return -ENOMEM;
	o->data = data;
	o->allocated = size;
	return 0;
}

static int unpack(z_stream *stream, size_t max, struct output *o)
{
	for (;;) {
		int r;

		if (o->used == o->allocated) {
			r = grow(o, max);
			if (r < 0)
				return r;
		}
		stream->next_out = o->data + o->used;
		stream->avail_out = (uInt)MIN(o->allocated - o->used, (size_t)STEP_MAX);
		r = inflate(stream, Z_NO_FLUSH);
		o->used = (size_t)(stream->next_out - o->data);
		if (r == Z_STREAM_END)
			return o->used > max ? -EFBIG : 0;
		if (r == Z_MEM_ERROR)
			return -ENOMEM;
		/* Z_BUF_ERROR: room was left, so it is the input that ended. */
		if (r != Z_OK)
			return -EBADMSG;
	}
}

int gunzip(const void *data, size_t size, size_t max, void **ret_data, size_t *ret_size)
{
	struct output o = {};
	z_stream stream = { .next_in = (void *)data };
	int r;

	if (size > UINT32_MAX)
		return -EFBIG;
	stream.avail_in = (uInt)size;
	if (inflateInit2(&stream, GZIP_ONLY) != Z_OK)
		return -ENOMEM;
	r = unpack(&stream, max, &o);
	if (r == 0 && stream.avail_in != 0)
		r = -EBADMSG;
	inflateEnd(&stream);
	if (r < 0) {
		free(o.data);
		return r;
	}
	*ret_data = o.data;
	*ret_size = o.used;
	return 0;
}
