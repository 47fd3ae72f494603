/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DWARF sections of one ELF file, read with bounds and in small pieces: a debug file can have a
 * gigabyte, of which a few functions are wanted. Compressed sections (SHF_COMPRESSED with zlib, and
 * the older .zdebug) are inflated as they are read. In those with zstd there is no beginning in the
 * middle: they are kept as a whole, as far as there is room for them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "elf/elf_image.h"

enum dwarf_section {
	DWARF_INFO,
	DWARF_ABBREV,
	DWARF_LINE,
	DWARF_STR,
	DWARF_LINE_STR,
	DWARF_STR_OFFSETS,
	DWARF_ADDR,
	DWARF_RANGES,
	DWARF_RNGLISTS,
	DWARF_ARANGES,
	DWARF_CU_INDEX, /* only of packages (.dwp) */
	DWARF_N_SECTIONS
};

/* What was read last of a section: most reads are small and near each other. */
#define DWARF_WINDOW 16384U

/* Bytes of the sections of one file that are kept as a whole; of a file of split DWARF. */
#define DWARF_MAX_KEPT	     ((uint64_t)64 << 20)
#define DWARF_MAX_KEPT_SPLIT ((uint64_t)4 << 20)

struct dwarf_contents {
	uint64_t offset, size;		 /* @size: of the content */
	struct inflater *inflater;	 /* NULL = it is not compressed, or with zstd */
	struct relocations *relocations; /* NULL = none are left to do */
	const Elf64_Shdr *zstd;		 /* in the image; NULL = not with zstd */
	uint8_t *plain;			 /* what is in that; NULL = not read yet */
	int error;			 /* of reading that */
	uint8_t *window;
	uint64_t window_at;
	uint32_t window_size;
};

struct dwarf_file {
	struct elf_image *image; /* owned */
	struct dwarf_file *alt;	 /* the supplementary file, borrowed; NULL = none */
	struct dwarf_contents sections[DWARF_N_SECTIONS];
	bool is_split;		  /* its sections are called .debug_info.dwo etc. */
	bool unknown_compression; /* or too much that is compressed: sections are missing for it */
	uint64_t bytes_kept;	  /* of sections with zstd, read or not */
	uint64_t *units;	  /* offsets of all units of .debug_info, rising */
	uint32_t n_units;
};

/*
 * Takes the sections of @fd, which is borrowed. With @split those of split DWARF. A file without
 * DWARF is not an error. -ENOEXEC, -ENOMEM, or -errno.
 */
int dwarf_file_open(int fd, bool split, struct dwarf_file *ret);
void dwarf_file_done(struct dwarf_file *f);

/* Whether there is .debug_info. */
bool dwarf_file_has_info(const struct dwarf_file *f);

/* -ENODATA if the section ends before, -EBADMSG if it is damaged, or another -errno. */
int dwarf_file_read(struct dwarf_file *f, enum dwarf_section section, uint64_t offset,
		    uint64_t size, void *buffer);
/* As many bytes as there are, at most @size. How many in @ret_size. */
int dwarf_file_read_some(struct dwarf_file *f, enum dwarf_section section, uint64_t offset,
			 uint64_t size, void *buffer, uint64_t *ret_size);
/* A number of @size (1 to 8) bytes. */
int dwarf_file_number(struct dwarf_file *f, enum dwarf_section section, uint64_t offset,
		      unsigned int size, uint64_t *ret);
/* The string at @offset, cut to @size - 1 bytes. */
int dwarf_file_string(struct dwarf_file *f, enum dwarf_section section, uint64_t offset,
		      char *buffer, size_t size);
uint64_t dwarf_file_size(const struct dwarf_file *f, enum dwarf_section section);
