/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little of an ELF file that identifies it: build id, executable segments, type and entry
 * point, taken from its program headers. This is all of it that is read with the profiler's rights,
 * so section headers are only looked at if nothing else tells a build id.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "elf/build_id.h"

#define ELF_FILE_SEGMENTS_MAX 64 /* executable PT_LOADs; usual files have one */

/* One executable PT_LOAD. */
struct elf_file_segment {
	uint64_t offset;  /* in the file */
	uint64_t size;	  /* in the file */
	uint64_t address; /* ELF virtual address of offset */
};

struct elf_file {
	uint8_t class;	  /* ELFCLASS32 or ELFCLASS64 */
	uint16_t type;	  /* ET_EXEC, ET_DYN, ... */
	uint16_t machine; /* EM_X86_64, ... */
	uint64_t entry;	  /* ELF virtual address; 0 = none */
	uint8_t build_id_size;
	uint8_t build_id[ELF_BUILD_ID_MAX];
	uint32_t n_segments;
	struct elf_file_segment segments[ELF_FILE_SEGMENTS_MAX]; /* in file header order */
};

/* -ENOEXEC if it is not ELF of this machine's byte order, or is damaged or beyond the limits. */
int elf_file_read(int fd, struct elf_file *ret);
