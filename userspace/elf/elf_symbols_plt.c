/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for the procedure linkage table. An entry has no symbol: it jumps through a slot of the
 * global offset table, and the relocation of that slot names the function. So the jump is decoded,
 * which fits every layout that linkers make (.plt, .plt.sec, .plt.got, with or without endbr64 or
 * bnd), instead of trusting the order of entries and relocations. Only x86-64.
 */
#include "elf/elf_symbols_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_SECTION    ((size_t)4 << 20)
#define MAX_RELOCATION ((size_t)32 << 20)
#define JUMP_SIZE      6 /* ff 25 disp32: jmp *disp(%rip) */

struct slot {
	uint64_t address;
	uint32_t symbol;
};

/* What is needed of the file while entries are decoded. */
struct plt {
	struct slot *slots; /* sorted by address */
	uint32_t n_slots;
	Elf64_Sym *symbols;
	size_t n_symbols;
	char *names;
	size_t names_size;
};

static void plt_done(struct plt *p)
{
	free(p->slots);
	free(p->symbols);
	free(p->names);
}

static int compare_slots(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* .rela.plt fills the slots of .plt and .plt.sec; .rela.dyn those of .plt.got. */
static int add_slots(struct plt *p, const struct elf_image *image, const Elf64_Shdr *section)
{
	_cleanup_free_ void *data = NULL;
	const Elf64_Rela *relocations;
	struct slot *slots;
	size_t size, n;
	int r;

	r = elf_image_copy(image, section, MAX_RELOCATION, &data, &size);
	if (r < 0)
		return r;
	relocations = data;
	n = size / sizeof(*relocations);
	slots = reallocarray(p->slots, p->n_slots + n + 1, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	p->slots = slots;
	for (size_t i = 0; i < n; i++) {
		uint32_t type = (uint32_t)ELF64_R_TYPE(relocations[i].r_info);

		if (type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT)
			p->slots[p->n_slots++] = (struct slot){
				.address = relocations[i].r_offset,
				.symbol = (uint32_t)ELF64_R_SYM(relocations[i].r_info),
			};
	}
	return 0;
}

static int plt_read(struct plt *p, const struct elf_image *image)
{
	const Elf64_Shdr *dynsym = elf_image_section_of_type(image, SHT_DYNSYM);
	const Elf64_Shdr *names = dynsym ? elf_image_link(image, dynsym) : NULL;
	void *data = NULL;
	size_t size;
	int r;

	if (!names)
		return -ENOENT;
	for (uint32_t i = 1; i < image->n_sections; i++) {
		if (image->sections[i].sh_type != SHT_RELA ||
		    !(image->sections[i].sh_flags & SHF_ALLOC) ||
		    elf_image_link(image, &image->sections[i]) != dynsym)
			continue;
		r = add_slots(p, image, &image->sections[i]);
		if (r < 0)
			return r;
	}
	if (p->n_slots == 0)
		return -ENOENT;
	qsort(p->slots, p->n_slots, sizeof(*p->slots), compare_slots);
	r = elf_image_copy(image, dynsym, MAX_RELOCATION, &data, &size);
	if (r < 0)
		return r;
	p->symbols = data;
	p->n_symbols = size / sizeof(*p->symbols);
	r = elf_image_copy(image, names, MAX_RELOCATION, &data, &p->names_size);
	if (r < 0)
		return r;
	p->names = data;
	return 0;
}

static const char *name_of_slot(const struct plt *p, uint64_t address)
{
	const struct slot key = { .address = address };
	const struct slot *slot =
		bsearch(&key, p->slots, p->n_slots, sizeof(*p->slots), compare_slots);

	if (!slot || slot->symbol >= p->n_symbols ||
	    p->symbols[slot->symbol].st_name >= p->names_size)
		return NULL;
	return p->names + p->symbols[slot->symbol].st_name;
}

static int add_entry(struct elf_symbols_builder *b, uint64_t address, uint64_t size,
		     const char *name)
{
	char text[256];
	uint32_t at;
	int r;

	if (strlen(name) > sizeof(text) - sizeof("@plt"))
		return 0;
	strcpy(text, name);
	strcat(text, "@plt");
	r = elf_symbols_builder_add_strings(b, text, strlen(text), &at);
	return r < 0 ? r : elf_symbols_builder_add(b, address, size, at, ELF_BINDING_LOCAL, true);
}

static int add_section(struct elf_symbols_builder *b, const struct elf_image *image,
		       const struct plt *p, const Elf64_Shdr *section, size_t entry_size)
{
	_cleanup_free_ void *data = NULL;
	const unsigned char *bytes;
	size_t size;
	int r;

	r = elf_image_copy(image, section, MAX_SECTION, &data, &size);
	if (r < 0)
		return r;
	bytes = data;
	for (size_t entry = 0; entry + entry_size <= size; entry += entry_size) {
		for (size_t at = entry; at + JUMP_SIZE <= entry + entry_size; at++) {
			int32_t displacement;
			const char *name;

			if (bytes[at] != 0xff || bytes[at + 1] != 0x25)
				continue;
			memcpy(&displacement, bytes + at + 2, sizeof(displacement));
			name = name_of_slot(p, section->sh_addr + at + JUMP_SIZE +
						       (uint64_t)(int64_t)displacement);
			r = name ? add_entry(b, section->sh_addr + entry, entry_size, name) : 0;
			if (r < 0)
				return r;
			break;
		}
	}
	return 0;
}

int elf_symbols_add_plt(struct elf_symbols_builder *b, const struct elf_image *image)
{
	static const char *const sections[] = { ".plt", ".plt.sec", ".plt.got" };
	_cleanup_(plt_done)
	struct plt p = {};
	int r;

	if (image->header.e_machine != EM_X86_64)
		return 0;
	r = plt_read(&p, image);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sections); i++) {
		const Elf64_Shdr *section = elf_image_section(image, sections[i]);

		/* .plt.got has entries of 8 bytes, or of 16 where they begin with endbr64. */
		if (section)
			r = add_section(b, image, &p, section, section->sh_entsize == 8 ? 8 : 16);
	}
	/* Entries without names are no reason to do without the rest. */
	return r == -ENOMEM ? r : 0;
}
