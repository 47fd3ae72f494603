/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of ELF files made by hand: what becomes of pages, gaps and overlaps; which are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unwind_image.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_far_code),
		cmocka_unit_test(test_without_sections),
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
