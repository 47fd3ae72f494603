/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_block.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "symbolize/jit_builder.h"

#define BLOCK_MAGIC 0x32424a44u /* "DJB2" */

struct jit_limits jit_limits_complete(const struct jit_limits *limits)
{
	struct jit_limits l = *limits;

	l.max_bytes = l.max_bytes ? l.max_bytes : JIT_DEFAULT_BYTES;
	l.max_codes = l.max_codes ? l.max_codes : JIT_DEFAULT_CODES;
	l.max_lines = l.max_lines ? l.max_lines : JIT_DEFAULT_LINES;
	return l;
}

static int grow(void *list, uint32_t n, uint32_t *allocated, size_t size)
{
	uint32_t more = *allocated ? *allocated * 2 : 256;
	void *p;

	if (n < *allocated)
		return 0;
	p = reallocarray(*(void **)list, more, size);
	if (!p)
		return -ENOMEM;
	*(void **)list = p;
	*allocated = more;
	return 0;
}

int jit_builder_init(struct jit_builder *b)
{
	*b = (struct jit_builder){ .strings = intern_new() };
	if (!b->strings || grow(&b->text, 0, &b->text_allocated, 1) < 0)
		return -ENOMEM;
	b->text[b->text_size++] = '\0';
	return 0;
}

void jit_builder_done(struct jit_builder *b)
{
	intern_free(b->strings);
	free(b->codes);
	free(b->lines);
	free(b->text);
	free(b->offsets);
}

int64_t jit_builder_text(struct jit_builder *b, const uint8_t *text, size_t size)
{
	uint32_t count = intern_count(b->strings), id;

	size = MIN(size, (size_t)JIT_TEXT_MAX);
	if (size == 0)
		return 0;
	if (b->text_size + size + 1 > JIT_BLOCK_MAX_STRINGS)
		return -EFBIG;
	id = intern_bytes(b->strings, text, size);
	if (id == 0)
		return -ENOMEM;
	if (id <= count)
		return b->offsets[id - 1];
	if (grow(&b->offsets, b->n_offsets, &b->offsets_allocated, sizeof(*b->offsets)) < 0)
		return -ENOMEM;
	while (b->text_size + size + 1 > b->text_allocated)
		if (grow(&b->text, b->text_allocated, &b->text_allocated, 1) < 0)
			return -ENOMEM;
	memcpy(b->text + b->text_size, text, size);
	b->text[b->text_size + size] = '\0';
	b->offsets[b->n_offsets++] = b->text_size;
	b->text_size += (uint32_t)size + 1;
	return b->offsets[id - 1];
}

int jit_builder_add_code(struct jit_builder *b, const struct jit_block_code *code)
{
	if (grow(&b->codes, b->n_codes, &b->codes_allocated, sizeof(*b->codes)) < 0)
		return -ENOMEM;
	b->codes[b->n_codes++] = *code;
	return 0;
}

int jit_builder_add_line(struct jit_builder *b, const struct jit_block_line *line)
{
	if (grow(&b->lines, b->n_lines, &b->lines_allocated, sizeof(*b->lines)) < 0)
		return -ENOMEM;
	b->lines[b->n_lines++] = *line;
	return 0;
}

int jit_builder_make(const struct jit_builder *b, uint64_t next_offset, bool more,
		     struct jit_block **ret, size_t *ret_size)
{
	size_t codes = b->n_codes * sizeof(*b->codes), lines = b->n_lines * sizeof(*b->lines);
	size_t size = sizeof(struct jit_block) + codes + lines + b->text_size;
	struct jit_block *block = calloc(1, size);

	if (!block)
		return -ENOMEM;
	*block = (struct jit_block){
		.magic = BLOCK_MAGIC,
		.n_codes = b->n_codes,
		.n_lines = b->n_lines,
		.bad = b->bad,
		.next_offset = next_offset,
		.more = more,
		.strings_size = b->text_size,
	};
	if (codes)
		memcpy(block->codes, b->codes, codes);
	if (lines)
		memcpy((char *)block->codes + codes, b->lines, lines);
	memcpy((char *)block->codes + codes + lines, b->text, b->text_size);
	*ret = block;
	*ret_size = size;
	return 0;
}

static bool code_is_valid(const struct jit_block *b, const struct jit_block_code *c)
{
	return c->size > 0 && c->size <= UINT32_MAX && c->size <= UINT64_MAX - c->address &&
	       c->name < b->strings_size && c->first_line <= b->n_lines &&
	       c->n_lines <= b->n_lines - c->first_line;
}

int jit_block_check(const void *data, size_t size, uint64_t offset)
{
	const struct jit_block *b = data;
	const struct jit_block_line *lines;

	if (size < sizeof(*b) || b->magic != BLOCK_MAGIC || b->more > 1 ||
	    (b->first_offset != offset && b->first_offset != 0) || b->next_offset < b->first_offset)
		return -EBADMSG;
	size -= sizeof(*b);
	if (b->n_codes > size / sizeof(*b->codes))
		return -EBADMSG;
	size -= b->n_codes * sizeof(*b->codes);
	if (b->n_lines > size / sizeof(*lines))
		return -EBADMSG;
	size -= b->n_lines * sizeof(*lines);
	if (b->strings_size == 0 || b->strings_size != size || jit_block_strings(b)[0] != '\0' ||
	    jit_block_strings(b)[size - 1] != '\0')
		return -EBADMSG;
	for (uint32_t i = 0; i < b->n_codes; i++)
		if (!code_is_valid(b, &b->codes[i]))
			return -EBADMSG;
	lines = jit_block_lines(b);
	for (uint32_t i = 0; i < b->n_lines; i++)
		if (lines[i].file >= b->strings_size)
			return -EBADMSG;
	return 0;
}
