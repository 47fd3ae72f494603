/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections of a 64-bit ELF file of this machine's byte order, read with pread from a descriptor
 * that may belong to anybody: every offset and size is checked against the file before it is used,
 * and the file may change or shrink meanwhile. Nothing is mapped.
 */
#pragma once

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

struct elf_sections {
	int fd; /* borrowed */
	uint64_t file_size;
	Elf64_Ehdr header;
	Elf64_Shdr *list;
	uint32_t n;
	char *names; /* NUL-terminated as a whole */
	size_t names_size;
};

/*
 * -ENOEXEC: not an ELF file; -ENOTSUP: ELF, but of another class or byte order; -EBADMSG: its
 * section headers contradict the file; or another -errno. A file without sections has n = 0.
 */
int elf_sections_read(int fd, struct elf_sections *ret);
void elf_sections_done(struct elf_sections *s);

/* The first section of this name, and of this type unless it is SHT_NULL; NULL if there is none. */
const Elf64_Shdr *elf_sections_find(const struct elf_sections *s, const char *name, uint32_t type);
/* The first section of this type; NULL if there is none. */
const Elf64_Shdr *elf_sections_find_type(const struct elf_sections *s, uint32_t type);
/* The section that @section refers to as its string table or symbol table; NULL if to none. */
const Elf64_Shdr *elf_sections_link(const struct elf_sections *s, const Elf64_Shdr *section);

/*
 * The bytes of a section in a new buffer, with a NUL after the end. -EFBIG if there are more than
 * @max, -EBADMSG if they are not in the file, -ENOTSUP if they are compressed. Caller frees.
 */
int elf_sections_load(const struct elf_sections *s, const Elf64_Shdr *section, size_t max,
		      void **ret_data, size_t *ret_size);
