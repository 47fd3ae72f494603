/* SPDX-License-Identifier: Apache-2.0 */
/* The block: header, chains, frames, strings. Strings are offsets into the last, 0 is "". */
#include "elf/line_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/intern.h"

struct block_header {
	uint32_t n_chains, n_frames;
	uint32_t strings_size;
	uint32_t reserved;
};

struct block_chain {
	uint32_t first, n; /* frames */
};

struct block_frame {
	uint32_t name, file; /* strings */
	uint32_t line, column, start_line;
	uint32_t is_exact; /* or not: 0 */
};

struct line_builder {
	struct block_chain *chains;
	struct block_frame *frames; /* strings are ids of the table until it is finished */
	uint32_t n_chains, n_frames, frames_allocated;
	struct intern *strings;
};

struct line_builder *line_builder_new(uint32_t n_addresses)
{
	struct line_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->n_chains = n_addresses;
	b->chains = calloc(n_addresses ? n_addresses : 1, sizeof(*b->chains));
	b->strings = intern_new();
	/* The first one is the empty one. */
	if (!b->chains || !b->strings || intern_string(b->strings, "") != 1)
		return line_builder_free(b);
	return b;
}

struct line_builder *line_builder_free(struct line_builder *b)
{
	if (!b)
		return NULL;
	free(b->chains);
	free(b->frames);
	intern_free(b->strings);
	free(b);
	return NULL;
}

static int add_string(struct line_builder *b, const char *s, uint32_t *ret)
{
	char cut[LINE_MAX_STRING + 1];
	size_t length = s ? strnlen(s, LINE_MAX_STRING) : 0;

	memcpy(cut, s ? s : "", length);
	cut[length] = '\0';
	*ret = intern_string(b->strings, cut);
	return *ret ? 0 : -ENOMEM;
}

static int make_room(struct line_builder *b, size_t n)
{
	size_t wanted = MAX((size_t)b->frames_allocated * 2, b->n_frames + n + 64);
	struct block_frame *bigger;

	if (b->n_frames + n <= b->frames_allocated)
		return 0;
	if (wanted > UINT32_MAX)
		return -ENOMEM;
	bigger = reallocarray(b->frames, wanted, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	b->frames = bigger;
	b->frames_allocated = (uint32_t)wanted;
	return 0;
}

static int add_frame(struct line_builder *b, const struct line_frame *frame)
{
	struct block_frame *f = &b->frames[b->n_frames];
	int r = add_string(b, frame->name, &f->name);

	if (r == 0)
		r = add_string(b, frame->file, &f->file);
	if (r < 0)
		return r;
	f->line = frame->line;
	f->column = frame->column;
	f->start_line = frame->start_line;
	f->is_exact = frame->is_exact;
	b->n_frames++;
	return 0;
}

int line_builder_set(struct line_builder *b, uint32_t i, const struct line_frame *frames, size_t n)
{
	uint32_t first = b->n_frames;
	int r;

	n = MIN(n, (size_t)LINE_MAX_CHAIN);
	r = make_room(b, n);
	for (size_t k = 0; k < n && r == 0; k++)
		r = add_frame(b, &frames[k]);
	if (r == 0)
		b->chains[i] = (struct block_chain){ first, (uint32_t)n };
	return r;
}

bool line_builder_has(const struct line_builder *b, uint32_t i)
{
	return b->chains[i].n > 0;
}

/* Where each string will be; their sum in @ret_size. */
static int place_strings(const struct line_builder *b, uint32_t **ret, uint32_t *ret_size)
{
	uint32_t n = intern_count(b->strings);
	uint32_t *places = calloc((size_t)n + 1, sizeof(*places));
	uint64_t at = 0;

	if (!places)
		return -ENOMEM;
	for (uint32_t id = 1; id <= n; id++) {
		size_t size;

		intern_get(b->strings, id, &size);
		places[id] = (uint32_t)at;
		at += size;
	}
	if (at > UINT32_MAX) {
		free(places);
		return -ENOMEM;
	}
	*ret = places;
	*ret_size = (uint32_t)at;
	return 0;
}

static void write_block(const struct line_builder *b, const uint32_t *places, uint32_t strings_size,
			char *block)
{
	const struct block_header header = {
		.n_chains = b->n_chains,
		.n_frames = b->n_frames,
		.strings_size = strings_size,
	};
	struct block_chain *chains = (struct block_chain *)(block + sizeof(header));
	struct block_frame *frames = (struct block_frame *)(chains + b->n_chains);
	char *strings = (char *)(frames + b->n_frames);

	memcpy(block, &header, sizeof(header));
	memcpy(chains, b->chains, b->n_chains * sizeof(*chains));
	for (uint32_t i = 0; i < b->n_frames; i++) {
		frames[i] = b->frames[i];
		frames[i].name = places[frames[i].name];
		frames[i].file = places[frames[i].file];
	}
	for (uint32_t id = 1; id <= intern_count(b->strings); id++) {
		size_t size;
		const void *string = intern_get(b->strings, id, &size);

		memcpy(strings + places[id], string, size);
	}
}

int line_builder_finish(const struct line_builder *b, void **ret_data, size_t *ret_size)
{
	_cleanup_free_ uint32_t *places = NULL;
	uint32_t strings_size;
	size_t size;
	char *block;
	int r = place_strings(b, &places, &strings_size);

	if (r < 0)
		return r;
	size = sizeof(struct block_header) + (size_t)b->n_chains * sizeof(struct block_chain) +
	       (size_t)b->n_frames * sizeof(struct block_frame) + strings_size;
	block = malloc(size);
	if (!block)
		return -ENOMEM;
	write_block(b, places, strings_size, block);
	*ret_data = block;
	*ret_size = size;
	return 0;
}

static const struct block_chain *chains_of(const struct line_table *t)
{
	return (const void *)((const char *)t->data + sizeof(struct block_header));
}

static const struct block_frame *frames_of(const struct line_table *t)
{
	return (const void *)(chains_of(t) + t->n_chains);
}

static bool chains_are_valid(const struct line_table *t, uint32_t n_frames)
{
	const struct block_chain *chains = chains_of(t);

	for (uint32_t i = 0; i < t->n_chains; i++)
		if (chains[i].first > n_frames || chains[i].n > n_frames - chains[i].first ||
		    chains[i].n > LINE_MAX_CHAIN)
			return false;
	return true;
}

static bool frames_are_valid(const struct line_table *t, uint32_t n, uint32_t strings_size)
{
	const struct block_frame *frames = frames_of(t);
	const char *strings = (const char *)(frames + n);

	/* One NUL at the end ends them all. */
	if (strings_size == 0 || strings[0] != '\0' || strings[strings_size - 1] != '\0')
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (frames[i].name >= strings_size || frames[i].file >= strings_size)
			return false;
	return true;
}

int line_table_open(const void *data, size_t size, uint32_t n_addresses, struct line_table *ret)
{
	struct line_table t = { .data = data, .size = size, .n_chains = n_addresses };
	struct block_header h;

	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, data, sizeof(h));
	if (h.n_chains != n_addresses ||
	    size != sizeof(h) + (uint64_t)h.n_chains * sizeof(struct block_chain) +
			    (uint64_t)h.n_frames * sizeof(struct block_frame) + h.strings_size ||
	    !chains_are_valid(&t, h.n_frames) || !frames_are_valid(&t, h.n_frames, h.strings_size))
		return -EBADMSG;
	*ret = t;
	return 0;
}

size_t line_table_get(const struct line_table *t, uint32_t i, struct line_frame *ret, size_t max)
{
	const struct block_chain *c = &chains_of(t)[i];
	const struct block_header *h = t->data;
	const struct block_frame *frames = frames_of(t);
	const char *strings = (const char *)(frames + h->n_frames);
	size_t n = MIN((size_t)c->n, max);

	for (size_t k = 0; k < n; k++) {
		const struct block_frame *f = &frames[c->first + k];

		ret[k] = (struct line_frame){
			.name = strings + f->name,
			.file = strings + f->file,
			.line = f->line,
			.column = f->column,
			.start_line = f->start_line,
			.is_exact = f->is_exact != 0,
		};
	}
	return n;
}
