/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function names of an ELF file, in one immutable block of memory without pointers, so that it
 * can be built by one process and handed to another. Addresses are ELF virtual addresses. A table
 * can be of the whole file, or of what is at some addresses: a large library has a hundred times
 * more functions than are ever seen in profiles.
 *
 * Where names are taken from, in this order:
 *   1. .symtab of the file
 *   2. .symtab of its separate debug file
 *   3. .gnu_debugdata: the .symtab of the functions that are not exported, compressed
 *   4. .dynsym, beside the third or alone
 * and always: entries of the procedure linkage table, "malloc@plt" (x86-64); and the functions in
 * Go, from the table that its runtime has, which is preferred to all others.
 *
 * Of several names at one address one that has a size is preferred, then one that is not local,
 * then the one with fewer leading underscores, then global before weak, then the shortest. Labels
 * of assembler code (no type) count only where no function covers them. A function without a size
 * reaches to the next symbol or the end of its section.
 *
 * How it can be wrong: the bytes belong to whoever built the file, who may call things what he
 * likes; stripped local functions get the name of nothing, never that of their neighbour, unless
 * that one has no size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer names are cut; bytes without the NUL. */
#define ELF_SYMBOL_NAME_MAX 4095

struct elf_symbols;

struct elf_symbols_limits {
	uint32_t max_symbols; /* functions, aliases included; 0 = 8 million */
	size_t max_strings;   /* bytes of the string tables in the file; 0 = 512 MiB */
	size_t max_bytes;     /* of the table; 0 = 64 MiB */
};

/* What is wanted of a file. */
struct elf_symbols_request {
	int fd;	      /* the file */
	int debug_fd; /* its separate debug file; -1 = none */
	struct elf_symbols_limits limits;
	const uint64_t *addresses; /* rising; only what is there is in the table; NULL = all */
	size_t n;
	size_t whole_bytes; /* a table that is not larger than this is given whole all the same */
};

/* Where the names came from. */
enum elf_symbols_source {
	ELF_SYMBOLS_NONE,
	ELF_SYMBOLS_SYMTAB,
	ELF_SYMBOLS_DEBUG_FILE,
	ELF_SYMBOLS_DEBUGDATA,
	ELF_SYMBOLS_PCLNTAB,
	ELF_SYMBOLS_DYNSYM, /* only exported functions have names */
	ELF_SYMBOLS_SOURCES
};

/* "symtab"; "-" for ELF_SYMBOLS_NONE. */
const char *elf_symbols_source_name(enum elf_symbols_source source);

struct elf_symbol {
	uint64_t address, size; /* of the stretch that bears the name; part of a function if others
				   lie inside it */
	const char *name;	/* in the table; any bytes. "" = it is known that there is none */
};

/*
 * Reads the names of a file. One that has no symbols gives an empty table. -ENOEXEC not ELF of this
 * byte order, -ENOTSUP not of 64 bits, -EBADMSG damaged, -EFBIG over a limit, or another -errno.
 */
int elf_symbols_read(const struct elf_symbols_request *request, struct elf_symbols **ret);

/* Whether the file has a .symtab of its own, so that a separate debug file need not be looked for.
 */
bool elf_symbols_has_symtab(int fd);

/*
 * One table of what is in either; where they contradict each other @old is right. -EFBIG if their
 * addresses are too far from each other, -ENOMEM.
 */
int elf_symbols_merge(const struct elf_symbols *old, const struct elf_symbols *more,
		      struct elf_symbols **ret);

/* Returns NULL; accepts NULL. Only for tables that elf_symbols_read() or _merge() made. */
struct elf_symbols *elf_symbols_free(struct elf_symbols *t);

/*
 * Checks a table that another process built: after 0, no look-up leaves its @size bytes. -EBADMSG
 * if it contradicts itself. @data is aligned to 8.
 */
int elf_symbols_check(const void *data, size_t size);

/*
 * What is at @address; false if there is no function, or, in a table that is not of the whole file,
 * if it does not know. The name lives as long as the table.
 */
bool elf_symbols_find(const struct elf_symbols *t, uint64_t address, struct elf_symbol *ret);

/* Whether what is not in the table is not in the file. */
bool elf_symbols_is_whole(const struct elf_symbols *t);
enum elf_symbols_source elf_symbols_source(const struct elf_symbols *t);

/* Visits entries by number, 0..count-1, by rising address. */
void elf_symbols_get(const struct elf_symbols *t, uint32_t i, struct elf_symbol *ret);
uint32_t elf_symbols_count(const struct elf_symbols *t);
/* Bytes of the block. */
size_t elf_symbols_memory(const struct elf_symbols *t);
