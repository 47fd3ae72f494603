/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of Go functions as their own table has them, which is how Go's tools know them; its
 * linker puts other ones into .symtab for functions in assembler ("memmove.abi0") and, before 1.21,
 * for generic ones.
 */
#include "elf/elf_symbols_build.h"

#include <errno.h>

#include "base/cleanup.h"
#include "elf/go_binary.h"

static int add_functions(struct elf_symbols_builder *b, const struct pclntab *t, uint32_t strings)
{
	for (uint32_t i = 0; i < t->n_functions; i++) {
		struct pclntab_function f;
		const char *name;
		int r;

		if (!pclntab_function(t, i, &f))
			continue;
		name = pclntab_name(t, i);
		if (!name)
			continue;
		r = elf_symbols_builder_add(b, f.start, f.end - f.start,
					    strings + (uint32_t)(name - (const char *)t->data),
					    ELF_BINDING_RUNTIME, false);
		if (r < 0)
			return r;
	}
	return 0;
}

int elf_symbols_add_go(struct elf_symbols_builder *b, const struct elf_image *image)
{
	_cleanup_(go_binary_done)
	struct go_binary go = {};
	uint32_t strings, before = b->n;
	int r = go_binary_open(image, &go);

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	/* Names follow the header, and nobody else refers to what follows them. */
	r = elf_symbols_builder_add_strings(b, go.table.data, pclntab_names_end(&go.table),
					    &strings);
	if (r == 0)
		r = add_functions(b, &go.table, strings);
	if (r < 0)
		b->n = before;
	return r;
}
