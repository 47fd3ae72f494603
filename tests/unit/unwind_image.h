/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files made by hand, with call frame information, and the unwinding tables of them. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf_image.h"
#include "unwind/table_builder.h"

/* After <cmocka.h>. */

/*
 * The file: headers, text at TEXT_OFFSET, then a segment of data that holds .eh_frame_hdr and
 * .eh_frame, then what is not loaded. Addresses are offsets plus BIAS, so that they cannot be
 * mistaken for each other.
 */
#define BIAS	    0x400000ULL
#define TEXT_OFFSET 0x1000ULL
#define TEXT_SIZE   0x40000ULL
#define DATA_OFFSET (TEXT_OFFSET + TEXT_SIZE)
#define CFI_OFFSET  (DATA_OFFSET + 16)
#define CFI_SIZE    0x1000ULL
#define NAMES	    (DATA_OFFSET + 0x2000)
#define SECTIONS    (NAMES + 0x200)
#define FILE_SIZE   (SECTIONS + 0x400)
#define CODE(n)	    (TEXT_OFFSET + BIAS + (n)) /* address of byte n of the text */
#define AT(n)	    (TEXT_OFFSET + (n))	       /* offset of the same */

struct file {
	uint8_t *at;
	size_t cfi; /* bytes of .eh_frame so far */
	size_t names;
	Elf64_Ehdr *header;
};

static inline void add_section(struct file *f, const char *name, uint64_t offset, uint64_t size,
			       uint64_t flags)
{
	Elf64_Shdr *s = (Elf64_Shdr *)(f->at + SECTIONS) + f->header->e_shnum++;

	*s = (Elf64_Shdr){ .sh_name = (Elf64_Word)f->names,
			   .sh_type = strcmp(name, ".shstrtab") ? SHT_PROGBITS : SHT_STRTAB,
			   .sh_flags = flags,
			   .sh_offset = offset,
			   .sh_addr = offset + BIAS,
			   .sh_size = size };
	strcpy((char *)f->at + NAMES + f->names, name);
	f->names += strlen(name) + 1;
}

static inline void put(struct file *f, const void *data, size_t size)
{
	memcpy(f->at + CFI_OFFSET + f->cfi, data, size);
	f->cfi += size;
}

/* The CIE of all: absolute addresses, RSP + 8. Its offset is 0. */
static const uint8_t cie[] = { 20, 0,	 0, 0, 0,    0, 0, 0, 1, 0, 1, 0x78,
			       16, 0x0c, 7, 8, 0x90, 1, 0, 0, 0, 0, 0, 0 };

static inline struct file new_file(void)
{
	struct file f = { .at = calloc(1, FILE_SIZE), .names = 1 };
	Elf64_Phdr *p;

	assert_non_null(f.at);
	f.header = (Elf64_Ehdr *)f.at;
	*f.header = (Elf64_Ehdr){ .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
				  .e_type = ET_EXEC,
				  .e_machine = EM_X86_64,
				  .e_phoff = sizeof(Elf64_Ehdr),
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_phnum = 3,
				  .e_shoff = SECTIONS,
				  .e_shentsize = sizeof(Elf64_Shdr),
				  .e_shstrndx = 1 };
	p = (Elf64_Phdr *)(f.at + sizeof(Elf64_Ehdr));
	p[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
			     .p_flags = PF_R | PF_X,
			     .p_offset = TEXT_OFFSET,
			     .p_vaddr = TEXT_OFFSET + BIAS,
			     .p_filesz = TEXT_SIZE,
			     .p_memsz = TEXT_SIZE };
	p[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
			     .p_flags = PF_R,
			     .p_offset = DATA_OFFSET,
			     .p_vaddr = DATA_OFFSET + BIAS,
			     .p_filesz = 0x2000,
			     .p_memsz = 0x2000 };
	f.header->e_shnum = 1;
	add_section(&f, ".shstrtab", NAMES, 0x200, 0);
	add_section(&f, ".eh_frame", CFI_OFFSET, CFI_SIZE, SHF_ALLOC);
	put(&f, cie, sizeof(cie));
	return f;
}

/* Code [start, start + size) of the text, which has pushed @words from its first byte on. */
static inline void describe(struct file *f, uint64_t start, uint64_t size, uint8_t words)
{
	uint8_t fde[32] = { 28 };
	uint32_t back = (uint32_t)(f->cfi + 4);
	uint64_t address = CODE(start);

	memcpy(fde + 4, &back, 4);
	memcpy(fde + 8, &address, 8);
	memcpy(fde + 16, &size, 8);
	fde[24] = 0x0e;
	fde[25] = (uint8_t)(8 + 8 * words);
	put(f, fde, sizeof(fde));
}

static inline struct unwind_table *build(struct file *f)
{
	struct unwind_table *t = NULL;
	struct elf_image image;

	assert_int_equal(elf_image_of(f->at, FILE_SIZE, &image), 0);
	assert_int_equal(unwind_table_build_image(&image, NULL, &t), 0);
	assert_int_equal(unwind_table_check(t, t->size), 0);
	elf_image_done(&image);
	return t;
}

static inline void done(struct file *f, struct unwind_table *t)
{
	free(t);
	free(f->at);
}

/* How many words are pushed at byte @n of the text; -1 in a gap, -2 for another kind of rule. */
static inline int words_at(const struct unwind_table *t, uint64_t n)
{
	const struct unwind_rule *r = unwind_table_find(t, AT(n));

	if (r->cfa == UNWIND_CFA_GAP)
		return -1;
	return r->cfa == UNWIND_CFA_REGISTER ? (r->cfa_offset - 8) / 8 : -2;
}

static inline int kind_at(const struct unwind_table *t, uint64_t n)
{
	return unwind_table_find(t, AT(n))->cfa;
}
