/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_code.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "base/search.h"
#include "symbolize/jit_block.h"
#include "symbolize/ranges.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A function at an address. Of one that moved there are several, with the same name and lines. */
struct code {
	uint64_t start;
	uint32_t name; /* interned */
	uint32_t first_line, n_lines;
};

/* The newest code of each of the compiler's numbers, for when it moves. */
struct by_index {
	UT_hash_handle hh;
	uint64_t index; /* key */
	uint32_t code;
};

struct jit_code {
	size_t max_memory;
	struct ranges ranges; /* values are numbers of codes */
	struct code *codes;
	struct jit_block_line *lines; /* their files are interned */
	uint32_t n_codes, n_lines;
	struct intern *strings;
	struct by_index *indexes;
};

struct jit_code *jit_code_new(size_t max_memory)
{
	struct jit_code *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->max_memory = max_memory;
	c->strings = intern_new();
	return c->strings ? c : jit_code_free(c);
}

struct jit_code *jit_code_free(struct jit_code *c)
{
	struct by_index *e, *next;

	if (!c)
		return NULL;
	HASH_ITER(hh, c->indexes, e, next) {
		HASH_DEL(c->indexes, e);
		free(e);
	}
	ranges_done(&c->ranges);
	free(c->codes);
	free(c->lines);
	intern_free(c->strings);
	free(c);
	return NULL;
}

size_t jit_code_memory(const struct jit_code *c)
{
	return sizeof(*c) + c->ranges.n * sizeof(*c->ranges.list) + c->n_codes * sizeof(*c->codes) +
	       c->n_lines * sizeof(*c->lines) + intern_memory(c->strings) +
	       HASH_COUNT(c->indexes) * sizeof(*c->indexes) + HASH_OVERHEAD(hh, c->indexes);
}

uint32_t jit_code_count(const struct jit_code *c)
{
	return c->n_codes;
}

static int remember(struct jit_code *c, uint64_t index, uint32_t code)
{
	struct by_index *e;

	if (index == JIT_NO_INDEX)
		return 0;
	HASH_FIND(hh, c->indexes, &index, sizeof(index), e);
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		e->index = index;
		HASH_ADD(hh, c->indexes, index, sizeof(e->index), e);
		if (!e->hh.tbl) { /* how uthash tells that memory ran out */
			free(e);
			return -ENOMEM;
		}
	}
	e->code = code;
	return 0;
}

/* Makes room for what a block brings. */
static int reserve(struct jit_code *c, const struct jit_block *b)
{
	struct jit_block_line *lines;
	struct code *codes;

	if (b->n_codes > UINT32_MAX - c->n_codes || b->n_lines > UINT32_MAX - c->n_lines)
		return -EFBIG;
	codes = reallocarray(c->codes, (size_t)c->n_codes + b->n_codes + 1, sizeof(*codes));
	if (!codes)
		return -ENOMEM;
	c->codes = codes;
	lines = reallocarray(c->lines, (size_t)c->n_lines + b->n_lines + 1, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	c->lines = lines;
	return 0;
}

static int add_lines(struct jit_code *c, const struct jit_block *b)
{
	const struct jit_block_line *lines = jit_block_lines(b);

	for (uint32_t i = 0; i < b->n_lines; i++) {
		uint32_t file = intern_string(c->strings, jit_block_strings(b) + lines[i].file);

		if (file == 0)
			return -ENOMEM;
		c->lines[c->n_lines + i] = lines[i];
		c->lines[c->n_lines + i].file = file;
	}
	return 0;
}

/* False if it moves what nobody ever told of. */
static bool describe(struct jit_code *c, const struct jit_block *b,
		     const struct jit_block_code *from, struct code *ret)
{
	struct by_index *e;

	if (from->name) {
		*ret = (struct code){
			.name = intern_string(c->strings, jit_block_strings(b) + from->name),
			.first_line = c->n_lines + from->first_line,
			.n_lines = from->n_lines,
		};
	} else {
		HASH_FIND(hh, c->indexes, &from->index, sizeof(from->index), e);
		if (!e)
			return false;
		*ret = c->codes[e->code];
	}
	ret->start = from->address;
	return true;
}

int jit_code_add(struct jit_code *c, const struct jit_block *b)
{
	_cleanup_free_ struct range *new = NULL;
	uint32_t n = 0;
	int r = jit_code_memory(c) >= c->max_memory ? -EFBIG : reserve(c, b);

	if (r == 0)
		r = add_lines(c, b);
	if (r < 0)
		return r;
	new = calloc((size_t)b->n_codes + 1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->n_codes; i++) {
		const struct jit_block_code *from = &b->codes[i];
		struct code *code = &c->codes[c->n_codes];

		if (!describe(c, b, from, code))
			continue;
		if (code->name == 0 || remember(c, from->index, c->n_codes) < 0)
			return -ENOMEM;
		new[n++] = (struct range){ .start = from->address,
					   .end = from->address + from->size,
					   .value = c->n_codes++ };
	}
	c->n_lines += b->n_lines;
	return ranges_add(&c->ranges, new, n);
}

/* The last line that begins at or before @offset. */
static const struct jit_block_line *line_at(const struct jit_code *c, const struct code *code,
					    uint64_t offset)
{
	const struct jit_block_line *lines = c->lines + code->first_line;
	uint32_t n = SEARCH(code->n_lines, i, lines[i].offset <= offset);

	return n > 0 ? &lines[n - 1] : NULL;
}

bool jit_code_find(const struct jit_code *c, uint64_t address, struct jit_symbol *ret)
{
	const struct range *range = ranges_find(&c->ranges, address);
	const struct jit_block_line *line;
	const struct code *code;
	const char *file;

	if (!range)
		return false;
	code = &c->codes[range->value];
	*ret = (struct jit_symbol){ .name = intern_get(c->strings, code->name, NULL) };
	line = line_at(c, code, address - code->start);
	if (!line)
		return true;
	file = intern_get(c->strings, line->file, NULL);
	ret->file = file[0] ? file : NULL;
	ret->line = line->line;
	ret->column = line->column;
	return true;
}
