/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathers the symbols of a file, in any order, aliased, nested and overlapping as they come. What
 * they may take is bounded by the limits; names are cut.
 */
#include "elf/elf_symbols_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"

/* The largest programs there are have 3 million functions and 400 MB of names. */
#define DEFAULT_SYMBOLS (8U << 20)
#define DEFAULT_STRINGS ((size_t)512 << 20)
#define DEFAULT_BYTES	((size_t)64 << 20)

void elf_symbols_builder_init(struct elf_symbols_builder *b,
			      const struct elf_symbols_request *request)
{
	struct elf_symbols_limits *limits = &b->request.limits;

	*b = (struct elf_symbols_builder){ .request = *request };
	if (limits->max_symbols == 0)
		limits->max_symbols = DEFAULT_SYMBOLS;
	if (limits->max_strings == 0)
		limits->max_strings = DEFAULT_STRINGS;
	if (limits->max_bytes == 0)
		limits->max_bytes = DEFAULT_BYTES;
}

void elf_symbols_builder_done(struct elf_symbols_builder *b)
{
	free(b->code);
	free(b->candidates);
	free(b->strings);
	*b = (struct elf_symbols_builder){};
}

static int compare_ranges(const void *a, const void *b)
{
	const struct elf_code_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

int elf_symbols_builder_set_code(struct elf_symbols_builder *b, const struct elf_image *image)
{
	uint32_t n = 0, kept = 0;

	b->code = calloc(image->n_sections + 1, sizeof(*b->code));
	if (!b->code)
		return -ENOMEM;
	for (uint32_t i = 1; i < image->n_sections; i++) {
		const Elf64_Shdr *section = &image->sections[i];

		if (!(section->sh_flags & SHF_EXECINSTR) || section->sh_size == 0 ||
		    section->sh_addr > UINT64_MAX - section->sh_size)
			continue;
		b->code[n].start = section->sh_addr;
		b->code[n++].end = section->sh_addr + section->sh_size;
	}
	qsort(b->code, n, sizeof(*b->code), compare_ranges);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || b->code[i].start >= b->code[kept - 1].end)
			b->code[kept++] = b->code[i];
	b->n_code = kept;
	return 0;
}

const struct elf_code_range *elf_symbols_builder_code_at(const struct elf_symbols_builder *b,
							 uint64_t address)
{
	uint32_t n = SEARCH(b->n_code, i, b->code[i].start <= address);

	if (n == 0 || address >= b->code[n - 1].end)
		return NULL;
	return &b->code[n - 1];
}

static bool strings_fit(const struct elf_symbols_builder *b, size_t size)
{
	return size < b->request.limits.max_strings && size < UINT32_MAX &&
	       b->strings_size + size + 1 <= b->request.limits.max_strings &&
	       b->strings_size + size + 1 <= UINT32_MAX;
}

int elf_symbols_builder_add_strings(struct elf_symbols_builder *b, const void *data, size_t size,
				    uint32_t *ret_base)
{
	size_t need = b->strings_size + size + 1;

	if (!strings_fit(b, size))
		return -EFBIG;
	if (need > b->strings_allocated) {
		size_t allocated = MAX(need, b->strings_allocated + b->strings_allocated / 4);
		char *strings = realloc(b->strings, allocated);

		if (!strings)
			return -ENOMEM;
		b->strings = strings;
		b->strings_allocated = allocated;
	}
	memcpy(b->strings + b->strings_size, data, size);
	b->strings[b->strings_size + size] = '\0';
	*ret_base = (uint32_t)b->strings_size;
	b->strings_size = need;
	return 0;
}

int elf_symbols_builder_take_strings(struct elf_symbols_builder *b, void *data, size_t size,
				     uint32_t *ret_base)
{
	int r;

	if (!b->strings && strings_fit(b, size)) {
		b->strings = data;
		b->strings_size = b->strings_allocated = size + 1;
		*ret_base = 0;
		return 0;
	}
	r = elf_symbols_builder_add_strings(b, data, size, ret_base);
	free(data);
	return r;
}

/* Mangled names begin with underscores that are no sign of an inner name. */
static uint8_t leading_underscores(const char *name)
{
	uint8_t n = 0;

	if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R'))
		return 0;
	while (n < 7 && name[n] == '_')
		n++;
	return n;
}

static uint8_t rank_of(const char *name, uint64_t size, enum elf_symbol_binding binding, bool label)
{
	if (binding == ELF_BINDING_RUNTIME)
		return 0;
	return (uint8_t)((label ? ELF_SYMBOLS_RANK_LABEL : 0) | (size == 0 ? 1 << 6 : 0) |
			 (binding == ELF_BINDING_LOCAL ? 1 << 5 : 0) | 1 << 4 |
			 leading_underscores(name) << 1 | (binding == ELF_BINDING_WEAK));
}

static int grow_candidates(struct elf_symbols_builder *b)
{
	uint32_t allocated = b->allocated ? b->allocated * 2 : 1024;
	void *p;

	p = reallocarray(b->candidates, allocated, sizeof(*b->candidates));
	if (!p)
		return -ENOMEM;
	b->candidates = p;
	b->allocated = allocated;
	return 0;
}

int elf_symbols_builder_add(struct elf_symbols_builder *b, uint64_t address, uint64_t size,
			    uint32_t name, enum elf_symbol_binding binding, bool label)
{
	const struct elf_code_range *code = elf_symbols_builder_code_at(b, address);
	const char *s;
	int r;

	if (!code || name >= b->strings_size)
		return 0;
	s = b->strings + name;
	/* Labels: .L and .annobin of the tools, $x and $d of ARM's mapping symbols. */
	if (s[0] == '\0' || (label && (s[0] == '.' || s[0] == '$')))
		return 0;
	if (b->n >= b->request.limits.max_symbols)
		return -EFBIG;
	if (b->n >= b->allocated) {
		r = grow_candidates(b);
		if (r < 0)
			return r;
	}
	b->candidates[b->n++] = (struct elf_symbols_candidate){
		.address = address,
		.size = MIN(size, code->end - address),
		.name = name,
		.name_size = (uint16_t)strnlen(s, ELF_SYMBOL_NAME_MAX),
		.rank = rank_of(s, size, binding, label),
	};
	return 0;
}
