/* SPDX-License-Identifier: Apache-2.0 */
/* Where the function table of a Go program is. Where its inlined calls are: go_inlined.c. */
#include "elf/go_binary.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "elf/go_module.h"
#include "elf/go_relocations.h"
#include "elf/pclntab_read.h"

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

/* Words of moduledata since 1.18: bounds of what the table covers, and what it counts from. */
enum { MODULE_MIN_PC = 20, MODULE_MAX_PC, MODULE_TEXT, MODULE_WORDS };

/* The runtime does not start if its bounds are not those of the first function and the last. */
static bool try_text(void *userdata, uint64_t address)
{
	struct go_binary *b = userdata;
	struct pclntab table = b->table;
	struct pclntab_function first, last;
	uint64_t words[MODULE_WORDS];

	if (table.n_functions == 0 ||
	    !go_module_words(b->image, address, words, MODULE_WORDS, MODULE_WORDS))
		return false;
	table.text = words[MODULE_TEXT];
	if (!table.text || !pclntab_function(&table, 0, &first) ||
	    !pclntab_function(&table, table.n_functions - 1, &last) ||
	    words[MODULE_MIN_PC] != first.start || words[MODULE_MAX_PC] <= last.start ||
	    words[MODULE_MAX_PC] > last.end)
		return false;
	b->table.text = table.text;
	return true;
}

/*
 * Since 1.26 the table does not say what its addresses count from; the runtime does. That is not
 * where .text begins if a linker of C has put its own code before Go's.
 */
static void find_text(struct go_binary *b)
{
	const Elf64_Shdr *text = elf_image_section(b->image, ".text");

	if (!go_module_find(b->image, b->address, try_text, b) && text)
		b->table.text = text->sh_addr;
}

static int find_table(struct go_binary *b, const Elf64_Shdr *section, size_t size)
{
	static const size_t step = 8; /* it is aligned to more */
	const uint8_t *data = b->data;

	/* What the loader shall write: from 1.18 on the beginning of text, before all addresses. */
	go_relocations_apply(b->image, section->sh_addr, b->data, size / sizeof(uint64_t));
	for (size_t at = 0; at + step <= size; at += step) {
		if (!pclntab_looks_like(data + at) ||
		    pclntab_read(data + at, size - at, &b->table) < 0)
			continue;
		b->address = section->sh_addr + at;
		if (!b->table.text && b->table.version >= GO_1_18)
			find_text(b);
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
