/* SPDX-License-Identifier: Apache-2.0 */
/* Symbol tables of some addresses, what two of them make, and where names come from. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "elf/elf_debugdata.h"
#include "elf/elf_symbols.h"
#include "symbol_image.h"

DEFINE_CLEANUP(struct elf_symbols *, elf_symbols_free);
#define _cleanup_table_ _cleanup_(elf_symbols_freep)

#define FUNC(n, a, s)                                                                              \
	{                                                                                          \
		.name = n, .address = a, .size = s, .type = STT_FUNC, .binding = STB_GLOBAL        \
	}

static const struct image_symbol some[] = {
	FUNC("one", 0x1000, 0x10),  FUNC("two", 0x1010, 0x100), FUNC("inner", 0x1020, 0x10),
	FUNC("far", 0x2000, 0x100), FUNC("cold", 0x4000, 0x10), {},
};

static struct elf_symbols *read_some(const struct image *image, const uint64_t *addresses, size_t n)
{
	_cleanup_close_ int fd = image_open(image);
	const struct elf_symbols_request request = {
		.fd = fd, .debug_fd = -1, .addresses = addresses, .n = n
	};
	struct elf_symbols *t;

	assert_int_equal(elf_symbols_read(&request, &t), 0);
	assert_int_equal(elf_symbols_check(t, elf_symbols_memory(t)), 0);
	return t;
}

/* NULL = not known, "" = nothing there. */
static const char *name_at(const struct elf_symbols *t, uint64_t address)
{
	struct elf_symbol s;

	return elf_symbols_find(t, address, &s) ? s.name : NULL;
}

static void test_only_what_is_wanted(void **state)
{
	static const uint64_t addresses[] = { 0x1005, 0x1025, 0x1200, 0x1300, 0x4005 };
	const struct image image = { .symtab = some };
	_cleanup_table_ struct elf_symbols *t = read_some(&image, addresses, ARRAY_SIZE(addresses));

	(void)state;
	assert_false(elf_symbols_is_whole(t));
	assert_int_equal(elf_symbols_source(t), ELF_SYMBOLS_SYMTAB);
	assert_int_equal(elf_symbols_count(t), 4);
	assert_string_equal(name_at(t, 0x1000), "one");
	assert_string_equal(name_at(t, 0x102f), "inner");
	assert_string_equal(name_at(t, 0x4000), "cold");
	/* Between functions: known to be nothing, as far as nothing reaches. */
	assert_string_equal(name_at(t, 0x1110), "");
	assert_string_equal(name_at(t, 0x1fff), "");
	/* What was not asked for. */
	assert_null(name_at(t, 0x1010));
	assert_null(name_at(t, 0x2000));
	assert_null(name_at(t, 0x4010));
}

/* Function by function the parts agree with the whole. */
static void test_parts_agree_with_whole(void **state)
{
	const struct image image = { .symtab = some };
	_cleanup_table_ struct elf_symbols *whole = read_some(&image, NULL, 0), *all = NULL;

	(void)state;
	assert_true(elf_symbols_is_whole(whole));
	for (uint64_t address = 0xff0; address < 0x4900; address += 8) {
		_cleanup_table_ struct elf_symbols *t = read_some(&image, &address, 1);
		const char *expected = name_at(whole, address);
		struct elf_symbols *both;

		assert_string_equal(name_at(t, address), expected ? expected : "");
		if (!all) {
			all = TAKE_PTR(t);
			continue;
		}
		assert_int_equal(elf_symbols_merge(all, t, &both), 0);
		assert_int_equal(elf_symbols_check(both, elf_symbols_memory(both)), 0);
		elf_symbols_free(all);
		all = both;
		assert_string_equal(name_at(all, address), expected ? expected : "");
	}
	for (uint64_t address = 0xff0; address < 0x4900; address++)
		assert_string_equal(name_at(all, address),
				    name_at(whole, address) ? name_at(whole, address) : "");
}

/* The first one is believed, and what it does not cover comes from the other. */
static void test_merge_of_contradictions(void **state)
{
	static const struct image_symbol old[] = { FUNC("old", 0x1100, 0x10), {} };
	static const struct image_symbol more[] = { FUNC("more", 0x1000, 0x1000), {} };
	const uint64_t address = 0x1104, far = 0x1000;
	_cleanup_table_ struct elf_symbols *a =
		read_some(&(struct image){ .symtab = old }, &address, 1);
	_cleanup_table_ struct elf_symbols *b =
		read_some(&(struct image){ .symtab = more }, &far, 1);
	_cleanup_table_ struct elf_symbols *both = NULL, *empty = NULL, *same = NULL;

	(void)state;
	assert_int_equal(elf_symbols_merge(a, b, &both), 0);
	assert_int_equal(elf_symbols_check(both, elf_symbols_memory(both)), 0);
	assert_string_equal(name_at(both, 0x10ff), "more");
	assert_string_equal(name_at(both, 0x1100), "old");
	assert_string_equal(name_at(both, 0x110f), "old");
	assert_string_equal(name_at(both, 0x1110), "more");
	assert_string_equal(name_at(both, 0x1fff), "more");
	assert_null(name_at(both, 0x2000));
	empty = read_some(&(struct image){}, NULL, 0);
	assert_int_equal(elf_symbols_count(empty), 0);
	assert_int_equal(elf_symbols_merge(empty, a, &same), 0);
	assert_string_equal(name_at(same, 0x1100), "old");
}

static void test_far_apart(void **state)
{
	static const struct image_symbol near[] = { FUNC("near", 0x1000, 0x10), {} };
	const uint64_t addresses[] = { 0x1000, 1ULL << 40, UINT64_MAX };
	const uint64_t away = 1ULL << 40;
	_cleanup_table_ struct elf_symbols *t =
		read_some(&(struct image){ .symtab = near }, addresses, ARRAY_SIZE(addresses));
	_cleanup_table_ struct elf_symbols *gap =
		read_some(&(struct image){ .symtab = near }, &away, 1);
	struct elf_symbols *both;

	(void)state;
	assert_string_equal(name_at(t, 0x1000), "near");
	assert_null(name_at(t, away));
	assert_string_equal(name_at(gap, away), "");
	assert_int_equal(elf_symbols_merge(t, gap, &both), -EFBIG);
}

static void test_small_tables_come_whole(void **state)
{
	_cleanup_close_ int fd = image_open(&(struct image){ .symtab = some });
	const uint64_t address = 0x1000;
	struct elf_symbols_request request = {
		.fd = fd, .debug_fd = -1, .addresses = &address, .n = 1, .whole_bytes = 4096
	};
	_cleanup_table_ struct elf_symbols *whole = NULL, *part = NULL;

	(void)state;
	assert_int_equal(elf_symbols_read(&request, &whole), 0);
	assert_true(elf_symbols_is_whole(whole));
	assert_string_equal(name_at(whole, 0x2000), "far");
	request.whole_bytes = 64;
	assert_int_equal(elf_symbols_read(&request, &part), 0);
	assert_false(elf_symbols_is_whole(part));
	assert_int_equal(elf_symbols_count(part), 1);
	/* The limit is on what is handed out. */
	request.limits.max_bytes = elf_symbols_memory(part);
	elf_symbols_free(part);
	part = NULL;
	assert_int_equal(elf_symbols_read(&request, &part), 0);
	elf_symbols_free(part);
	part = NULL;
	request.limits.max_bytes--;
	assert_int_equal(elf_symbols_read(&request, &part), -EFBIG);
}

/*
 * A program whose names alone are more than a table may have: a few of them are found all the same.
 */
static void test_large_file(void **state)
{
	enum { N = 600000, NAME = 112, TEXT = 1, SYMTAB, STRTAB, SECTIONS };
	const uint64_t symbols_at = 4096, names_at = symbols_at + N * sizeof(Elf64_Sym);
	const uint64_t addresses[] = { 0x1000, 0x1000 + 16 * 12345, 0x1000 + 16 * (N - 1) + 15 };
	const Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_ehsize = sizeof(header),
		.e_shoff = sizeof(header),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = SECTIONS,
	};
	const Elf64_Shdr sections[SECTIONS] = {
		[TEXT] = { .sh_type = SHT_NOBITS,
			   .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
			   .sh_addr = 0x1000,
			   .sh_size = 16 * N },
		[SYMTAB] = { .sh_type = SHT_SYMTAB,
			     .sh_offset = symbols_at,
			     .sh_link = STRTAB,
			     .sh_size = N * sizeof(Elf64_Sym),
			     .sh_entsize = sizeof(Elf64_Sym) },
		[STRTAB] = { .sh_type = SHT_STRTAB,
			     .sh_offset = names_at,
			     .sh_size = 1 + (uint64_t)N * NAME },
	};
	const uint64_t size = names_at + 1 + (uint64_t)N * NAME;
	_cleanup_close_ int fd = memfd_create("large", MFD_CLOEXEC);
	struct elf_symbols_request request = {
		.fd = fd, .debug_fd = -1, .addresses = addresses, .n = ARRAY_SIZE(addresses)
	};
	_cleanup_table_ struct elf_symbols *t = NULL;
	char *file, name[NAME];

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	file = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(file, MAP_FAILED);
	memcpy(file, &header, sizeof(header));
	memcpy(file + sizeof(header), sections, sizeof(sections));
	for (uint32_t i = 0; i < N; i++) {
		const Elf64_Sym symbol = { .st_name = 1 + i * NAME,
					   .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					   .st_shndx = TEXT,
					   .st_value = 0x1000 + 16 * (uint64_t)i,
					   .st_size = 16 };

		memcpy(file + symbols_at + i * sizeof(symbol), &symbol, sizeof(symbol));
		snprintf(file + names_at + symbol.st_name, NAME, "f%0*u", NAME - 2, i);
	}
	munmap(file, size);
	assert_int_equal(elf_symbols_read(&request, &t), 0);
	assert_int_equal(elf_symbols_count(t), ARRAY_SIZE(addresses));
	snprintf(name, sizeof(name), "f%0*u", NAME - 2, 12345);
	assert_string_equal(name_at(t, addresses[1]), name);
	snprintf(name, sizeof(name), "f%0*u", NAME - 2, N - 1);
	assert_string_equal(name_at(t, addresses[2]), name);
	elf_symbols_free(t);
	t = NULL;
	request.addresses = NULL;
	assert_int_equal(elf_symbols_read(&request, &t), -EFBIG);
}

static uint8_t inner[IMAGE_MAX_BYTES], packed[IMAGE_MAX_BYTES];

/* A stripped file: exported functions in .dynsym, the rest in .gnu_debugdata. */
static struct image mini(const struct image_symbol *exported, const struct image_symbol *others)
{
	size_t size = image_build(&(struct image){ .symtab = others }, inner);

	return (struct image){
		.dynsym = exported,
		.debugdata = packed,
		.debugdata_size = image_pack(inner, size, packed),
	};
}

static const struct image_symbol exported[] = { FUNC("exported", 0x1000, 0x10), {} };
static const struct image_symbol others[] = { FUNC("local", 0x1010, 0x10), {} };

static void test_debugdata(void **state)
{
	const struct image image = mini(exported, others);
	_cleanup_table_ struct elf_symbols *t = read_some(&image, NULL, 0), *own = NULL;
	struct image with_symtab = image;

	(void)state;
	assert_int_equal(elf_symbols_source(t), ELF_SYMBOLS_DEBUGDATA);
	assert_string_equal(name_at(t, 0x1000), "exported");
	assert_string_equal(name_at(t, 0x1010), "local");
	/* A symbol table of its own goes before it. */
	with_symtab.symtab = some;
	own = read_some(&with_symtab, NULL, 0);
	assert_int_equal(elf_symbols_source(own), ELF_SYMBOLS_SYMTAB);
	assert_string_equal(name_at(own, 0x1010), "two");
}

/* Damaged in any byte, cut anywhere: the exported functions keep their names. */
static void test_damaged_debugdata(void **state)
{
	struct image image = mini(exported, others);
	size_t size = image.debugdata_size;

	(void)state;
	for (size_t i = 0; i < size; i++) {
		_cleanup_table_ struct elf_symbols *damaged = NULL, *cut = NULL;

		packed[i] ^= 0x55;
		damaged = read_some(&image, NULL, 0);
		packed[i] ^= 0x55;
		assert_string_equal(name_at(damaged, 0x1000), "exported");
		if (i == 0)
			continue;
		image.debugdata_size = i;
		cut = read_some(&image, NULL, 0);
		image.debugdata_size = size;
		assert_string_equal(name_at(cut, 0x1000), "exported");
		assert_int_equal(elf_symbols_source(cut), ELF_SYMBOLS_DYNSYM);
	}
}

/* A small section that becomes larger than what is allowed. */
static void test_bomb(void **state)
{
	const size_t size = ELF_DEBUGDATA_MAX + 1;
	uint8_t *zeros =
		mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct image image = { .dynsym = exported, .debugdata = packed };
	_cleanup_table_ struct elf_symbols *t = NULL;

	(void)state;
	assert_ptr_not_equal(zeros, MAP_FAILED);
	image.debugdata_size = image_pack(zeros, size, packed);
	munmap(zeros, size);
	t = read_some(&image, NULL, 0);
	assert_string_equal(name_at(t, 0x1000), "exported");
	assert_int_equal(elf_symbols_source(t), ELF_SYMBOLS_DYNSYM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_wanted),
		cmocka_unit_test(test_parts_agree_with_whole),
		cmocka_unit_test(test_merge_of_contradictions),
		cmocka_unit_test(test_far_apart),
		cmocka_unit_test(test_small_tables_come_whole),
		cmocka_unit_test(test_large_file),
		cmocka_unit_test(test_debugdata),
		cmocka_unit_test(test_damaged_debugdata),
		cmocka_unit_test(test_bomb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
