/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables of parts of one file become one: entries by address, each table's names as they are.
 */
#include "elf/elf_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf_symbols_build.h"

static uint64_t start_of(const struct elf_symbols *t, uint32_t i)
{
	return i < t->n ? t->base + t->entries[i].address : UINT64_MAX;
}

static uint64_t end_of(const struct elf_symbols *t, uint32_t i)
{
	return t->base + t->entries[i].address + t->entries[i].size;
}

static void append(struct elf_symbols *ret, uint64_t start, uint64_t end, uint32_t name)
{
	ret->entries[ret->n++] = (struct elf_symbols_entry){
		.address = (uint32_t)(start - ret->base),
		.size = (uint32_t)(end - start),
		.name = name,
	};
}

/* All old entries, and of the others what lies between them: at most one piece more an old one. */
static void merge_entries(const struct elf_symbols *old, const struct elf_symbols *more,
			  struct elf_symbols *ret)
{
	uint64_t end = 0; /* up to where @ret is complete */
	uint32_t i = 0, j = 0;

	while (i < old->n || j < more->n) {
		uint64_t start = MAX(start_of(more, j), end);

		if (start_of(old, i) <= start) {
			append(ret, start_of(old, i), end_of(old, i), old->entries[i].name);
			end = end_of(old, i++);
		} else if (start >= end_of(more, j)) {
			j++;
		} else {
			end = MIN(end_of(more, j), start_of(old, i));
			append(ret, start, end, (uint32_t)old->names_size + more->entries[j].name);
		}
	}
}

static void take_names(struct elf_symbols *ret, const struct elf_symbols *t, uint32_t at)
{
	memcpy((char *)&ret->entries[ret->n] + at, &t->entries[t->n], t->names_size);
}

int elf_symbols_merge(const struct elf_symbols *old, const struct elf_symbols *more,
		      struct elf_symbols **ret)
{
	uint64_t names_size = old->names_size + more->names_size;
	uint64_t most = 2 * (uint64_t)old->n + more->n;
	uint64_t base = MIN(start_of(old, 0), start_of(more, 0)), end = 0;
	struct elf_symbols *t, *smaller;

	if (old->n > 0)
		end = end_of(old, old->n - 1);
	if (more->n > 0)
		end = MAX(end, end_of(more, more->n - 1));
	if (names_size > UINT32_MAX || most > UINT32_MAX || (end > base && end - base > UINT32_MAX))
		return -EFBIG;
	t = malloc(sizeof(*t) + most * sizeof(t->entries[0]) + names_size);
	if (!t)
		return -ENOMEM;
	*t = (struct elf_symbols){
		.magic = ELF_SYMBOLS_MAGIC,
		.base = most > 0 ? base : 0,
		.names_size = names_size,
		.source = old->source ? old->source : more->source,
	};
	merge_entries(old, more, t);
	take_names(t, old, 0);
	take_names(t, more, (uint32_t)old->names_size);
	t->bytes = sizeof(*t) + t->n * sizeof(t->entries[0]) + names_size;
	smaller = realloc(t, t->bytes);
	*ret = smaller ? smaller : t;
	return 0;
}
