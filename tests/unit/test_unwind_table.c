/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of ELF files made by hand: what becomes of pages, gaps, overlaps and undescribed code. */
#include "base/cleanup.h"
#include "base/fileio.h"
#include "elf/elf_image.h"
#include "unwind/rule_table.h"
#include "unwind/table_builder.h"
#include "unwind/table_job.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

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

static void add_section(struct file *f, const char *name, uint64_t offset, uint64_t size,
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

static void put(struct file *f, const void *data, size_t size)
{
	memcpy(f->at + CFI_OFFSET + f->cfi, data, size);
	f->cfi += size;
}

/* The CIE of all: absolute addresses, RSP + 8. Its offset is 0. */
static const uint8_t cie[] = { 20, 0,	 0, 0, 0,    0, 0, 0, 1, 0, 1, 0x78,
			       16, 0x0c, 7, 8, 0x90, 1, 0, 0, 0, 0, 0, 0 };

static struct file new_file(void)
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
static void describe(struct file *f, uint64_t start, uint64_t size, uint8_t words)
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

static struct unwind_table *build(struct file *f)
{
	struct unwind_table *t = NULL;
	struct elf_image image;

	assert_int_equal(elf_image_of(f->at, FILE_SIZE, &image), 0);
	assert_int_equal(unwind_table_build_image(&image, NULL, &t), 0);
	assert_int_equal(unwind_table_check(t, t->size), 0);
	elf_image_done(&image);
	return t;
}

static void done(struct file *f, struct unwind_table *t)
{
	free(t);
	free(f->at);
}

/* How many words are pushed at byte @n of the text; -1 in a gap, -2 for another kind of rule. */
static int words_at(const struct unwind_table *t, uint64_t n)
{
	const struct unwind_rule *r = unwind_table_find(t, AT(n));

	if (r->cfa == UNWIND_CFA_GAP)
		return -1;
	return r->cfa == UNWIND_CFA_REGISTER ? (r->cfa_offset - 8) / 8 : -2;
}

static int kind_at(const struct unwind_table *t, uint64_t n)
{
	return unwind_table_find(t, AT(n))->cfa;
}

static void test_gaps(void **state)
{
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x200, 0x10, 3); /* not in order */
	describe(&f, 0x100, 0x21, 1);
	describe(&f, 0x130, 0x10, 2); /* 15 bytes later: padding */
	describe(&f, 0x150, 0x10, 2); /* 16 bytes later: a gap */
	t = build(&f);
	assert_int_equal(words_at(t, 0xff), -1);
	assert_int_equal(words_at(t, 0x100), 1);
	assert_int_equal(words_at(t, 0x12f), 1);
	assert_int_equal(words_at(t, 0x130), 2);
	assert_int_equal(words_at(t, 0x140), -1);
	assert_int_equal(words_at(t, 0x14f), -1);
	assert_int_equal(words_at(t, 0x15f), 2);
	assert_int_equal(words_at(t, 0x160), -1);
	assert_int_equal(words_at(t, 0x20f), 3);
	assert_int_equal(words_at(t, 0x210), -1);
	assert_int_equal(unwind_table_find(t, 0)->cfa, UNWIND_CFA_GAP);
	assert_int_equal(unwind_table_find(t, ~0ULL)->cfa, UNWIND_CFA_GAP);
	assert_int_equal(t->stats.fdes_eh_frame, 4);
	assert_int_equal(t->stats.gaps, 2);
	done(&f, t);
}

static void test_overlaps(void **state)
{
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x40, 1);
	describe(&f, 0x120, 0x40, 2);	       /* its first half is taken */
	describe(&f, 0x110, 0x10, 3);	       /* all of it is */
	describe(&f, TEXT_SIZE - 8, 0x100, 4); /* beyond its segment */
	describe(&f, TEXT_SIZE + 8, 0x10, 4);  /* not code at all */
	t = build(&f);
	assert_int_equal(words_at(t, 0x110), 1);
	assert_int_equal(words_at(t, 0x13f), 1);
	assert_int_equal(words_at(t, 0x140), 2);
	assert_int_equal(words_at(t, 0x160), -1);
	assert_int_equal(words_at(t, TEXT_SIZE - 1), 4);
	assert_int_equal(words_at(t, TEXT_SIZE), -1);
	assert_int_equal(t->stats.overlapping, 2);
	assert_int_equal(t->stats.outside, 1);
	done(&f, t);
}

static void test_pages(void **state)
{
	struct file f = new_file();
	const struct unwind_page *pages;
	const struct unwind_row *rows;
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x10, 1);
	/* From the first page over the second into the third, which begins with a copy of its row;
	 */
	describe(&f, 0xe000, 0x12000, 2);
	/* and one that begins where the fourth does. */
	describe(&f, 0x2f000, 0x10, 3);
	t = build(&f);
	assert_int_equal(t->first_page, 0);
	assert_int_equal(t->n_pages, 4);
	pages = unwind_table_pages(t);
	rows = unwind_table_rows(t);
	assert_int_equal(pages[1].n_rows, 1);
	assert_int_equal(rows[pages[1].row].pc_low, 0);
	assert_int_equal(rows[pages[1].row].rule, rows[pages[0].row + pages[0].n_rows - 1].rule);
	assert_int_equal(pages[2].n_rows, 2);
	assert_int_equal(pages[3].n_rows, 2);
	assert_int_equal(rows[pages[3].row].pc_low, 0);
	assert_int_equal(words_at(t, 0xefff), 2);
	assert_int_equal(words_at(t, 0xf000), 2);
	assert_int_equal(words_at(t, 0x1ffff), 2);
	assert_int_equal(words_at(t, 0x20000), -1);
	assert_int_equal(words_at(t, 0x2f000), 3);
	done(&f, t);

	/* A page without code needs no rows, the first page is not that of the file. */
	f = new_file();
	describe(&f, 0x10000, 0x10, 1);
	describe(&f, 0x38000, 0x10, 2);
	t = build(&f);
	assert_int_equal(t->first_page, 1);
	assert_int_equal(t->n_pages, 3);
	assert_int_equal(unwind_table_pages(t)[1].n_rows, 0);
	assert_int_equal(words_at(t, 0x20000), -1);
	assert_int_equal(words_at(t, 0x38000), 2);
	assert_int_equal(words_at(t, 0x100), -1);
	done(&f, t);
}

static void test_entry_point(void **state)
{
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	f.header->e_entry = CODE(0x100);
	describe(&f, 0x140, 0x10, 1);
	t = build(&f);
	assert_int_equal(kind_at(t, 0xff), UNWIND_CFA_GAP);
	assert_int_equal(kind_at(t, 0x100), UNWIND_CFA_END);
	assert_int_equal(kind_at(t, 0x13f), UNWIND_CFA_END);
	assert_int_equal(words_at(t, 0x140), 1);
	done(&f, t);

	/* Described code is believed; what is far behind the entry is not part of it. */
	f = new_file();
	f.header->e_entry = CODE(0x148);
	describe(&f, 0x140, 0x10, 1);
	t = build(&f);
	assert_int_equal(words_at(t, 0x148), 1);
	done(&f, t);
	f = new_file();
	f.header->e_entry = CODE(0x148);
	t = build(&f);
	assert_int_equal(kind_at(t, 0x148 + 255), UNWIND_CFA_END);
	assert_int_equal(kind_at(t, 0x148 + 256), UNWIND_CFA_GAP);
	done(&f, t);

	/* The entry of a library is nothing, unless it looks like the start of a process. */
	f = new_file();
	f.header->e_type = ET_DYN;
	f.header->e_entry = CODE(0x100);
	t = build(&f);
	assert_int_equal(kind_at(t, 0x100), UNWIND_CFA_GAP);
	free(t);
	memcpy(f.at + AT(0x100), "\x48\x89\xe7\xe8", 4);
	t = build(&f);
	assert_int_equal(kind_at(t, 0x100), UNWIND_CFA_END);
	done(&f, t);
}

static void test_trampoline(void **state)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x10, 1);
	memcpy(f.at + AT(0x200), code, sizeof(code));
	memcpy(f.at + AT(0x104), code, sizeof(code));	/* described: not looked at */
	memcpy(f.at + AT(0x1fffd), code, sizeof(code)); /* across the pieces that are read */
	t = build(&f);
	assert_int_equal(kind_at(t, 0x1fe), UNWIND_CFA_GAP);
	assert_int_equal(kind_at(t, 0x1ff), UNWIND_CFA_SIGNAL);
	assert_int_equal(kind_at(t, 0x208), UNWIND_CFA_SIGNAL);
	assert_int_equal(kind_at(t, 0x209), UNWIND_CFA_GAP);
	assert_int_equal(words_at(t, 0x104), 1);
	assert_int_equal(kind_at(t, 0x1fffc), UNWIND_CFA_SIGNAL);
	assert_int_equal(t->stats.synthetic, 2);
	done(&f, t);
}

/* What calls main() and the functions of threads in a C library without descriptions. */
static void test_roots(void **state)
{
	static const uint8_t start[] = { 0xff, 0xd3, 0x89, 0xc7, 0xe8, 0, 0, 0, 0 };
	static const uint8_t clone[] = { 0x31, 0xed, 0x5f, 0x41, 0xff, 0xd1, 0x89, 0xc7,
					 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05, 0xf4 };
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x80, 1);
	memcpy(f.at + AT(0x120), start, sizeof(start)); /* described: not looked at */
	memcpy(f.at + AT(0x200), start, sizeof(start));
	memcpy(f.at + AT(0x241), start + 1, sizeof(start) - 1); /* nothing is called */
	memcpy(f.at + AT(0x300), clone, sizeof(clone));
	for (uint64_t n = 0xfff8; n < 0x40000 - 64;
	     n += 0x10000 - 3) /* across what is read at once */
		memcpy(f.at + AT(n), start, sizeof(start));
	t = build(&f);
	assert_int_equal(words_at(t, 0x122), 1);
	assert_int_equal(kind_at(t, 0x1ff), UNWIND_CFA_GAP);
	for (uint64_t n = 0x200; n < 0x200 + sizeof(start); n++)
		assert_int_equal(kind_at(t, n), UNWIND_CFA_END);
	assert_int_equal(kind_at(t, 0x200 + sizeof(start)), UNWIND_CFA_GAP);
	assert_int_equal(kind_at(t, 0x242), UNWIND_CFA_GAP);
	for (uint64_t n = 0x300; n < 0x300 + sizeof(clone); n++)
		assert_int_equal(kind_at(t, n), UNWIND_CFA_END);
	for (uint64_t n = 0xfff8; n < 0x40000 - 64; n += 0x10000 - 3)
		assert_int_equal(kind_at(t, n), UNWIND_CFA_END);
	assert_int_equal(t->stats.synthetic, 5);
	assert_int_equal(t->stats.overlapping, 0);
	done(&f, t);
}

static void test_stubs(void **state)
{
	static const uint8_t init[] = { 0x48, 0x83, 0xec, 8, 0x90, 0x48, 0x83, 0xc4, 8, 0xc3 };
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	add_section(&f, ".plt", AT(0x400), 0x40, SHF_ALLOC);
	add_section(&f, ".plt.sec", AT(0x500), 0x40, SHF_ALLOC);
	add_section(&f, ".init", AT(0x600), sizeof(init), SHF_ALLOC);
	memcpy(f.at + AT(0x400), "\xff\x35", 2);
	memcpy(f.at + AT(0x600), init, sizeof(init));
	t = build(&f);
	assert_int_equal(words_at(t, 0x400), 1);
	assert_int_equal(words_at(t, 0x406), 2);
	assert_int_equal(kind_at(t, 0x410), UNWIND_CFA_PLT);
	assert_int_equal(unwind_table_find(t, AT(0x43f))->cfa_add, 11);
	assert_int_equal(words_at(t, 0x500), 0);
	assert_int_equal(words_at(t, 0x540), -1);
	assert_int_equal(words_at(t, 0x600), 0);
	assert_int_equal(words_at(t, 0x604), 1);
	assert_int_equal(words_at(t, 0x608), 1);
	assert_int_equal(words_at(t, 0x609), 0);
	free(t);

	memcpy(f.at + AT(0x410), "\xf3\x0f\x1e\xfa", 4);
	t = build(&f);
	assert_int_equal(unwind_table_find(t, AT(0x410))->cfa_add, 9);
	done(&f, t);
}

/* A stretch no longer than padding, if a section says what it is. */
static void test_short_stub(void **state)
{
	static const uint8_t fini[] = { 0x48, 0x83, 0xec, 8, 0x48, 0x83, 0xc4, 8, 0xc3 };
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x10, 3);
	describe(&f, 0x11c, 0x10, 3);
	memcpy(f.at + AT(0x110), fini, sizeof(fini));
	t = build(&f);
	assert_int_equal(words_at(t, 0x110), 3);
	free(t);
	add_section(&f, ".fini", AT(0x110), sizeof(fini), SHF_ALLOC);
	t = build(&f);
	assert_int_equal(words_at(t, 0x110), 0);
	assert_int_equal(words_at(t, 0x114), 1);
	assert_int_equal(words_at(t, 0x118), 0);
	assert_int_equal(words_at(t, 0x11c), 3);
	done(&f, t);
}

static void test_destructors(void **state)
{
	static const uint8_t code[] = {
		0x80, 0x3d, 0,	  0, 0, 0, 0,	    /* cmpb $0, completed(%rip) */
		0x75, 0x18, 0x55,		    /* jne out; push %rbp */
		0x48, 0x83, 0x3d, 0, 0, 0, 0, 0,    /* cmpq $0, __cxa_finalize(%rip) */
		0x48, 0x89, 0xe5,		    /* mov %rsp, %rbp */
		0xe8, 0,    0,	  0, 0,		    /* call deregister_tm_clones */
		0xc6, 0x05, 0,	  0, 0, 0, 1, 0x5d, /* movb $1, completed(%rip); pop %rbp */
		0xc3, 0xc3,			    /* ret; out: ret */
	};
	struct file f = new_file();
	const struct unwind_rule *rule;
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x80, 0x10, 3);
	memcpy(f.at + AT(0x100), code, sizeof(code));
	t = build(&f);
	assert_int_equal(kind_at(t, 0xff), UNWIND_CFA_GAP);
	assert_int_equal(words_at(t, 0x100), 0);
	assert_int_equal(words_at(t, 0x109), 0);
	for (uint64_t n = 0x10a; n < 0x122; n++) {
		assert_int_equal(words_at(t, n), 1);
		rule = unwind_table_find(t, AT(n));
		assert_int_equal(rule->bp, UNWIND_AT_CFA);
		assert_int_equal(rule->bp_offset, -16);
	}
	assert_int_equal(words_at(t, 0x122), 0);
	assert_int_equal(kind_at(t, 0x123), UNWIND_CFA_GAP);
	free(t);
	/* Without its end nothing is known of it. */
	f.at[AT(0x122)] = 0x90;
	t = build(&f);
	assert_int_equal(kind_at(t, 0x10a), UNWIND_CFA_GAP);
	done(&f, t);
}

/* Code so far up in a file that its pages could not be numbered. */
static void test_far_code(void **state)
{
	struct file f = new_file();
	struct unwind_table *t;
	struct elf_image image;
	Elf64_Phdr *p = (Elf64_Phdr *)(f.at + sizeof(Elf64_Ehdr));

	(void)state;
	describe(&f, 0x100, 0x10, 1);
	p->p_offset = (1ULL << 48) - 0x1000;
	assert_int_equal(elf_image_of(f.at, FILE_SIZE, &image), 0);
	assert_int_equal(unwind_table_build_image(&image, NULL, &t), -EFBIG);
	elf_image_done(&image);
	free(f.at);
}

/* What precedes the setting of the stack pointer in _Unwind_Resume(), see unwind/table_landing.h.
 */
static void test_landing(void **state)
{
	static const uint8_t code[] = {
		0xe8, 0,    0,	  0,	0,		  /* call uw_install_context_1 */
		0x48, 0x8b, 0xb5, 0xe8, 0xfd, 0xff, 0xff, /* mov -0x218(%rbp), %rsi */
		0x48, 0x8b, 0xbd, 0xe0, 0xfd, 0xff, 0xff, /* mov -0x220(%rbp), %rdi */
		0x48, 0x89, 0x74, 0x15, 0x08,		  /* mov %rsi, 8(%rbp, %rdx, 1) */
		0x48, 0x8b, 0x6d, 0x00,			  /* mov (%rbp), %rbp */
	};
	/* At 0x120: def_cfa rbp 16, rbp at -16; at 0x160 restore rbp, def_cfa rcx 8. */
	static const uint8_t program[] = { 0x60, 0x0c, 6,    16, 0x86, 2, 0x02,
					   0x40, 0xc6, 0x0c, 2,	 8,    0 };
	uint8_t fde[40] = { 36 };
	struct file f = new_file();
	uint32_t back = (uint32_t)(f.cfi + 4);
	uint64_t address = CODE(0x100), size = 0x100;
	const uint64_t begin = 0x160 - sizeof(code);
	struct unwind_table *t;

	(void)state;
	memcpy(fde + 4, &back, 4);
	memcpy(fde + 8, &address, 8);
	memcpy(fde + 16, &size, 8);
	memcpy(fde + 24, program, sizeof(program));
	put(&f, fde, sizeof(fde));
	t = build(&f);
	assert_int_equal(unwind_table_find(t, AT(0x120))->cfa_reg, UNWIND_RBP);
	assert_int_equal(unwind_table_find(t, AT(0x160))->cfa_reg, UNWIND_RCX);
	assert_int_equal(kind_at(t, 0x15f), UNWIND_CFA_REGISTER);
	free(t);
	memcpy(f.at + AT(begin), code, sizeof(code));
	t = build(&f);
	assert_int_equal(kind_at(t, begin - 1), UNWIND_CFA_REGISTER);
	assert_int_equal(kind_at(t, begin), UNWIND_CFA_DEREF);
	assert_int_equal(unwind_table_find(t, AT(begin + 23))->flags, 0);
	assert_int_equal(unwind_table_find(t, AT(begin + 24))->flags, UNWIND_RULE_SIGNAL);
	assert_int_equal(kind_at(t, 0x15f), UNWIND_CFA_DEREF);
	assert_int_equal(unwind_table_find(t, AT(0x160))->cfa_reg, UNWIND_RCX);
	done(&f, t);
}

static void test_without_sections(void **state)
{
	struct file f = new_file();
	Elf64_Phdr *p = (Elf64_Phdr *)(f.at + sizeof(Elf64_Ehdr));
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x10, 1);
	f.header->e_shnum = 0;
	t = build(&f);
	assert_int_equal(t->n_rows, 0);
	free(t);

	p[2] = (Elf64_Phdr){ .p_type = PT_GNU_EH_FRAME,
			     .p_offset = DATA_OFFSET,
			     .p_vaddr = DATA_OFFSET + BIAS,
			     .p_filesz = 12 };
	/* version 1; .eh_frame is found pc-relative, 12 bytes behind its pointer */
	memcpy(f.at + DATA_OFFSET, "\x01\x1b\x03\x3b\x0c\0\0\0", 8);
	t = build(&f);
	assert_int_equal(t->stats.fdes_eh_frame, 1);
	assert_int_equal(words_at(t, 0x100), 1);
	free(t);

	memset(f.at + DATA_OFFSET + 4, 0x7f, 4); /* to nowhere */
	t = build(&f);
	assert_int_equal(t->n_rows, 0);
	assert_int_equal(t->stats.sections_refused, 1);
	done(&f, t);
}

#define COMPRESS_ZSTD 2 /* ELFCOMPRESS_ZSTD */

static size_t compress_as(uint32_t type, void *to, size_t room, const void *from, size_t size)
{
	uLongf n = room;

	if (type == COMPRESS_ZSTD)
		return ZSTD_compress(to, room, from, size, 3);
	assert_int_equal(compress(to, &n, from, size), Z_OK);
	return n;
}

/* Makes the content of .eh_frame a .debug_frame of the file, compressed. */
static void make_debug_frame(struct file *f, uint32_t compression)
{
	uint8_t plain[256] = {};
	Elf64_Chdr *c = (Elf64_Chdr *)(f->at + CFI_OFFSET);
	size_t size;
	Elf64_Shdr *s = (Elf64_Shdr *)(f->at + SECTIONS) + 2;

	memcpy(plain, f->at + CFI_OFFSET, f->cfi);
	memset(plain + 4, 0xff, 4);	       /* the id of the CIE */
	memset(plain + sizeof(cie) + 4, 0, 4); /* which is at 0 */
	size = compress_as(compression, c + 1, CFI_SIZE - sizeof(*c), plain, f->cfi);
	*c = (Elf64_Chdr){ .ch_type = compression, .ch_size = f->cfi };
	strcpy((char *)f->at + NAMES + f->names, ".debug_frame");
	s->sh_name = (Elf64_Word)f->names;
	s->sh_size = sizeof(*c) + size;
	s->sh_flags = SHF_COMPRESSED;
}

static void test_debug_frame(void **state)
{
	struct file program = new_file(), debug = new_file();
	struct elf_image image, debug_image;
	Elf64_Chdr *c = (Elf64_Chdr *)(debug.at + CFI_OFFSET);
	struct unwind_table *t;

	(void)state;
	describe(&program, 0x100, 0x10, 1);
	describe(&debug, 0x100, 0x30, 2);
	make_debug_frame(&debug, ELFCOMPRESS_ZLIB);
	t = build(&debug);
	assert_int_equal(words_at(t, 0x100), 2);
	free(t);

	/* As a separate file it adds what the program does not say itself. */
	assert_int_equal(elf_image_of(program.at, FILE_SIZE, &image), 0);
	assert_int_equal(elf_image_of(debug.at, FILE_SIZE, &debug_image), 0);
	assert_int_equal(unwind_table_build_image(&image, &debug_image, &t), 0);
	assert_int_equal(words_at(t, 0x100), 1);
	assert_int_equal(words_at(t, 0x110), 2);
	assert_int_equal(t->stats.fdes_debug_frame, 1);
	elf_image_done(&image);
	elf_image_done(&debug_image);
	free(t);

	c->ch_size = 1ULL << 40; /* a bomb */
	t = build(&debug);
	assert_int_equal(t->stats.sections_refused, 1);
	free(t);
	c->ch_size = 100;
	memset(c + 1, 0xaa, 8);
	t = build(&debug);
	assert_int_equal(t->stats.sections_refused, 1);
	done(&debug, t);
	free(program.at);
}

static void test_debug_frame_in_zstd(void **state)
{
	struct file f = new_file();
	Elf64_Chdr *c = (Elf64_Chdr *)(f.at + CFI_OFFSET);
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x30, 2);
	make_debug_frame(&f, COMPRESS_ZSTD);
	t = build(&f);
	assert_int_equal(words_at(t, 0x100), 2);
	free(t);
	c->ch_size++; /* not what is in it */
	t = build(&f);
	assert_int_equal(t->stats.sections_refused, 1);
	free(t);
	c->ch_size = 1ULL << 40;
	t = build(&f);
	assert_int_equal(t->stats.sections_refused, 1);
	free(t);
	c->ch_size = 100;
	memset(c + 1, 0xaa, 8);
	t = build(&f);
	assert_int_equal(t->stats.sections_refused, 1);
	free(t);
	c->ch_type = 3; /* nobody knows what that is */
	t = build(&f);
	assert_int_equal(t->stats.sections_refused, 1);
	done(&f, t);
}

/* The same as it was before SHF_COMPRESSED. */
static void make_old_debug_frame(struct file *f)
{
	Elf64_Shdr *s = (Elf64_Shdr *)(f->at + SECTIONS) + 2;
	uint8_t *at = f->at + CFI_OFFSET;

	make_debug_frame(f, ELFCOMPRESS_ZLIB);
	memmove(at + ELF_OLD_HEADER, at + sizeof(Elf64_Chdr), s->sh_size - sizeof(Elf64_Chdr));
	memcpy(at, "ZLIB\0\0\0\0\0\0\0", ELF_OLD_HEADER);
	at[ELF_OLD_HEADER - 1] = (uint8_t)f->cfi;
	s->sh_size -= sizeof(Elf64_Chdr) - ELF_OLD_HEADER;
	s->sh_flags = 0;
	strcpy((char *)f->at + NAMES + f->names, ".zdebug_frame");
}

static void expect_refused(struct file *f)
{
	struct unwind_table *t = build(f);

	assert_int_equal(t->stats.sections_refused, 1);
	assert_int_equal(t->n_rows, 0);
	free(t);
}

static void test_old_debug_frame(void **state)
{
	struct file f = new_file();
	Elf64_Shdr *s = (Elf64_Shdr *)(f.at + SECTIONS) + 2;
	uint8_t *at = f.at + CFI_OFFSET;
	uint64_t size;
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x30, 2);
	make_old_debug_frame(&f);
	t = build(&f);
	assert_int_equal(words_at(t, 0x100), 2);
	assert_int_equal(t->stats.fdes_debug_frame, 1);

	at[ELF_OLD_HEADER - 1]++; /* not what is in it */
	expect_refused(&f);
	at[4] = 1; /* a bomb */
	expect_refused(&f);
	at[0] = 'z';
	expect_refused(&f);
	size = s->sh_size;
	s->sh_size = ELF_OLD_HEADER - 1;
	expect_refused(&f);
	s->sh_size = size;
	done(&f, t);
}

static int written(const struct file *f)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, f->at, FILE_SIZE), 0);
	return fd;
}

static struct unwind_table *run_job(const int *fds, size_t n_fds, struct table_answer *ret)
{
	size_t size;
	void *data;

	assert_int_equal(table_job_run(fds, n_fds, NULL, 0, &data, &size), 0);
	assert_int_equal(table_job_check(data, size - 1, ret), -EBADMSG);
	assert_int_equal(table_job_check(data, size, ret), 0);
	return data;
}

/* The job tells that most of the code is not described, and takes the file that has the CRC. */
static void test_separate_debug_file(void **state)
{
	struct file program = new_file(), debug = new_file(), other = new_file();
	const uint64_t link = CFI_OFFSET + CFI_SIZE;
	struct table_answer answer;
	struct unwind_table *t;
	uint32_t crc;
	int fds[3];

	(void)state;
	describe(&debug, 0x100, 0x30, 2);
	make_debug_frame(&debug, ELFCOMPRESS_ZLIB);
	describe(&other, 0x100, 0x30, 3);
	make_debug_frame(&other, ELFCOMPRESS_ZLIB);
	crc = (uint32_t)crc32(0, debug.at, FILE_SIZE);
	memcpy(program.at + link, "x.debug\0", 8);
	memcpy(program.at + link + 8, &crc, sizeof(crc));
	describe(&program, 0x200, 0x10, 1);
	add_section(&program, ".gnu_debuglink", link, 12, 0);
	fds[0] = written(&program);
	fds[1] = written(&other);
	fds[2] = written(&debug);

	t = run_job(fds, 1, &answer);
	assert_true(answer.wants_debug_file && !answer.has_debug_file);
	assert_string_equal(answer.identity.link, "x.debug");
	assert_int_equal(answer.identity.link_crc, crc);
	assert_int_equal(kind_at(t, 0x100), UNWIND_CFA_GAP);
	free(t);
	t = run_job(fds, 2, &answer);
	assert_false(answer.wants_debug_file || answer.has_debug_file);
	assert_int_equal(kind_at(t, 0x100), UNWIND_CFA_GAP);
	free(t);
	t = run_job(fds, 3, &answer);
	assert_true(answer.has_debug_file);
	assert_int_equal(words_at(t, 0x100), 2);
	assert_int_equal(words_at(t, 0x200), 1);
	free(t);

	describe(&program, 0x1000, TEXT_SIZE / 4 * 3, 1);
	close(fds[0]);
	fds[0] = written(&program);
	t = run_job(fds, 1, &answer);
	assert_false(answer.wants_debug_file);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	free(debug.at);
	free(other.at);
	done(&program, t);
}

static void test_not_elf(void **state)
{
	struct file f = new_file();
	struct unwind_table *t;
	struct elf_image image;

	(void)state;
	for (size_t n = 0; n < sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr); n++)
		assert_int_equal(elf_image_of(f.at, n, &image), -ENOEXEC);
	f.header->e_machine = EM_AARCH64;
	assert_int_equal(elf_image_of(f.at, FILE_SIZE, &image), 0);
	assert_int_equal(unwind_table_build_image(&image, NULL, &t), -ENOEXEC);
	elf_image_done(&image);
	free(f.at);
}

/* Each field of a table that a reader relies on, made wrong. */
static void test_check(void **state)
{
	struct file f = new_file();
	struct unwind_table *t;
	struct unwind_page *pages;
	struct unwind_rule *rules;
	struct unwind_row *rows;

	(void)state;
	describe(&f, 0x100, 0x10, 1);
	describe(&f, 0x10000, 0x10, 2);
	t = build(&f);
	pages = (struct unwind_page *)unwind_table_pages(t);
	rules = (struct unwind_rule *)unwind_table_rules(t);
	rows = (struct unwind_row *)unwind_table_rows(t);

#define REFUSED(field, value)                                                                      \
	do {                                                                                       \
		__typeof__(field) good = field;                                                    \
		field = (value);                                                                   \
		assert_int_equal(unwind_table_check(t, size), -EBADMSG);                           \
		field = good;                                                                      \
		assert_int_equal(unwind_table_check(t, size), 0);                                  \
	} while (0)
	size_t size = t->size;

	REFUSED(t->magic, 0);
	REFUSED(t->version, 2);
	REFUSED(t->size, size + 8);
	REFUSED(t->n_rows, 1U << 30);
	REFUSED(t->n_rows, t->n_rows - 1);
	REFUSED(t->n_pages, 1U << 17);
	REFUSED(t->n_rules, 1);
	REFUSED(t->n_rules, 0);
	REFUSED(t->rules_at, 0);
	REFUSED(t->rules_at, t->rules_at + 4);
	REFUSED(t->rows_at, (uint32_t)size);
	REFUSED(t->first_page, UINT32_MAX);
	REFUSED(pages[0].row, 1000);
	REFUSED(pages[0].n_rows, 70000);
	REFUSED(pages[0].n_rows, 1000);
	REFUSED(pages[1].n_rows, 0); /* but a row */
	REFUSED(pages[1].row, pages[1].row + 1);
	REFUSED(rows[0].pc_low, 1);
	REFUSED(rows[2].pc_low, rows[1].pc_low);
	REFUSED(rows[1].rule, (uint16_t)t->n_rules);
	REFUSED(rules[0].cfa, UNWIND_CFA_END);
	REFUSED(rules[1].cfa, UNWIND_CFA_KINDS);
	REFUSED(rules[1].cfa_reg, 16);
	REFUSED(rules[1].ra, UNWIND_PLACES);
	REFUSED(rules[1].bp, UNWIND_IN_REGISTER | 16);
	REFUSED(rules[1].flags, 0x80);
	REFUSED(rules[1].burst, UNWIND_BURST_WORDS + 1);
	for (size_t n = 0; n < size; n++)
		assert_int_equal(unwind_table_check(t, n), -EBADMSG);
	done(&f, t);
}

/* A table of n rules that nobody else has, told apart by @first. */
static struct unwind_table *table_of_rules(uint32_t n, int32_t first)
{
	struct unwind_table_stats stats = {};
	struct unwind_rule *rules = calloc(n + 1, sizeof(*rules));
	struct unwind_table *t = NULL;

	assert_non_null(rules);
	for (uint32_t i = 1; i <= n; i++)
		rules[i] = (struct unwind_rule){ .cfa = UNWIND_CFA_REGISTER,
						 .cfa_offset = first + (int32_t)i };
	assert_int_equal(unwind_table_make(rules, n + 1, NULL, 0, 0, NULL, 0, &stats, &t), 0);
	free(rules);
	return t;
}

static void test_rule_table(void **state)
{
	struct rule_table *machine = rule_table_new();
	struct unwind_table *a = table_of_rules(100, 0), *b = table_of_rules(100, 50);
	uint16_t of_a[101], of_b[101], numbers[8001];
	struct rule_table_stats stats;
	struct unwind_rule rule;

	(void)state;
	assert_non_null(machine);
	assert_int_equal(rule_table_add(machine, a, of_a), 0);
	assert_int_equal(rule_table_add(machine, b, of_b), 0);
	assert_int_equal(rule_table_count(machine), 2 + 150);
	assert_int_equal(of_a[0], 0);
	assert_int_equal(of_b[1], of_a[51]); /* the same rule */
	for (int i = 1; i <= 100; i++) {
		rule_table_get(machine, of_b[i], &rule);
		assert_int_equal(rule.cfa_offset, 50 + i);
	}
	rule_table_get(machine, 0, &rule);
	assert_int_equal(rule.cfa, UNWIND_CFA_GAP);
	free(b);

	/* Full: what is new is unsupported, what was there before stays. */
	for (int i = 0; i < 9; i++) {
		b = table_of_rules(8000, 1000 + 8000 * i);
		assert_int_equal(rule_table_add(machine, b, numbers), 0);
		free(b);
	}
	rule_table_get_stats(machine, &stats);
	assert_int_equal(stats.rules, UNWIND_MAX_RULES);
	assert_int_equal(stats.rules_overflowed, 2 + 150 + 9 * 8000 - UNWIND_MAX_RULES);
	rule_table_get(machine, numbers[8000], &rule);
	assert_int_equal(rule.cfa, UNWIND_CFA_UNSUPPORTED);
	assert_int_equal(rule.cfa_add, UNWIND_REASON_overflow);
	assert_int_equal(rule_table_add(machine, a, numbers), 0);
	assert_memory_equal(numbers, of_a, sizeof(of_a));
	free(a);
	rule_table_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_entry_point),
		cmocka_unit_test(test_trampoline),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_stubs),
		cmocka_unit_test(test_short_stub),
		cmocka_unit_test(test_destructors),
		cmocka_unit_test(test_far_code),
		cmocka_unit_test(test_landing),
		cmocka_unit_test(test_without_sections),
		cmocka_unit_test(test_debug_frame),
		cmocka_unit_test(test_debug_frame_in_zstd),
		cmocka_unit_test(test_old_debug_frame),
		cmocka_unit_test(test_separate_debug_file),
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_rule_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
