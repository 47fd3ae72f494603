/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/pprof_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profile/pprof_message.h"

#define GZIP_WINDOW_BITS (15 + 16) /* the largest window; + 16 = with a gzip header */
#define MEMORY_LEVEL	 8	   /* zlib's default */
#define OUTPUT_STEP	 65536

/* Compresses what is pending; with Z_FINISH also ends the file. */
static void compress_pending(struct pprof_writer *w, int flush)
{
	w->stream.next_in = w->pending;
	w->stream.avail_in = (uInt)w->n_pending;
	while (w->error == 0) {
		int r;

		if (w->allocated - w->used < OUTPUT_STEP / 2) {
			size_t size = w->allocated * 2 + OUTPUT_STEP;
			uint8_t *data = realloc(w->data, size);

			if (!data) {
				w->error = -ENOMEM;
				break;
			}
			w->data = data;
			w->allocated = size;
		}
		w->stream.next_out = w->data + w->used;
		w->stream.avail_out = (uInt)MIN(w->allocated - w->used, (size_t)UINT32_MAX);
		r = deflate(&w->stream, flush);
		w->used = (size_t)(w->stream.next_out - w->data);
		if (r == Z_STREAM_END || (flush == Z_NO_FLUSH && w->stream.avail_in == 0))
			break;
		if (r != Z_OK && r != Z_BUF_ERROR)
			w->error = -EIO;
	}
	w->n_pending = 0;
}

static void append(struct pprof_writer *w, const uint8_t *data, size_t size)
{
	while (size > 0 && w->error == 0) {
		size_t n = MIN(size, sizeof(w->pending) - w->n_pending);

		memcpy(w->pending + w->n_pending, data, n);
		w->n_pending += n;
		data += n;
		size -= n;
		if (w->n_pending == sizeof(w->pending))
			compress_pending(w, Z_NO_FLUSH);
	}
}

int pprof_writer_init(struct pprof_writer *w, int level)
{
	memset(w, 0, sizeof(*w));
	if (deflateInit2(&w->stream, level, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	return 0;
}

void pprof_writer_done(struct pprof_writer *w)
{
	deflateEnd(&w->stream);
	free(w->data);
	w->data = NULL;
}

void pprof_write_bytes(struct pprof_writer *w, unsigned int field, const void *data, size_t size)
{
	uint8_t head[1 + MESSAGE_VARINT_MAX] = { tag_of_bytes(field) };

	append(w, head, 1 + varint_put(head + 1, size));
	append(w, data, size);
}

void pprof_write(struct pprof_writer *w, unsigned int field, const struct message *m)
{
	pprof_write_bytes(w, field, m->bytes, m->n);
}

void pprof_write_number(struct pprof_writer *w, unsigned int field, uint64_t value)
{
	uint8_t bytes[1 + MESSAGE_VARINT_MAX] = { tag_of_number(field) };

	if (value != 0)
		append(w, bytes, 1 + varint_put(bytes + 1, value));
}

int pprof_writer_finish(struct pprof_writer *w, void **ret_data, size_t *ret_size)
{
	compress_pending(w, Z_FINISH);
	if (w->error < 0)
		return w->error;
	*ret_data = TAKE_PTR(w->data);
	*ret_size = w->used;
	return 0;
}
