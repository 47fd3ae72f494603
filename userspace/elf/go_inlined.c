/* SPDX-License-Identifier: Apache-2.0 */
/* Where the inlined calls of a Go program are described: see go_binary.h. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "elf/go_binary.h"
#include "elf/go_relocations.h"
#include "elf/pclntab_read.h"

#define MAX_MODULES  8
#define MODULE_WORDS 64 /* of moduledata that are looked at */
#define FIRST_WORD   32 /* in no version is it before that */
#define CHUNK_WORDS  8192
#define MAX_SEARCHED ((uint64_t)64 << 20) /* bytes of data that are searched for moduledata */

/* To believe in an address so many functions with inlined calls are tried, of so many at most. */
#define TRIED_FUNCTIONS 32
#define MAX_FUNCTIONS	16384

#define NO_OFFSET 0xffffffffU

static bool read_at(const struct go_binary *b, uint64_t address, void *buffer, size_t size)
{
	const Elf64_Phdr *p = elf_image_segment_at(b->image, address);

	return p && size <= p->p_filesz - (address - p->p_vaddr) &&
	       elf_image_read(b->image, buffer, size, p->p_offset + (address - p->p_vaddr)) == 0;
}

/* Behind the description: tables of values by number, then addresses or offsets by number. */
bool go_binary_inlined_calls(const struct go_binary *b, const struct pclntab_description *d,
			     uint64_t *ret)
{
	bool relative = b->table.version >= GO_1_18;
	uint64_t at = d->pcdata + 4ULL * d->n_pcdata;
	struct cursor c = cursor_of(b->table.data, b->table.size);
	uint64_t word;

	if (b->inlined_funcdata >= d->n_funcdata || b->inlined_pcdata >= d->n_pcdata)
		return false;
	if (!relative)
		at = (at + 7) & ~7ULL;
	cursor_skip(&c, at);
	cursor_skip(&c, (relative ? 4ULL : 8ULL) * b->inlined_funcdata);
	word = relative ? cursor_u32(&c) : cursor_u64(&c);
	if (c.bad || (relative ? word == NO_OFFSET : word == 0))
		return false;
	*ret = b->function_data + word;
	return true;
}

/*
 * 1.20: kind u8, 3 bytes, name, parent's pc, start line; before: parent s16, kind u8, 1 byte, file,
 * line, name, parent's pc.
 */
bool go_binary_inlined_call(const struct go_binary *b, uint64_t address, uint32_t i,
			    struct go_inlined_call *ret)
{
	bool is_new = b->table.version >= GO_1_20;
	size_t size = is_new ? 16 : 20;
	struct go_inlined_call call = {};
	uint8_t bytes[20];
	struct cursor c = cursor_of(bytes, size);
	uint32_t name;

	if (i > UINT16_MAX || !read_at(b, address + i * size, bytes, size))
		return false;
	cursor_skip(&c, is_new ? 4 : 12);
	name = cursor_u32(&c);
	call.parent_pc = cursor_u32(&c);
	if (is_new)
		call.start_line = cursor_u32(&c);
	call.function = pclntab_string(&b->table, b->table.names, name);
	if (!call.function || call.function[0] == '\0' || call.start_line > INT32_MAX)
		return false;
	/* A name begins where another has ended. */
	if (name > 0 && call.function[-1] != '\0')
		return false;
	*ret = call;
	return true;
}

/* Whether the first inlined call of a function makes sense, if it has one. */
static bool is_plausible(const struct go_binary *b, uint32_t i, bool *ret_has_one)
{
	struct pclntab_description d;
	struct pclntab_function f;
	struct go_inlined_call call;
	uint64_t address;

	*ret_has_one = pclntab_function(&b->table, i, &f) && pclntab_describe(&b->table, i, &d) &&
		       go_binary_inlined_calls(b, &d, &address);
	return !*ret_has_one ||
	       (go_binary_inlined_call(b, address, 0, &call) && call.parent_pc < f.end - f.start);
}

static bool holds_together(const struct go_binary *b)
{
	uint32_t n = MIN(b->table.n_functions, (uint32_t)MAX_FUNCTIONS), tried = 0;

	for (uint32_t i = 0; i < n && tried < TRIED_FUNCTIONS; i++) {
		bool has_one;

		if (!is_plausible(b, i, &has_one))
			return false;
		tried += has_one;
	}
	return tried > 0;
}

/* moduledata of 1.20 has two words more before it than that of 1.18: these two first. */
static bool try_module(struct go_binary *b, uint64_t address)
{
	static const size_t known[] = { 320 / 8, 304 / 8 };
	uint64_t words[MODULE_WORDS] = {};
	size_t n = MODULE_WORDS;

	/* It may be the last thing in its segment. */
	while (n > FIRST_WORD && !read_at(b, address, words, n * sizeof(*words)))
		n--;
	go_relocations_apply(b->image, address, words, n);
	for (size_t i = 0; i < ARRAY_SIZE(known) + n - FIRST_WORD; i++) {
		size_t k = i < ARRAY_SIZE(known) ? known[i] : i - ARRAY_SIZE(known) + FIRST_WORD;

		if (k >= n || !words[k] || !elf_image_segment_at(b->image, words[k]))
			continue;
		b->function_data = words[k];
		if (holds_together(b))
			return true;
	}
	b->function_data = 0;
	return false;
}

/* Looks for words that hold the table's address in what the program may write to. */
static bool search_segment(struct go_binary *b, const Elf64_Phdr *p)
{
	uint64_t size = MIN(p->p_filesz, MAX_SEARCHED) & ~7ULL, start = (8 - p->p_vaddr % 8) % 8;
	_cleanup_free_ uint64_t *words = malloc(CHUNK_WORDS * sizeof(*words));
	unsigned int modules = 0;

	for (uint64_t at = start; words && at < size; at += CHUNK_WORDS * sizeof(*words)) {
		size_t n = (size_t)MIN((size - at) / sizeof(*words), (uint64_t)CHUNK_WORDS);

		if (elf_image_read(b->image, words, n * sizeof(*words), p->p_offset + at) < 0)
			return false;
		for (size_t i = 0; i < n; i++) {
			if (words[i] != b->address)
				continue;
			if (try_module(b, p->p_vaddr + at + i * sizeof(*words)))
				return true;
			if (++modules == MAX_MODULES)
				return false;
		}
	}
	return false;
}

static bool find_module(struct go_binary *b)
{
	uint64_t written[MAX_MODULES];
	size_t n = go_relocations_of(b->image, b->address, written, MAX_MODULES);

	for (size_t i = 0; i < n; i++)
		if (try_module(b, written[i]))
			return true;
	for (uint32_t i = 0; i < b->image->n_segments; i++) {
		const Elf64_Phdr *p = &b->image->segments[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_W && search_segment(b, p))
			return true;
	}
	return false;
}

/* Numbers of tables: src/runtime/funcdata.h, since 1.21 src/internal/abi/symtab.go. */
void go_binary_find_inlined_calls(struct go_binary *b)
{
	b->inlined_pcdata = 2;
	b->inlined_funcdata = b->table.version >= GO_1_16 ? 3 : 4;
	if (b->table.version >= GO_1_18)
		b->has_inlined_calls = find_module(b);
	else if (b->table.version >= GO_1_16 || elf_image_section(b->image, ".go.buildinfo"))
		/* Programs that are built with 1.13 or later have the section. */
		b->has_inlined_calls = holds_together(b);
}
