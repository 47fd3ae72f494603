/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_debugdata.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <lzma.h>

#include "base/cleanup.h"

#define FIRST_ROOM ((size_t)1 << 20)

/* More room for what comes out. */
static int grow(lzma_stream *stream, uint8_t **data, size_t *room)
{
	size_t more = *room ? *room * 2 : FIRST_ROOM;
	uint8_t *p;

	if (*room >= ELF_DEBUGDATA_MAX)
		return -EFBIG;
	p = realloc(*data, more);
	if (!p)
		return -ENOMEM;
	stream->next_out = p + stream->total_out;
	stream->avail_out = more - stream->total_out;
	*data = p;
	*room = more;
	return 0;
}

static int error_of(lzma_ret r)
{
	switch (r) {
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return -EFBIG;
	default:
		return -EBADMSG;
	}
}

static int run(lzma_stream *stream, uint8_t **data)
{
	size_t room = 0;

	for (;;) {
		int r = stream->avail_out == 0 ? grow(stream, data, &room) : 0;
		lzma_ret l;

		if (r < 0)
			return r;
		l = lzma_code(stream, LZMA_FINISH);
		if (l == LZMA_STREAM_END)
			return 0;
		if (l != LZMA_OK)
			return error_of(l);
	}
}

static int unpack(const void *packed, size_t packed_size, void **ret_data, size_t *ret_size)
{
	_cleanup_(lzma_end)
	lzma_stream stream = LZMA_STREAM_INIT;
	_cleanup_free_ uint8_t *data = NULL;
	lzma_ret l = lzma_stream_decoder(&stream, ELF_DEBUGDATA_MAX_MEMORY, 0);
	int r;

	if (l != LZMA_OK)
		return error_of(l);
	stream.next_in = packed;
	stream.avail_in = packed_size;
	r = run(&stream, &data);
	if (r < 0)
		return r;
	*ret_size = stream.total_out;
	*ret_data = TAKE_PTR(data);
	return 0;
}

int elf_debugdata_copy(const struct elf_image *image, const Elf64_Shdr *section, void **ret_data,
		       size_t *ret_size)
{
	_cleanup_free_ void *packed = NULL;
	size_t size;
	int r = elf_image_copy(image, section, ELF_DEBUGDATA_MAX_PACKED, &packed, &size);

	return r < 0 ? r : unpack(packed, size, ret_data, ret_size);
}
