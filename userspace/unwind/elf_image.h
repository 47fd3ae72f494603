/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers of an x86-64 ELF file, read with bounds from a descriptor or from memory; never
 * mapped, since a mapped file that shrinks kills its reader. Sections are copied on demand, with a
 * limit on their size, and uncompressed when they are compressed.
 *
 * Damage does not fail the whole: a file without usable section headers is still read through its
 * program headers.
 */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No section of call frame information seen yet had more than 40 MiB. */
#define ELF_IMAGE_MAX_SECTION (256U << 20)

struct elf_image {
	int fd; /* borrowed; -1: @data is the file */
	const uint8_t *data;
	uint64_t size; /* of the file */
	Elf64_Ehdr header;
	Elf64_Phdr *segments;
	Elf64_Shdr *sections;
	uint32_t n_segments, n_sections;
	char *names; /* of the sections, NUL-terminated as a whole */
	size_t names_size;
};

/*
 * -ENOEXEC if it is not a 64-bit little-endian x86-64 ELF file, -errno if it cannot be read. The
 * descriptor is borrowed and must stay open; the position of its file is not used.
 */
int elf_image_open(int fd, struct elf_image *ret);
/* The same of a file in memory (the vdso, tests), which must outlive it. */
int elf_image_of(const void *data, size_t size, struct elf_image *ret);
void elf_image_done(struct elf_image *image);

/* NULL if there is none of that name, or it has no bytes in the file. */
const Elf64_Shdr *elf_image_section(const struct elf_image *image, const char *name);

/* Fails with -ENODATA if the file ends before. */
int elf_image_read(const struct elf_image *image, void *buffer, size_t size, uint64_t offset);
/* A copy of the section's content; -EFBIG, -EBADMSG, -ENOTSUP for a compression. Caller frees. */
int elf_image_copy(const struct elf_image *image, const Elf64_Shdr *section, uint8_t **ret_data,
		   size_t *ret_size);

/* The executable segment whose content in the file holds a virtual address; NULL if none does. */
const Elf64_Phdr *elf_image_text_at(const struct elf_image *image, uint64_t address);
/* The same of any loaded segment. */
const Elf64_Phdr *elf_image_segment_at(const struct elf_image *image, uint64_t address);

/* The build id, at most @room bytes of it; 0 if there is none. */
size_t elf_image_build_id(const struct elf_image *image, uint8_t *buffer, size_t room);
