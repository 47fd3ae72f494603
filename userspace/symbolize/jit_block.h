/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser process answers about a file that tells of compiled code: one block of memory
 * without pointers, the same for jitdumps and for perf maps.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of names and files; longer ones are cut. Bytes without the NUL. */
#define JIT_TEXT_MAX 4095

/* The index of code that does not move. */
#define JIT_NO_INDEX UINT64_MAX

/* One answer's; what is beyond is for the next. */
struct jit_limits {
	uint64_t offset;    /* where to go on; 0 = at the beginning */
	uint64_t max_bytes; /* that are read; 0 = 16 MiB */
	uint32_t max_codes; /* 0 = 16384 */
	uint32_t max_lines; /* 0 = 65536 */
};

#define JIT_DEFAULT_BYTES ((uint64_t)16 << 20)
#define JIT_DEFAULT_CODES 16384
#define JIT_DEFAULT_LINES 65536

/* A place in the source, from this byte of the code on. */
struct jit_block_line {
	uint32_t offset;
	uint32_t line;
	uint32_t column;
	uint32_t file; /* offset in the strings */
};

/* Code that appeared at an address: compiled, or moved from elsewhere. */
struct jit_block_code {
	uint64_t address, size; /* bytes; the sum does not overflow */
	uint64_t index;		/* the compiler's number of the function, or JIT_NO_INDEX */
	uint32_t name;		/* offset in the strings; 0 = it is the code of that index, moved */
	uint32_t first_line, n_lines;
	uint32_t padding;
};

struct jit_block {
	uint32_t magic;
	uint32_t n_codes, n_lines;
	uint32_t bad;	       /* what contradicts itself, and lines left out */
	uint64_t first_offset; /* where reading began: as asked, or 0 if that is another text now */
	uint64_t next_offset;  /* where to go on; JIT_LOST = nobody knows */
	uint32_t mark;	       /* of what is before next_offset (jit_job.h) */
	uint32_t more;	       /* 1: a limit was reached, there is more to read now */
	uint32_t strings_size;
	uint32_t padding;
	struct jit_block_code codes[];
	/* struct jit_block_line lines[n_lines]; char strings[strings_size], which begin with "" */
};

#define JIT_LOST UINT64_MAX

/*
 * Checks a block that another process made, of @size bytes aligned to 8, for a reader that asked to
 * go on at @offset. -EBADMSG if it contradicts itself.
 */
int jit_block_check(const void *data, size_t size, uint64_t offset);

static inline const struct jit_block_line *jit_block_lines(const struct jit_block *b)
{
	return (const struct jit_block_line *)&b->codes[b->n_codes];
}

static inline const char *jit_block_strings(const struct jit_block *b)
{
	return (const char *)(jit_block_lines(b) + b->n_lines);
}
