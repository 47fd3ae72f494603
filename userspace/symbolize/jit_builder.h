/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the parsers of jitdumps and perf maps: how their answer is put together. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/jit_block.h"

#define JIT_BLOCK_MAX_STRINGS (16U << 20) /* bytes of the answer; names repeat, files more so */

struct intern;

struct jit_builder {
	struct jit_block_code *codes;
	struct jit_block_line *lines;
	char *text;
	struct intern *strings; /* of the text */
	uint32_t *offsets;	/* of each interned string in the text */
	uint32_t n_codes, n_lines, n_offsets, text_size;
	uint32_t text_allocated, codes_allocated, lines_allocated, offsets_allocated;
	uint32_t bad;
};

/* The same with the defaults in place of 0. */
struct jit_limits jit_limits_complete(const struct jit_limits *limits);

/* -ENOMEM or 0; to be done with in both cases. */
int jit_builder_init(struct jit_builder *b);
/* Also of one that is all zero. */
void jit_builder_done(struct jit_builder *b);

/*
 * Where @text of @size bytes is in the strings of the block, added if it is new and cut to
 * JIT_TEXT_MAX; 0 = "". -ENOMEM, -EFBIG if there is no room for it.
 */
int64_t jit_builder_text(struct jit_builder *b, const uint8_t *text, size_t size);
/* -ENOMEM or 0. */
int jit_builder_add_code(struct jit_builder *b, const struct jit_block_code *code);
int jit_builder_add_line(struct jit_builder *b, const struct jit_block_line *line);

/* A copy of all that is in it; where reading began is 0. -ENOMEM or 0. Caller frees. */
int jit_builder_make(const struct jit_builder *b, uint64_t next_offset, bool more,
		     struct jit_block **ret, size_t *ret_size);
