/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function names of an ELF file, in one immutable block of memory without pointers, so that it
 * can be built by one process and handed to another. Addresses are ELF virtual addresses.
 *
 * Where names are taken from, in this order:
 *   1. .symtab of the file
 *   2. .symtab of its separate debug file
 *   3. (.gnu_debugdata: its place is here, it is not read yet)
 *   4. .dynsym, if none of the above had functions
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
	uint32_t max_symbols; /* functions, aliases included; 0 = 2 million */
	size_t max_strings;   /* bytes of a string table in the file; 0 = 128 MiB */
	size_t max_bytes;     /* of the table; 0 = 64 MiB */
};

struct elf_symbol {
	uint64_t address, size; /* of the stretch that bears the name; part of a function if others
				   lie inside it */
	const char *name;	/* in the table; any bytes, not empty */
};

/*
 * Reads the names of the file @fd, those of its .symtab from @debug_fd instead if it has none
 * (-1 = there is no separate debug file). A limit of NULL is the default. A file that has no
 * symbols gives an empty table. -ENOEXEC not ELF of this byte order, -ENOTSUP not of 64 bits,
 * -EBADMSG damaged, -EFBIG over a limit, or another -errno.
 */
int elf_symbols_read(int fd, int debug_fd, const struct elf_symbols_limits *limits,
		     struct elf_symbols **ret);

/* Whether the file has a .symtab of its own, so that a separate debug file need not be looked for.
 */
bool elf_symbols_has_symtab(int fd);

/* Returns NULL; accepts NULL. Only for tables that elf_symbols_read() made. */
struct elf_symbols *elf_symbols_free(struct elf_symbols *t);

/*
 * Checks a table that another process built: after 0, no look-up leaves its @size bytes. -EBADMSG
 * if it contradicts itself. @data is aligned to 8.
 */
int elf_symbols_check(const void *data, size_t size);

/* The function at @address; false if there is none. The name lives as long as the table. */
bool elf_symbols_find(const struct elf_symbols *t, uint64_t address, struct elf_symbol *ret);

/* Visits entries by number, 0..count-1, by rising address. */
void elf_symbols_get(const struct elf_symbols *t, uint32_t i, struct elf_symbol *ret);
uint32_t elf_symbols_count(const struct elf_symbols *t);
/* Bytes of the block. */
size_t elf_symbols_memory(const struct elf_symbols *t);
