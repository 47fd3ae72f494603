/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "elf/elf_symbols.h"
#include "skip.h"
#include "symbol_image.h"

DEFINE_CLEANUP(struct elf_symbols *, elf_symbols_free);
#define _cleanup_table_ _cleanup_(elf_symbols_freep)

#define FUNC(n, a, s)                                                                              \
	{                                                                                          \
		.name = n, .address = a, .size = s, .type = STT_FUNC, .binding = STB_GLOBAL        \
	}
#define WEAK(n, a, s)                                                                              \
	{                                                                                          \
		.name = n, .address = a, .size = s, .type = STT_FUNC, .binding = STB_WEAK          \
	}
#define STATIC(n, a, s)                                                                            \
	{                                                                                          \
		.name = n, .address = a, .size = s, .type = STT_FUNC                               \
	}
#define LABEL(n, a)                                                                                \
	{                                                                                          \
		.name = n, .address = a                                                            \
	}

/* All of it. */
static int read_fds(int fd, int debug_fd, const struct elf_symbols_limits *limits,
		    struct elf_symbols **ret)
{
	struct elf_symbols_request request = { .fd = fd, .debug_fd = debug_fd };

	if (limits)
		request.limits = *limits;
	return elf_symbols_read(&request, ret);
}

static struct elf_symbols *read_image(const struct image *image, const struct image *debug)
{
	_cleanup_close_ int fd = image_open(image);
	_cleanup_close_ int debug_fd = debug ? image_open(debug) : -1;
	struct elf_symbols *t;

	assert_int_equal(read_fds(fd, debug_fd, NULL, &t), 0);
	assert_int_equal(elf_symbols_check(t, elf_symbols_memory(t)), 0);
	return t;
}

static struct elf_symbols *read_symbols(const struct image_symbol *symbols)
{
	return read_image(&(struct image){ .symtab = symbols }, NULL);
}

static const char *name_at(const struct elf_symbols *t, uint64_t address)
{
	struct elf_symbol s;

	return elf_symbols_find(t, address, &s) ? s.name : NULL;
}

#define assert_name(t, address, expected)                                                          \
	do {                                                                                       \
		const char *_name = name_at(t, address);                                           \
		assert_non_null(_name);                                                            \
		assert_string_equal(_name, expected);                                              \
	} while (0)

static void test_bounds(void **state)
{
	static const struct image_symbol symbols[] = {
		FUNC("second", 0x1100, 0x20),
		FUNC("first", 0x1000, 0x10),
		STATIC("helper.cold", 0x4000, 8),
		{},
	};
	_cleanup_table_ struct elf_symbols *t = read_symbols(symbols);
	struct elf_symbol s;

	(void)state;
	assert_int_equal(elf_symbols_count(t), 3);
	assert_null(name_at(t, 0xfff));
	assert_name(t, 0x1000, "first");
	assert_name(t, 0x100f, "first");
	assert_null(name_at(t, 0x1010));
	assert_true(elf_symbols_find(t, 0x1105, &s));
	assert_string_equal(s.name, "second");
	assert_int_equal(s.address, 0x1100);
	assert_int_equal(s.size, 0x20);
	assert_name(t, 0x4007, "helper.cold");
	assert_null(name_at(t, 0x4008));
	assert_null(name_at(t, UINT64_MAX));
}

static void test_aliases(void **state)
{
	static const struct image_symbol symbols[] = {
		STATIC("aa", 0x1000, 16),	 FUNC("__libc_read", 0x1000, 16),
		WEAK("read", 0x1000, 16),	 WEAK("weak", 0x1100, 16),
		FUNC("glob", 0x1100, 16),	 FUNC("without_size", 0x1200, 0),
		STATIC("_with_size", 0x1200, 4), FUNC("_ZN3fooC1Ev", 0x1300, 16),
		FUNC("_foo", 0x1300, 16),	 FUNC("longer", 0x1400, 16),
		FUNC("long", 0x1400, 16),	 {},
	};
	_cleanup_table_ struct elf_symbols *t = read_symbols(symbols);

	(void)state;
	assert_name(t, 0x1000, "read");
	assert_name(t, 0x1100, "glob");
	assert_name(t, 0x1200, "_with_size");
	assert_name(t, 0x1300, "_ZN3fooC1Ev");
	assert_name(t, 0x1400, "long");
}

static void test_nested_and_overlapping(void **state)
{
	static const struct image_symbol symbols[] = {
		FUNC("outer", 0x1000, 0x100), FUNC("inner", 0x1040, 0x20),
		FUNC("innermost", 0x1048, 8), FUNC("overlaps", 0x10f0, 0x20),
		FUNC("cut", 0x2ff0, 0x1000),  {},
	};
	_cleanup_table_ struct elf_symbols *t = read_symbols(symbols);

	(void)state;
	assert_name(t, 0x1000, "outer");
	assert_name(t, 0x1040, "inner");
	assert_name(t, 0x1048, "innermost");
	assert_name(t, 0x1050, "inner");
	assert_name(t, 0x1060, "outer");
	assert_name(t, 0x10ef, "outer");
	assert_name(t, 0x10f0, "overlaps");
	assert_name(t, 0x110f, "overlaps");
	assert_name(t, IMAGE_TEXT_END - 1, "cut");
	assert_null(name_at(t, IMAGE_TEXT_END));
}

static void test_without_size(void **state)
{
	static const struct image_symbol symbols[] = {
		FUNC("entry", 0x1000, 0), FUNC("next", 0x1080, 0x10), FUNC("inside", 0x1084, 0),
		FUNC("last", 0x2f00, 0),  LABEL("asm_label", 0x4000), LABEL("covered", 0x1088),
		LABEL(".L12", 0x4010),	  LABEL("$x", 0x4020),	      {},
	};
	_cleanup_table_ struct elf_symbols *t = read_symbols(symbols);

	(void)state;
	assert_name(t, 0x107f, "entry");
	assert_name(t, 0x1080, "next");
	assert_name(t, 0x1087, "inside");
	assert_name(t, 0x1088, "next"); /* not "covered" */
	assert_name(t, 0x108f, "next");
	assert_null(name_at(t, 0x1090));
	assert_name(t, IMAGE_TEXT_END - 1, "last");
	assert_name(t, IMAGE_COLD_END - 1, "asm_label");
	assert_null(name_at(t, IMAGE_COLD_END));
}

static void test_only_code(void **state)
{
	static const struct image_symbol symbols[] = {
		FUNC("in_data", IMAGE_DATA, 16),
		FUNC("nowhere", 0x100, 16),
		FUNC("", 0x1100, 16),
		{ "object", 0x1000, 16, STT_OBJECT, STB_GLOBAL, 0 },
		{ "absolute", 0x1000, 16, STT_FUNC, STB_GLOBAL, SHN_ABS },
		{},
	};
	_cleanup_table_ struct elf_symbols *t = read_symbols(symbols);

	(void)state;
	assert_int_equal(elf_symbols_count(t), 0);
	assert_null(name_at(t, 0x1000));
}

static void test_sources(void **state)
{
	static const struct image_symbol full[] = { FUNC("full", 0x1000, 16), {} };
	static const struct image_symbol dynamic[] = { FUNC("dynamic", 0x1000, 16), {} };
	static const struct image_symbol debug[] = { FUNC("debug", 0x1000, 16), {} };
	const struct image both = { .symtab = full, .dynsym = dynamic };
	const struct image stripped = { .dynsym = dynamic };
	const struct image split = { .symtab = debug };
	const struct image nothing = {};
	_cleanup_table_ struct elf_symbols *a = read_image(&both, &split);
	_cleanup_table_ struct elf_symbols *b = read_image(&stripped, &split);
	_cleanup_table_ struct elf_symbols *c = read_image(&stripped, NULL);
	_cleanup_table_ struct elf_symbols *d = read_image(&stripped, &nothing);

	(void)state;
	assert_name(a, 0x1000, "full");
	assert_name(b, 0x1000, "debug");
	assert_name(c, 0x1000, "dynamic");
	assert_name(d, 0x1000, "dynamic");
}

static void test_names_stored_once(void **state)
{
	struct image_symbol symbols[101] = {};
	char names[100][32];
	size_t different, equal;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "function%05d", i);
		symbols[i] = (struct image_symbol)FUNC(names[i], 0x1000 + 32 * (uint64_t)i, 16);
	}
	{
		_cleanup_table_ struct elf_symbols *t = read_symbols(symbols);

		different = elf_symbols_memory(t);
	}
	/* A function that others are nested in is several pieces with one name. */
	symbols[0].size = 0x2000;
	{
		_cleanup_table_ struct elf_symbols *t = read_symbols(symbols);

		assert_int_equal(elf_symbols_count(t), 199);
		equal = elf_symbols_memory(t);
	}
	assert_int_equal(equal, different + 99 * 12);
}

static int read_bytes(const void *bytes, size_t size, const struct elf_symbols_limits *limits)
{
	_cleanup_close_ int fd = image_fd(bytes, size);
	_cleanup_table_ struct elf_symbols *t = NULL;
	int r = read_fds(fd, -1, limits, &t);

	if (r < 0) {
		assert_null(t);
		return r;
	}
	assert_int_equal(elf_symbols_check(t, elf_symbols_memory(t)), 0);
	for (uint32_t i = 0; i < elf_symbols_count(t); i++) {
		struct elf_symbol s, found;

		elf_symbols_get(t, i, &s);
		assert_true(elf_symbols_find(t, s.address + s.size - 1, &found));
		assert_ptr_equal(found.name, s.name);
	}
	return 0;
}

static const struct image_symbol some[] = {
	FUNC("one", 0x1000, 16),
	FUNC("two", 0x1010, 16),
	STATIC("three", 0x1020, 0),
	{},
};

static void test_truncated(void **state)
{
	uint8_t bytes[IMAGE_MAX_BYTES];
	size_t size = image_build(&(struct image){ .symtab = some, .dynsym = some }, bytes);

	(void)state;
	assert_int_equal(read_bytes(bytes, size, NULL), 0);
	for (size_t n = 0; n < size; n++)
		assert_true(read_bytes(bytes, n, NULL) < 0);
}

/* Any one damaged byte: an error or a table that holds together. */
static void test_damaged(void **state)
{
	static const uint8_t masks[] = { 0xff, 0x80, 0x01 };
	uint8_t bytes[IMAGE_MAX_BYTES];
	size_t size = image_build(&(struct image){ .symtab = some, .dynsym = some }, bytes);

	(void)state;
	for (size_t i = 0; i < size; i++)
		for (size_t m = 0; m < sizeof(masks); m++) {
			bytes[i] ^= masks[m];
			read_bytes(bytes, size, NULL);
			bytes[i] ^= masks[m];
		}
}

static void test_refused(void **state)
{
	uint8_t bytes[IMAGE_MAX_BYTES];
	size_t size = image_build(&(struct image){ .symtab = some }, bytes);
	Elf32_Ehdr narrow = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32 } };
	_cleanup_close_ int directory = open("/", O_RDONLY | O_DIRECTORY);
	struct elf_symbols *t;

	(void)state;
	assert_int_equal(read_bytes("#!/bin/sh\n", 10, NULL), -ENOEXEC);
	assert_int_equal(read_fds(directory, -1, NULL, &t), -ENOEXEC);
	assert_int_equal(read_fds(-1, -1, NULL, &t), -EBADF);
	bytes[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(read_bytes(bytes, size, NULL), -ENOEXEC);
	narrow.e_ident[EI_DATA] = bytes[EI_DATA] = ELFDATA2LSB;
	assert_int_equal(read_bytes(&narrow, sizeof(narrow), NULL), -ENOTSUP);
}

static void test_limits(void **state)
{
	uint8_t bytes[IMAGE_MAX_BYTES];
	size_t size = image_build(&(struct image){ .symtab = some }, bytes);

	(void)state;
	assert_int_equal(read_bytes(bytes, size, &(struct elf_symbols_limits){ .max_symbols = 3 }),
			 0);
	assert_int_equal(read_bytes(bytes, size, &(struct elf_symbols_limits){ .max_strings = 8 }),
			 -EFBIG);
	assert_int_equal(read_bytes(bytes, size, &(struct elf_symbols_limits){ .max_bytes = 64 }),
			 -EFBIG);
}

static void test_too_many_symbols(void **state)
{
	static char name[] = "f";
	struct image_symbol *symbols = calloc(1500, sizeof(*symbols));
	uint8_t bytes[IMAGE_MAX_BYTES];
	size_t size;

	(void)state;
	for (uint64_t i = 0; i < 1400; i++)
		symbols[i] = (struct image_symbol)FUNC(name, 0x1000 + i, 1);
	size = image_build(&(struct image){ .symtab = symbols }, bytes);
	assert_int_equal(read_bytes(bytes, size, NULL), 0);
	assert_int_equal(
		read_bytes(bytes, size, &(struct elf_symbols_limits){ .max_symbols = 1000 }),
		-EFBIG);
	free(symbols);
}

static void test_long_name(void **state)
{
	char name[8192];
	struct image_symbol symbols[] = { FUNC(name, 0x1000, 16), {} };

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	{
		_cleanup_table_ struct elf_symbols *t = read_symbols(symbols);

		assert_int_equal(strlen(name_at(t, 0x1000)), ELF_SYMBOL_NAME_MAX);
	}
}

/* A table from another process is not believed: each byte of its numbers is damaged in turn. */
static void test_check(void **state)
{
	_cleanup_table_ struct elf_symbols *t = read_symbols(some);
	size_t size = elf_symbols_memory(t);
	_cleanup_free_ uint8_t *copy = malloc(size);
	struct elf_symbol s;

	(void)state;
	for (size_t i = 0; i < size; i++) {
		memcpy(copy, t, size);
		copy[i] ^= 0xff;
		if (elf_symbols_check(copy, size) < 0)
			continue;
		for (uint64_t address = 0xff0; address < 0x1040; address++)
			if (elf_symbols_find((const struct elf_symbols *)copy, address, &s))
				assert_true(strlen(s.name) < size);
	}
	memcpy(copy, t, size);
	assert_int_equal(elf_symbols_check(copy, size), 0);
	for (size_t n = 0; n < size; n++)
		assert_int_equal(elf_symbols_check(copy, n), -EBADMSG);
	copy[size - 1] = 'x';
	assert_int_equal(elf_symbols_check(copy, size), -EBADMSG);
}

static int first_base(struct dl_phdr_info *info, size_t size, void *userdata)
{
	(void)size;
	*(uint64_t *)userdata = info->dlpi_addr;
	return 1;
}

static void test_this_program(void **state)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_table_ struct elf_symbols *t = NULL;
	uint32_t plt = 0;
	uint64_t base = 0;

	(void)state;
	dl_iterate_phdr(first_base, &base);
	assert_true(elf_symbols_has_symtab(fd));
	assert_int_equal(read_fds(fd, -1, NULL, &t), 0);
	assert_name(t, (uint64_t)(uintptr_t)test_truncated - base + 3, "test_truncated");
	assert_name(t, (uint64_t)(uintptr_t)elf_symbols_read - base, "elf_symbols_read");
	for (uint32_t i = 0; i < elf_symbols_count(t); i++) {
		struct elf_symbol s;

		elf_symbols_get(t, i, &s);
		plt += strlen(s.name) > 4 && strcmp(s.name + strlen(s.name) - 4, "@plt") == 0;
	}
#ifdef __x86_64__
	assert_true(plt > 5);
#endif
}

static void test_libc(void **state)
{
	_cleanup_table_ struct elf_symbols *t = NULL;
	_cleanup_close_ int fd = -1;
	void *function = dlsym(RTLD_DEFAULT, "getppid");
	Dl_info info;

	(void)state;
	assert_true(dladdr(function, &info));
	fd = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		skip_because("%s cannot be read", info.dli_fname);
	assert_int_equal(read_fds(fd, -1, NULL, &t), 0);
	assert_name(t, (uint64_t)((uintptr_t)function - (uintptr_t)info.dli_fbase), "getppid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_nested_and_overlapping),
		cmocka_unit_test(test_without_size),
		cmocka_unit_test(test_only_code),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_names_stored_once),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_too_many_symbols),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_this_program),
		cmocka_unit_test(test_libc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
