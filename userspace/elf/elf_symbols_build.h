/* SPDX-License-Identifier: Apache-2.0 */
/* Private to elf_symbols*.c: how the flat table is laid out, and how it is put together. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/elf_image.h"
#include "elf/elf_symbols.h"

#define ELF_SYMBOLS_MAGIC 0x314d5953u /* "SYM1" */

/* Entries are sorted by address and do not overlap. */
struct elf_symbols_entry {
	uint32_t address; /* from base */
	uint32_t size;	  /* bytes, not 0 */
	uint32_t name;	  /* offset in names */
};

/* The names, each NUL-terminated and possibly the tail of another, follow the entries. */
struct elf_symbols {
	uint32_t magic;
	uint32_t n;
	uint64_t base;
	uint64_t bytes; /* of the block, this header included */
	uint64_t names_size;
	uint32_t whole;	 /* 0 or 1 */
	uint32_t source; /* enum elf_symbols_source */
	struct elf_symbols_entry entries[];
};

struct elf_code_range {
	uint64_t start, end;
};

/* What a name in a symbol table is worth; see the order in elf_symbols.h. */
enum elf_symbol_binding {
	ELF_BINDING_GLOBAL,
	ELF_BINDING_WEAK,
	ELF_BINDING_LOCAL,
	ELF_BINDING_RUNTIME, /* what the program calls itself: better than all others */
};

#define ELF_SYMBOLS_RANK_LABEL (1 << 7) /* without type; the worst */

struct elf_symbols_candidate {
	uint64_t address, size;
	uint32_t name; /* offset in the builder's strings */
	uint16_t name_size;
	uint8_t rank; /* lower is better */
};

struct elf_symbols_builder {
	struct elf_symbols_request request; /* with all limits filled in */
	enum elf_symbols_source source;
	struct elf_code_range *code; /* sorted, disjoint */
	uint32_t n_code;
	struct elf_symbols_candidate *candidates;
	uint32_t n, allocated;
	char *strings; /* every string table that was added, each followed by a NUL */
	size_t strings_size, strings_allocated;
};

void elf_symbols_builder_init(struct elf_symbols_builder *b,
			      const struct elf_symbols_request *request);
void elf_symbols_builder_done(struct elf_symbols_builder *b);

/* Takes the executable sections: symbols outside of them are refused. */
int elf_symbols_builder_set_code(struct elf_symbols_builder *b, const struct elf_image *image);

/* Copies a string table of @size bytes; names are then given as @ret_base plus their offset. */
int elf_symbols_builder_add_strings(struct elf_symbols_builder *b, const void *data, size_t size,
				    uint32_t *ret_base);
/* The same, taking ownership of @data (malloced, with a NUL after its end) if it is the first. */
int elf_symbols_builder_take_strings(struct elf_symbols_builder *b, void *data, size_t size,
				     uint32_t *ret_base);

/*
 * Adds a function, or a label without type. What cannot be code or has no name is left out without
 * an error. -EFBIG or -ENOMEM.
 */
int elf_symbols_builder_add(struct elf_symbols_builder *b, uint64_t address, uint64_t size,
			    uint32_t name, enum elf_symbol_binding binding, bool label);

/* The executable section that holds @address; NULL if none does. */
const struct elf_code_range *elf_symbols_builder_code_at(const struct elf_symbols_builder *b,
							 uint64_t address);

/* Makes the table. The builder is used up but for elf_symbols_builder_done(). */
int elf_symbols_builder_finish(struct elf_symbols_builder *b, struct elf_symbols **ret);

/* Adds the entries of the procedure linkage table, as "NAME@plt". */
int elf_symbols_add_plt(struct elf_symbols_builder *b, const struct elf_image *image);

/*
 * Adds the functions of a Go program, which its own function table knows best. Nothing if it is
 * none. What it adds is in strings of its own; -EBADMSG, -EFBIG or -ENOMEM, and nothing was added.
 */
int elf_symbols_add_go(struct elf_symbols_builder *b, const struct elf_image *image);
