/* SPDX-License-Identifier: Apache-2.0 */
/* Small ELF files with the symbols that a test wants. */
#pragma once

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

/* Two executable sections and one that is not. */
#define IMAGE_TEXT	0x1000
#define IMAGE_TEXT_END	0x3000
#define IMAGE_COLD	0x4000
#define IMAGE_COLD_END	0x4800
#define IMAGE_DATA	0x6000
#define IMAGE_MAX_BYTES 65536

struct image_symbol {
	const char *name;
	uint64_t address, size;
	unsigned char type, binding; /* STT_, STB_; 0 = NOTYPE, LOCAL */
	uint16_t section;	     /* 0 = the first executable one */
};

struct image {
	const struct image_symbol *symtab; /* ends with a NULL name; NULL = no .symtab */
	const struct image_symbol *dynsym;
	const uint8_t *build_id;
	uint8_t build_id_size;
	const char *debuglink;
	uint32_t debuglink_crc;
	const void *debugdata; /* content of .gnu_debugdata; NULL = none */
	size_t debugdata_size;
	const void *altlink; /* content of .gnu_debugaltlink */
	size_t altlink_size;
};

/* Writes the file to @ret (IMAGE_MAX_BYTES); returns its size. */
size_t image_build(const struct image *image, uint8_t *ret);
/* Compresses a file for .gnu_debugdata; returns its size. */
size_t image_pack(const void *bytes, size_t size, uint8_t *ret);
/* A memfd with the bytes. */
int image_fd(const void *bytes, size_t size);
/* Both at once. */
int image_open(const struct image *image);
/* Writes a file, making its directories. */
void image_write_file(const char *path, const void *bytes, size_t size);
/* Writes a build id of 4 bytes as /sys/kernel/notes shows it, behind a note of another kind. */
void image_write_notes(const char *path, const uint8_t *id);
