/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/relocations.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_SYMBOLS 1000000U
/* Entries that are read at a time. */
#define CHUNK 256U
/* Bytes of the largest thing that is filled in. */
#define WIDEST 8U

struct relocations {
	const struct elf_image *image;
	uint64_t offset, n; /* of the list */
	uint16_t machine;
	uint64_t *symbols; /* the value of each */
	uint32_t n_symbols;
};

/* How many bytes it fills in; 0 = none of those that refer to code and to debug sections. */
static unsigned int width(uint16_t machine, uint32_t type)
{
	if (machine == EM_X86_64)
		return type == R_X86_64_64			     ? 8
		       : type == R_X86_64_32 || type == R_X86_64_32S ? 4
								     : 0;
	return type == R_AARCH64_ABS64 ? 8 : type == R_AARCH64_ABS32 ? 4 : 0;
}

/* Only what is loaded has an address; a debug section begins at 0. */
static uint64_t value_of(const struct elf_image *image, const Elf64_Sym *symbol)
{
	uint32_t section = symbol->st_shndx;

	if (section == SHN_UNDEF || section >= image->n_sections ||
	    !(image->sections[section].sh_flags & SHF_ALLOC))
		return symbol->st_value;
	return RELOCATABLE_ADDRESS(section, symbol->st_value);
}

static int read_symbols(struct relocations *r, const Elf64_Shdr *list)
{
	const Elf64_Shdr *table = elf_image_link(r->image, list);
	_cleanup_free_ Elf64_Sym *symbols = NULL;
	size_t size;
	int error;

	if (!table || table->sh_type != SHT_SYMTAB)
		return -EBADMSG;
	error = elf_image_copy(r->image, table, MAX_SYMBOLS * sizeof(*symbols), (void **)&symbols,
			       &size);
	if (error < 0)
		return error;
	r->n_symbols = (uint32_t)(size / sizeof(*symbols));
	r->symbols = calloc(r->n_symbols + 1U, sizeof(*r->symbols));
	if (!r->symbols)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->n_symbols; i++)
		r->symbols[i] = value_of(r->image, &symbols[i]);
	return 0;
}

static const Elf64_Shdr *find_list(const struct elf_image *image, const Elf64_Shdr *section)
{
	for (uint32_t i = 1; i < image->n_sections; i++)
		if (image->sections[i].sh_type == SHT_RELA &&
		    image->sections[i].sh_info == (uint32_t)(section - image->sections))
			return &image->sections[i];
	return NULL;
}

int relocations_open(const struct elf_image *image, const Elf64_Shdr *section,
		     struct relocations **ret)
{
	const Elf64_Ehdr *h = &image->header;
	const Elf64_Shdr *list = h->e_type == ET_REL ? find_list(image, section) : NULL;
	struct relocations *r;
	int error;

	*ret = NULL;
	if (!list)
		return 0;
	if (h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    (h->e_machine != EM_X86_64 && h->e_machine != EM_AARCH64))
		return -ENOTSUP;
	if (list->sh_flags & SHF_COMPRESSED || list->sh_offset > image->size ||
	    list->sh_size > image->size - list->sh_offset)
		return -EBADMSG;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->image = image;
	r->machine = h->e_machine;
	r->offset = list->sh_offset;
	r->n = list->sh_size / sizeof(Elf64_Rela);
	error = read_symbols(r, list);
	if (error < 0) {
		relocations_free(r);
		return error;
	}
	*ret = r;
	return 0;
}

struct relocations *relocations_free(struct relocations *r)
{
	if (r)
		free(r->symbols);
	free(r);
	return NULL;
}

static int read_entries(const struct relocations *r, uint64_t first, uint64_t n, Elf64_Rela *ret)
{
	return elf_image_read(r->image, ret, n * sizeof(*ret), r->offset + first * sizeof(*ret));
}

/* The number of the first entry that can reach @offset. */
static int find_first(const struct relocations *r, uint64_t offset, uint64_t *ret)
{
	uint64_t low = 0, high = r->n;

	offset -= MIN(offset, (uint64_t)WIDEST - 1);
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		Elf64_Rela entry;
		int error = read_entries(r, middle, 1, &entry);

		if (error < 0)
			return error;
		if (entry.r_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return 0;
}

/* It may begin before the buffer, or end behind it. */
static void fill_in(const struct relocations *r, const Elf64_Rela *entry, uint64_t offset,
		    uint64_t size, uint8_t *buffer)
{
	uint64_t symbol = ELF64_R_SYM(entry->r_info), value = (uint64_t)entry->r_addend;
	unsigned int n = width(r->machine, (uint32_t)ELF64_R_TYPE(entry->r_info));

	if (symbol >= r->n_symbols)
		return;
	value += r->symbols[symbol];
	for (unsigned int i = 0; i < n; i++) {
		/* What is before the buffer is far behind it, as these numbers go around. */
		uint64_t at = entry->r_offset + i - offset;
		unsigned int shift =
			8 * (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? i : n - 1 - i);

		if (at < size)
			buffer[at] = (uint8_t)(value >> shift);
	}
}

int relocations_apply(const struct relocations *r, uint64_t offset, uint64_t size, void *buffer)
{
	Elf64_Rela entries[CHUNK];
	uint64_t first = 0, n, before = 0;
	int error = find_first(r, offset, &first);

	for (; error == 0 && first < r->n; first += n) {
		n = MIN(r->n - first, (uint64_t)CHUNK);
		error = read_entries(r, first, n, entries);
		for (uint64_t i = 0; error == 0 && i < n; i++) {
			if (entries[i].r_offset < before)
				return -EBADMSG;
			before = entries[i].r_offset;
			if (before >= offset + size)
				return 0;
			fill_in(r, &entries[i], offset, size, buffer);
		}
	}
	return error;
}
