/* SPDX-License-Identifier: Apache-2.0 */
/* Private to jitdump*.c: how the answer is put together, a block of memory without pointers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/jitdump.h"

#define JITDUMP_MAX_STRINGS (16U << 20) /* bytes of the answer; names repeat, files more so */

struct intern;

struct jitdump_builder {
	struct jitdump_code *codes;
	struct jitdump_line *lines;
	char *text;
	struct intern *strings; /* of the text */
	uint32_t *offsets;	/* of each interned string in the text */
	uint32_t n_codes, n_lines, n_offsets, text_size;
	uint32_t text_allocated, codes_allocated, lines_allocated, offsets_allocated;
	uint32_t bad;
};

/* -ENOMEM or 0; to be done with in both cases. */
int jitdump_builder_init(struct jitdump_builder *b);
/* Also of one that is all zero. */
void jitdump_builder_done(struct jitdump_builder *b);

/*
 * Where @text of @size bytes is in the strings of the block, added if it is new and cut to
 * JITDUMP_TEXT_MAX; 0 = "". -ENOMEM, -EFBIG if there is no room for it.
 */
int64_t jitdump_builder_text(struct jitdump_builder *b, const uint8_t *text, size_t size);
/* -ENOMEM or 0. */
int jitdump_builder_add_code(struct jitdump_builder *b, const struct jitdump_code *code);
int jitdump_builder_add_line(struct jitdump_builder *b, const struct jitdump_line *line);

/* A copy of all that is in it. -ENOMEM or 0. Caller frees. */
int jitdump_builder_make(const struct jitdump_builder *b, uint64_t next_offset, bool more,
			 struct jitdump_block **ret, size_t *ret_size);
