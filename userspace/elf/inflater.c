/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A point is between two deflate blocks; what is from one point to the next is a piece, which is
 * inflated and kept as a whole. How large pieces are depends on the blocks; SPAN is the least.
 */
#include "elf/inflater.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/cleanup.h"
#include "elf/elf_image.h"

#define WINDOW	      32768U
#define MIN_SPAN      ((uint64_t)1 << 20)
#define MAX_PIECE     ((uint64_t)64 << 20)
#define INPUT_SIZE    65536U
#define MAX_INFLATION 1032 /* zlib cannot do better than about 1030:1 */
#define MAX_KEPT      16U

struct point {
	uint64_t in, out; /* offsets in the two streams; @in is of the first whole byte */
	uint32_t bits;	  /* of the byte before that still belong to what follows */
	uint8_t *window;  /* NULL at the beginning */
	uint32_t window_size;
};

struct piece {
	uint8_t *data;
	uint32_t point;
	uint64_t used;
};

struct inflater {
	const struct elf_image *image;
	uint64_t offset, size, plain_size;
	uint64_t span;
	struct point points[INFLATER_MAX_POINTS + 1];
	uint32_t n_points; /* 0 = the stream was not gone through yet */
	int error;	   /* of going through */
	struct piece kept[MAX_KEPT];
	uint64_t bytes_kept, clock;
	uint8_t input[INPUT_SIZE];
};

int inflater_new(const struct elf_image *image, uint64_t offset, uint64_t size, uint64_t plain_size,
		 struct inflater **ret)
{
	struct inflater *f;

	if (offset > image->size || size > image->size - offset ||
	    plain_size / MAX_INFLATION > size)
		return -EBADMSG;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->image = image;
	f->offset = offset;
	f->size = size;
	f->plain_size = plain_size;
	f->span = MAX(MIN_SPAN, plain_size / (INFLATER_MAX_POINTS - 1));
	*ret = f;
	return 0;
}

struct inflater *inflater_free(struct inflater *f)
{
	if (!f)
		return NULL;
	for (uint32_t i = 0; i < f->n_points; i++)
		free(f->points[i].window);
	for (uint32_t i = 0; i < MAX_KEPT; i++)
		free(f->kept[i].data);
	free(f);
	return NULL;
}

/* Gives zlib its next input. */
static int refill(struct inflater *f, z_stream *z, uint64_t *in)
{
	uint64_t n = MIN((uint64_t)INPUT_SIZE, f->size - *in);
	int r;

	if (z->avail_in > 0)
		return 0;
	if (n == 0)
		return -EBADMSG;
	r = elf_image_read(f->image, f->input, n, f->offset + *in);
	if (r < 0)
		return r;
	*in += n;
	z->next_in = f->input;
	z->avail_in = (uInt)n;
	return 0;
}

static int add_point(struct inflater *f, z_stream *z, uint64_t in, uint64_t out)
{
	struct point *p = &f->points[f->n_points];
	uInt size = WINDOW;

	p->window = malloc(WINDOW);
	if (!p->window)
		return -ENOMEM;
	if (inflateGetDictionary(z, p->window, &size) != Z_OK) {
		free(TAKE_PTR(p->window));
		return -EBADMSG;
	}
	p->window_size = size;
	p->in = in - z->avail_in;
	p->bits = (uint32_t)z->data_type & 7;
	p->out = out;
	f->n_points++;
	return 0;
}

/* Between two blocks, and not after the last (zlib.h, inflate(), Z_BLOCK). */
static bool is_between_blocks(const z_stream *z)
{
	return (z->data_type & 128) && !(z->data_type & 64);
}

static int go_through(struct inflater *f, z_stream *z, uint8_t *scratch)
{
	uint64_t in = 0, out = 0, last = 0;
	int status = Z_OK;

	while (status != Z_STREAM_END) {
		int r = refill(f, z, &in);

		if (r < 0)
			return r;
		z->next_out = scratch;
		z->avail_out = WINDOW;
		status = inflate(z, Z_BLOCK);
		if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
			return status == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
		out += WINDOW - z->avail_out;
		if (out > f->plain_size)
			return -EBADMSG;
		if (is_between_blocks(z) && (out - last >= f->span || f->n_points == 0) &&
		    f->n_points < INFLATER_MAX_POINTS) {
			r = add_point(f, z, in, out);
			if (r < 0)
				return r;
			last = out;
		}
	}
	return out == f->plain_size ? 0 : -EBADMSG;
}

static int find_points(struct inflater *f)
{
	_cleanup_free_ uint8_t *scratch = malloc(WINDOW);
	z_stream z = {};
	int r;

	if (!scratch || inflateInit(&z) != Z_OK)
		return -ENOMEM;
	r = go_through(f, &z, scratch);
	inflateEnd(&z);
	if (r == 0 && f->n_points == 0)
		return -EBADMSG;
	f->points[f->n_points].out = f->plain_size; /* where the last piece ends */
	return r;
}

static int begin_at(struct inflater *f, const struct point *p, z_stream *z)
{
	uint8_t byte;
	int r;

	if (inflateInit2(z, -MAX_WBITS) != Z_OK)
		return -ENOMEM;
	if (p->bits) {
		r = p->in ? elf_image_read(f->image, &byte, 1, f->offset + p->in - 1) : -EBADMSG;
		if (r < 0)
			return r;
		inflatePrime(z, (int)p->bits, byte >> (8 - p->bits));
	}
	if (p->window_size && inflateSetDictionary(z, p->window, p->window_size) != Z_OK)
		return -EBADMSG;
	return 0;
}

static int inflate_piece(struct inflater *f, uint32_t i, uint8_t *data, uint64_t size)
{
	const struct point *p = &f->points[i];
	uint64_t in = p->in;
	z_stream z = {};
	int r = begin_at(f, p, &z);

	z.next_out = data;
	z.avail_out = (uInt)size;
	while (r == 0 && z.avail_out > 0) {
		int status;

		r = refill(f, &z, &in);
		if (r < 0)
			break;
		status = inflate(&z, Z_NO_FLUSH);
		if ((status == Z_STREAM_END && z.avail_out > 0) ||
		    (status != Z_OK && status != Z_STREAM_END))
			r = -EBADMSG;
	}
	inflateEnd(&z);
	return r;
}

static uint64_t piece_size(const struct inflater *f, uint32_t point)
{
	return f->points[point + 1].out - f->points[point].out;
}

static void drop_piece(struct inflater *f, struct piece *p)
{
	if (p->data)
		f->bytes_kept -= piece_size(f, p->point);
	free(TAKE_PTR(p->data));
}

/* A place for a piece of @size bytes: the one unused for longest has to go, or several. */
static struct piece *make_place(struct inflater *f, uint64_t size)
{
	for (;;) {
		struct piece *oldest = NULL, *empty = NULL;

		for (uint32_t i = 0; i < MAX_KEPT; i++) {
			struct piece *p = &f->kept[i];

			if (!p->data)
				empty = p;
			else if (!oldest || p->used < oldest->used)
				oldest = p;
		}
		if (!oldest || (empty && f->bytes_kept + size <= INFLATER_CACHE))
			return empty;
		drop_piece(f, oldest);
	}
}

static int get_piece(struct inflater *f, uint32_t point, const uint8_t **ret)
{
	uint64_t size = piece_size(f, point);
	struct piece *p;
	int r;

	for (uint32_t i = 0; i < MAX_KEPT; i++) {
		if (!f->kept[i].data || f->kept[i].point != point)
			continue;
		f->kept[i].used = ++f->clock;
		*ret = f->kept[i].data;
		return 0;
	}
	if (size > MAX_PIECE)
		return -EFBIG;
	p = make_place(f, size);
	p->data = malloc(size ? size : 1);
	if (!p->data)
		return -ENOMEM;
	r = inflate_piece(f, point, p->data, size);
	if (r < 0) {
		free(TAKE_PTR(p->data));
		return r;
	}
	p->point = point;
	p->used = ++f->clock;
	f->bytes_kept += size;
	*ret = p->data;
	return 0;
}

static uint32_t point_before(const struct inflater *f, uint64_t offset)
{
	uint32_t low = 0, high = f->n_points;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (f->points[middle].out <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int inflater_read(struct inflater *f, void *buffer, uint64_t size, uint64_t offset)
{
	uint8_t *to = buffer;

	if (offset > f->plain_size || size > f->plain_size - offset)
		return -ENODATA;
	if (f->n_points == 0 && f->error == 0)
		f->error = find_points(f);
	if (f->error < 0)
		return f->error;
	while (size > 0) {
		uint32_t i = point_before(f, offset);
		uint64_t at = offset - f->points[i].out;
		uint64_t n = MIN(size, piece_size(f, i) - at);
		const uint8_t *data;
		int r = get_piece(f, i, &data);

		if (r < 0)
			return r;
		memcpy(to, data + at, n);
		to += n;
		offset += n;
		size -= n;
	}
	return 0;
}
