/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/go_relocations.h"

#include <stdlib.h>

#include "base/cleanup.h"

#define CHUNK 4096 /* relocations read at a time; of large programs there are 100,000 */

/* Linkers of C call it .rela.dyn, that of Go .rela. */
static const Elf64_Shdr *find_section(const struct elf_image *image)
{
	const Elf64_Shdr *section = elf_image_section(image, ".rela.dyn");

	return section ? section : elf_image_section(image, ".rela");
}

/* Calls @take for each that adds a number to the base; stops when it says false. */
static void each(const struct elf_image *image, bool (*take)(const Elf64_Rela *r, void *userdata),
		 void *userdata)
{
	const Elf64_Shdr *section = find_section(image);
	_cleanup_free_ Elf64_Rela *chunk = NULL;
	uint64_t left;

	if (!section || section->sh_flags & SHF_COMPRESSED)
		return;
	left = section->sh_size / sizeof(*chunk);
	chunk = malloc(CHUNK * sizeof(*chunk));
	for (uint64_t at = section->sh_offset; chunk && left > 0; at += CHUNK * sizeof(*chunk)) {
		size_t n = (size_t)MIN(left, (uint64_t)CHUNK);

		if (elf_image_read(image, chunk, n * sizeof(*chunk), at) < 0)
			return;
		for (size_t i = 0; i < n; i++)
			if (ELF64_R_TYPE(chunk[i].r_info) == R_X86_64_RELATIVE &&
			    !take(&chunk[i], userdata))
				return;
		left -= n;
	}
}

struct list {
	uint64_t wanted, *addresses;
	size_t n, max;
};

static bool take_value(const Elf64_Rela *r, void *userdata)
{
	struct list *l = userdata;

	if ((uint64_t)r->r_addend == l->wanted)
		l->addresses[l->n++] = r->r_offset;
	return l->n < l->max;
}

size_t go_relocations_of(const struct elf_image *image, uint64_t value, uint64_t *ret, size_t max)
{
	struct list l = { .wanted = value, .addresses = ret, .max = max };

	each(image, take_value, &l);
	return l.n;
}

struct words {
	uint64_t address, *at;
	size_t n;
};

static bool take_word(const Elf64_Rela *r, void *userdata)
{
	struct words *w = userdata;
	uint64_t distance = r->r_offset - w->address;

	if (distance % sizeof(*w->at) == 0 && distance / sizeof(*w->at) < w->n)
		w->at[distance / sizeof(*w->at)] = (uint64_t)r->r_addend;
	return true;
}

void go_relocations_apply(const struct elf_image *image, uint64_t address, uint64_t *words,
			  size_t n)
{
	struct words w = { .address = address, .at = words, .n = n };

	each(image, take_word, &w);
}
