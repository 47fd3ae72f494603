/* SPDX-License-Identifier: Apache-2.0 */
/* Which sections of which file the names are taken from, and how they are read. */
#include "elf/elf_symbols.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "elf/elf_debugdata.h"
#include "elf/elf_symbols_build.h"

/* Symbols are read in pieces: a symbol table is never in memory as a whole. */
#define CHUNK_SYMBOLS 4096

/* Symbols are found by section and are read as those of 64-bit files. */
static int open_image(int fd, struct elf_image *ret)
{
	struct elf_image image;
	int r = elf_image_open(fd, &image);

	if (r < 0)
		return r;
	r = image.header.e_ident[EI_CLASS] == ELFCLASS64 ? image.sections_error : -ENOTSUP;
	if (r < 0)
		elf_image_done(&image);
	else
		*ret = image;
	return r;
}

static bool is_function(const Elf64_Sym *symbol)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);

	return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

static enum elf_symbol_binding binding_of(const Elf64_Sym *symbol)
{
	switch (ELF64_ST_BIND(symbol->st_info)) {
	case STB_LOCAL:
		return ELF_BINDING_LOCAL;
	case STB_WEAK:
		return ELF_BINDING_WEAK;
	default:
		return ELF_BINDING_GLOBAL;
	}
}

static int add_chunk(struct elf_symbols_builder *b, const Elf64_Sym *symbols, uint32_t n,
		     uint32_t strings, uint64_t strings_size)
{
	for (uint32_t i = 0; i < n; i++) {
		const Elf64_Sym *symbol = &symbols[i];
		int r;

		if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS ||
		    !is_function(symbol) || symbol->st_name >= strings_size)
			continue;
		r = elf_symbols_builder_add(b, symbol->st_value, symbol->st_size,
					    strings + symbol->st_name, binding_of(symbol),
					    ELF64_ST_TYPE(symbol->st_info) == STT_NOTYPE);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_table(struct elf_symbols_builder *b, const struct elf_image *image,
		     const Elf64_Shdr *table)
{
	const Elf64_Shdr *names = elf_image_link(image, table);
	_cleanup_free_ Elf64_Sym *chunk = NULL;
	uint64_t n = table->sh_size / sizeof(Elf64_Sym);
	void *strings = NULL;
	uint32_t base = 0;
	size_t size = 0;
	int r;

	if (!names || names->sh_type != SHT_STRTAB || table->sh_entsize != sizeof(Elf64_Sym) ||
	    table->sh_flags & SHF_COMPRESSED || table->sh_offset > image->size ||
	    table->sh_size > image->size - table->sh_offset)
		return -EBADMSG;
	chunk = malloc(CHUNK_SYMBOLS * sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	r = elf_image_copy(image, names, b->request.limits.max_strings, &strings, &size);
	if (r == 0)
		r = elf_symbols_builder_take_strings(b, strings, size, &base);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < n; i += CHUNK_SYMBOLS) {
		uint32_t some = (uint32_t)MIN(n - i, (uint64_t)CHUNK_SYMBOLS);

		r = elf_image_read(image, chunk, some * sizeof(*chunk),
				   table->sh_offset + i * sizeof(*chunk));
		if (r == 0)
			r = add_chunk(b, chunk, some, base, size);
		if (r < 0)
			return r == -ENODATA ? -EBADMSG : r;
	}
	return 0;
}

/* Half a table would have functions without a size reach over those that are missing. */
static int add_whole_table(struct elf_symbols_builder *b, const struct elf_image *image,
			   const Elf64_Shdr *table)
{
	uint32_t before = b->n;
	int r = add_table(b, image, table);

	if (r < 0)
		b->n = before;
	return r;
}

static int add_symtab(struct elf_symbols_builder *b, const struct elf_image *image)
{
	const Elf64_Shdr *symtab = elf_image_section_of_type(image, SHT_SYMTAB);

	return symtab ? add_whole_table(b, image, symtab) : 0;
}

static int add_debug_file(struct elf_symbols_builder *b)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	int r = open_image(b->request.debug_fd, &image);

	return r < 0 ? r : add_symtab(b, &image);
}

/* A whole ELF file, of which only the symbol table is of interest, in a section (mini debug info).
 */
static int add_debugdata(struct elf_symbols_builder *b, const struct elf_image *image)
{
	const Elf64_Shdr *section = elf_image_section(image, ".gnu_debugdata");
	_cleanup_(elf_image_done)
	struct elf_image inner = { .fd = -1 };
	_cleanup_free_ void *data = NULL;
	size_t size;
	int r;

	if (!section)
		return 0;
	r = elf_debugdata_copy(image, section, &data, &size);
	if (r == 0)
		r = elf_image_of(data, size, &inner);
	if (r == 0)
		r = inner.header.e_ident[EI_CLASS] == ELFCLASS64 ? inner.sections_error : -ENOTSUP;
	return r < 0 ? r : add_symtab(b, &inner);
}

static int add_dynsym(struct elf_symbols_builder *b, const struct elf_image *image)
{
	const Elf64_Shdr *dynsym = elf_image_section_of_type(image, SHT_DYNSYM);

	return dynsym ? add_whole_table(b, image, dynsym) : 0;
}

/* What was added has a source, unless there was one before. */
static int came_from(struct elf_symbols_builder *b, enum elf_symbols_source source, int r,
		     int first_error)
{
	if (b->n > 0 && b->source == ELF_SYMBOLS_NONE)
		b->source = source;
	return first_error ? first_error : r;
}

/*
 * The order of sources is told in elf_symbols.h; one that is damaged or too large makes room
 * for the next.
 */
static int add_sources(struct elf_symbols_builder *b, const struct elf_image *image)
{
	int r = came_from(b, ELF_SYMBOLS_SYMTAB, add_symtab(b, image), 0);

	if (b->n == 0 && b->request.debug_fd >= 0)
		r = came_from(b, ELF_SYMBOLS_DEBUG_FILE, add_debug_file(b), r);
	if (b->n == 0) {
		r = came_from(b, ELF_SYMBOLS_DEBUGDATA, add_debugdata(b, image), r);
		r = came_from(b, ELF_SYMBOLS_DYNSYM, add_dynsym(b, image), r);
	}
	r = came_from(b, ELF_SYMBOLS_PCLNTAB, elf_symbols_add_go(b, image), r);
	if (r == 0 || b->n > 0)
		r = elf_symbols_add_plt(b, image);
	return b->n > 0 ? 0 : r;
}

int elf_symbols_read(const struct elf_symbols_request *request, struct elf_symbols **ret)
{
	_cleanup_(elf_symbols_builder_done)
	struct elf_symbols_builder b = {};
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	int r;

	elf_symbols_builder_init(&b, request);
	r = open_image(request->fd, &image);
	if (r < 0)
		return r;
	r = elf_symbols_builder_set_code(&b, &image);
	if (r == 0)
		r = add_sources(&b, &image);
	return r < 0 ? r : elf_symbols_builder_finish(&b, ret);
}

bool elf_symbols_has_symtab(int fd)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };

	return open_image(fd, &image) == 0 && elf_image_section_of_type(&image, SHT_SYMTAB);
}
