/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF file of this machine's byte order, read with bounds from a descriptor that may belong to
 * anybody, or from memory; never mapped, since a mapped file that shrinks kills its reader. Headers
 * are read at once, contents on demand with a limit on their size. The headers of 32-bit files are
 * widened as they are read, so that everybody knows one layout; what is in their sections is not.
 *
 * Damaged program headers make a file none. Damaged section headers do not: they may be stripped or
 * cut, and there are users who do without.
 */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image {
	int fd; /* borrowed; -1: @data is the file */
	const uint8_t *data;
	uint64_t size; /* of the file */
	Elf64_Ehdr header;
	Elf64_Phdr *segments;
	Elf64_Shdr *sections;
	uint32_t n_segments, n_sections;
	int sections_error; /* why there are none, though the file tells of some; else 0 */
	char *names;	    /* of the sections, NUL-terminated as a whole */
	size_t names_size;
};

/*
 * -ENOEXEC if it is not ELF of this byte order, or damaged; -ENOMEM, or -errno if it cannot be
 * read. The descriptor is borrowed and must stay open; the position of its file is not used.
 */
int elf_image_open(int fd, struct elf_image *ret);
/* The same of a file in memory (the vdso, tests), which must outlive it. */
int elf_image_of(const void *data, size_t size, struct elf_image *ret);
void elf_image_done(struct elf_image *image);

/* The same without sections, which are left to read. */
int elf_image_open_segments(int fd, struct elf_image *ret);
/* 0, or sections_error: -EBADMSG if the headers contradict the file, -EFBIG, -ENOMEM or -errno. */
int elf_image_read_sections(struct elf_image *image);

/* Fails with -ENODATA if the file ends before. */
int elf_image_read(const struct elf_image *image, void *buffer, uint64_t size, uint64_t offset);
/* The same in a new buffer, with a NUL after the end. Caller frees. */
int elf_image_read_new(const struct elf_image *image, uint64_t size, uint64_t offset,
		       void **ret_data);

/* The first section of this name that has bytes in the file; NULL if there is none. */
const Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *name);
/* The last one; object files can have several. */
const Elf64_Shdr *elf_image_last_section(const struct elf_image *image, const char *name);
/* The same of a name that begins with ".debug_", also of a section that is ".zdebug_" instead. */
const Elf64_Shdr *elf_image_debug_section(const struct elf_image *image, const char *name);
/*
 * Whether the section is compressed as it was before there were flags for that: its name begins
 * with ".zdebug_", its content with ELF_OLD_HEADER bytes, then comes zlib.
 */
bool elf_image_is_old_compressed(const struct elf_image *image, const Elf64_Shdr *section);
/* The size it has uncompressed, from these bytes: 0 or -EBADMSG. */
#define ELF_OLD_HEADER 12
int elf_image_old_size(const void *header, uint64_t *ret_size);
/* The first section of this type; NULL if there is none. */
const Elf64_Shdr *elf_image_section_of_type(const struct elf_image *image, uint32_t type);
/* The section that @section refers to as its string table or symbol table; NULL if to none. */
const Elf64_Shdr *elf_image_link(const struct elf_image *image, const Elf64_Shdr *section);
/*
 * A copy of the section's content with a NUL after the end, uncompressed if it is compressed.
 * -EFBIG if that is more than @max bytes, -EBADMSG if it is not in the file or damaged, -ENOTSUP
 * for a compression. Caller frees.
 */
int elf_image_copy(const struct elf_image *image, const Elf64_Shdr *section, size_t max,
		   void **ret_data, size_t *ret_size);

/* The executable segment whose content in the file holds a virtual address; NULL if none does. */
const Elf64_Phdr *elf_image_text_at(const struct elf_image *image, uint64_t address);
/* The same of any loaded segment. */
const Elf64_Phdr *elf_image_segment_at(const struct elf_image *image, uint64_t address);
