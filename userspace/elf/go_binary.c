/* SPDX-License-Identifier: Apache-2.0 */
/* Where the function table of a Go program is. Where its inlined calls are: go_inlined.c. */
#include "elf/go_binary.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "elf/go_relocations.h"

/* The largest seen yet, of a program of 800 MB, had 170 MiB. */
#define MAX_SECTION ((size_t)256 << 20)

static const Elf64_Shdr *find_section(const struct elf_image *image)
{
	static const char *const names[] = { ".gopclntab", ".data.rel.ro.gopclntab" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const Elf64_Shdr *section = elf_image_section(image, names[i]);

		if (section)
			return section;
	}
	/* The C linker puts the table of a position-independent program among other constants. */
	return elf_image_section(image, ".go.buildinfo") ? elf_image_section(image, ".data.rel.ro")
							 : NULL;
}

/*
 * Where Go's text begins, for tables that do not say it themselves because the loader shall write
 * it: with C in the program that is not the beginning of .text.
 */
static uint64_t find_text(const struct elf_image *image, uint64_t table)
{
	const Elf64_Shdr *text = elf_image_section(image, ".text");
	uint64_t address;

	if (go_relocation_at(image, table + PCLNTAB_TEXT_OFFSET, &address))
		return address;
	return text ? text->sh_addr : 0;
}

static int find_table(struct go_binary *b, const Elf64_Shdr *section, size_t size)
{
	static const size_t step = 8; /* it is aligned to more */
	const uint8_t *data = b->data;

	for (size_t at = 0; at + step <= size; at += step) {
		if (!pclntab_looks_like(data + at) ||
		    pclntab_read(data + at, size - at, &b->table) < 0)
			continue;
		b->address = section->sh_addr + at;
		if (!b->table.text)
			b->table.text = find_text(b->image, b->address);
		return 0;
	}
	return -EBADMSG;
}

int go_binary_open(const struct elf_image *image, struct go_binary *ret)
{
	const Elf64_Shdr *section = find_section(image);
	struct go_binary b = { .image = image };
	size_t size;
	int r;

	if (!section)
		return -ENODATA;
	r = elf_image_copy(image, section, MAX_SECTION, &b.data, &size);
	if (r == 0)
		r = find_table(&b, section, size);
	if (r < 0) {
		go_binary_done(&b);
		return r;
	}
	*ret = b;
	return 0;
}

void go_binary_done(struct go_binary *b)
{
	free(b->data);
	*b = (struct go_binary){};
}
