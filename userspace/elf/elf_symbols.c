/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_symbols.h"

#include <errno.h>
#include <stdlib.h>

#include "base/search.h"
#include "elf/elf_symbols_build.h"

static const char *names_of(const struct elf_symbols *t)
{
	return (const char *)&t->entries[t->n];
}

struct elf_symbols *elf_symbols_free(struct elf_symbols *t)
{
	free(t);
	return NULL;
}

int elf_symbols_check(const void *data, size_t size)
{
	const struct elf_symbols *t = data;
	uint64_t end = 0;

	if (size < sizeof(*t) || t->magic != ELF_SYMBOLS_MAGIC || t->bytes != size)
		return -EBADMSG;
	if (t->n > (size - sizeof(*t)) / sizeof(t->entries[0]))
		return -EBADMSG;
	if (t->names_size != size - sizeof(*t) - t->n * sizeof(t->entries[0]))
		return -EBADMSG;
	if (t->names_size == 0 || names_of(t)[t->names_size - 1] != '\0')
		return -EBADMSG;
	if (t->whole > 1 || t->source >= ELF_SYMBOLS_SOURCES)
		return -EBADMSG;
	for (uint32_t i = 0; i < t->n; i++) {
		const struct elf_symbols_entry *e = &t->entries[i];

		if (e->size == 0 || e->address < end || e->name >= t->names_size)
			return -EBADMSG;
		end = (uint64_t)e->address + e->size;
	}
	if (t->n > 0 && t->base > UINT64_MAX - end)
		return -EBADMSG;
	return 0;
}

void elf_symbols_get(const struct elf_symbols *t, uint32_t i, struct elf_symbol *ret)
{
	const struct elf_symbols_entry *e = &t->entries[i];

	*ret = (struct elf_symbol){
		.address = t->base + e->address,
		.size = e->size,
		.name = names_of(t) + e->name,
	};
}

bool elf_symbols_find(const struct elf_symbols *t, uint64_t address, struct elf_symbol *ret)
{
	uint64_t offset = address - t->base;
	uint32_t n;

	if (address < t->base)
		return false;
	/* Of those that begin up to the address the last one is the only candidate. */
	n = SEARCH(t->n, i, t->entries[i].address <= offset);
	if (n == 0 || offset - t->entries[n - 1].address >= t->entries[n - 1].size)
		return false;
	elf_symbols_get(t, n - 1, ret);
	return true;
}

bool elf_symbols_is_whole(const struct elf_symbols *t)
{
	return t->whole;
}

enum elf_symbols_source elf_symbols_source(const struct elf_symbols *t)
{
	return (enum elf_symbols_source)t->source;
}

const char *elf_symbols_source_name(enum elf_symbols_source source)
{
	static const char *const names[ELF_SYMBOLS_SOURCES] = {
		[ELF_SYMBOLS_NONE] = "-",
		[ELF_SYMBOLS_SYMTAB] = "symtab",
		[ELF_SYMBOLS_DEBUG_FILE] = "debug_file",
		[ELF_SYMBOLS_DEBUGDATA] = "debugdata",
		[ELF_SYMBOLS_PCLNTAB] = "pclntab",
		[ELF_SYMBOLS_DYNSYM] = "dynsym",
	};

	return names[source];
}

uint32_t elf_symbols_count(const struct elf_symbols *t)
{
	return t->n;
}

size_t elf_symbols_memory(const struct elf_symbols *t)
{
	return (size_t)t->bytes;
}
