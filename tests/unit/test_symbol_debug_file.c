/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "elf/elf_symbols.h"
#include "symbol_image.h"
#include "process/debug_file.h"
#include "elf/debug_identity.h"
#include "symbolize/symbol_reader.h"
#include "scratch.h"

static const struct image_symbol symbols[] = {
	{ "split", 0x1000, 16, STT_FUNC, STB_GLOBAL, 0 },
	{},
};
static const uint8_t id_a[] = { 0xab, 0xcd, 0xef, 0x01 }, id_b[] = { 0xab, 0xcd, 0xef, 0x02 };

static char directory[SCRATCH_SIZE];

static int setup(void **state)
{
	(void)state;
	return scratch_make(directory);
}

static int teardown(void **state)
{
	(void)state;
	return scratch_remove(directory);
}

static const char *in(const char *path)
{
	static char full[4][256];
	static unsigned int i;

	i = (i + 1) % 4;
	snprintf(full[i], sizeof(full[i]), "%s/%s", directory, path);
	return full[i];
}

/* The debug file with a build id (NULL = none) at @path; returns its CRC. */
static uint32_t install(const char *path, const uint8_t *id)
{
	static uint8_t bytes[IMAGE_MAX_BYTES];
	size_t size = image_build(
		&(struct image){ .symtab = symbols, .build_id = id, .build_id_size = id ? 4 : 0 },
		bytes);

	image_write_file(in(path), bytes, size);
	return (uint32_t)crc32(0, bytes, (unsigned int)size);
}

/* 0 if the right one was found. */
static int find(const uint8_t *id, const char *link, uint32_t crc, const char *root)
{
	const struct image image = {
		.build_id = id,
		.build_id_size = id ? 4 : 0,
		.debuglink = link,
		.debuglink_crc = crc,
	};
	char debug[256], path[256];
	const struct debug_file_search search = {
		.directories = root ? "/usr/lib/debug" : debug,
		.root = root,
		.path = root ? "/bin/prog" : path,
	};
	const struct symbol_reader here = {};
	_cleanup_close_ int fd = image_open(&image);
	const struct symbol_wish wish = { .fd = fd, .search = &search };
	struct symbol_reading reading;
	uint32_t n;

	strcpy(debug, in("usr/lib/debug"));
	strcpy(path, in("bin/prog"));
	assert_int_equal(symbol_reader_read(&here, &wish, &reading), 0);
	assert_int_equal(reading.debug_error, 0);
	n = elf_symbols_count(reading.table);
	elf_symbols_free(reading.table);
	return n ? 0 : -ENOENT;
}

/* A file that is there and is not even offered to the parser. */
static int offered(int fd, void *userdata)
{
	(void)fd;
	++*(int *)userdata;
	return -ENOENT;
}

static void test_only_code_is_offered(void **state)
{
	static const struct {
		const char *content;
		uint16_t type;
	} files[] = {
		{ "root:x:0:0:root", 0 }, { ELFMAG, ET_CORE }, { ELFMAG, ET_NONE }, { "", 0 },
		{ ELFMAG, ET_DYN },
	};
	const struct debug_identity id = { .link = "file" };
	char path[256];
	const struct debug_file_search search = { .directories = "/nonexistent", .path = path };
	int n = 0;

	(void)state;
	strcpy(path, in("prog"));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		Elf64_Ehdr header = { .e_type = files[i].type };

		assert_int_equal(n, 0);
		memcpy(header.e_ident, files[i].content, strlen(files[i].content));
		image_write_file(in("file"), &header, files[i].content[0] ? sizeof(header) : 0);
		assert_int_equal(debug_file_each(&id, &search, offered, &n), -ENOENT);
	}
	assert_int_equal(n, 1);
}

static void test_build_id(void **state)
{
	(void)state;
	assert_int_equal(find(id_a, NULL, 0, NULL), -ENOENT);
	install("usr/lib/debug/.build-id/ab/cdef01.debug", id_a);
	assert_int_equal(find(id_a, NULL, 0, NULL), 0);
	assert_int_equal(find(id_b, NULL, 0, NULL), -ENOENT);
	/* The name is right but the file is another's. */
	install("usr/lib/debug/.build-id/ab/cdef01.debug", id_b);
	assert_int_equal(find(id_a, NULL, 0, NULL), -ENOENT);
}

static void test_link_beside(void **state)
{
	uint32_t crc = install("bin/prog.debug", NULL);

	(void)state;
	assert_int_equal(find(NULL, "prog.debug", crc, NULL), 0);
	assert_int_equal(find(NULL, "prog.debug", crc ^ 1, NULL), -ENOENT);
	assert_int_equal(find(NULL, "other.debug", crc, NULL), -ENOENT);
	assert_int_equal(find(NULL, NULL, 0, NULL), -ENOENT);
	/* A build id decides where both have one. */
	install("bin/prog.debug", id_a);
	assert_int_equal(find(id_a, "prog.debug", 0, NULL), 0);
	assert_int_equal(find(id_b, "prog.debug", 0, NULL), -ENOENT);
}

static void test_link_in_dot_debug(void **state)
{
	uint32_t crc = install("bin/.debug/prog.debug", NULL);

	(void)state;
	assert_int_equal(find(NULL, "prog.debug", crc, NULL), 0);
}

static void test_link_in_debug_directory(void **state)
{
	char path[256];
	uint32_t crc;

	(void)state;
	snprintf(path, sizeof(path), "usr/lib/debug%s/bin/prog.debug", directory);
	crc = install(path, NULL);
	assert_int_equal(find(NULL, "prog.debug", crc, NULL), 0);
}

static void test_in_root_of_process(void **state)
{
	char root[256];
	uint32_t crc;

	(void)state;
	install("root/usr/lib/debug/.build-id/ab/cdef01.debug", id_a);
	strcpy(root, in("root"));
	assert_int_equal(find(id_a, NULL, 0, root), 0);
	crc = install("root/bin/prog.debug", NULL);
	assert_int_equal(find(NULL, "prog.debug", crc, root), 0);
	/* An absolute link in there is about that root. */
	install("root/bin/real.debug", id_b);
	assert_int_equal(symlink("/bin/real.debug", in("root/bin/link.debug")), 0);
	assert_int_equal(find(id_b, "link.debug", 0, root), 0);
	install("outside.debug", id_b);
	assert_int_equal(symlink("../../outside.debug", in("root/bin/out.debug")), 0);
	assert_int_equal(find(id_b, "out.debug", 0, root), -ENOENT);
}

static void test_hostile_links(void **state)
{
	char name[300];

	(void)state;
	install("secret.debug", id_a);
	assert_int_equal(find(id_a, "../secret.debug", 0, NULL), -ENOENT);
	assert_int_equal(find(id_a, "..", 0, NULL), -ENOENT);
	assert_int_equal(find(id_a, "", 0, NULL), -ENOENT);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(find(id_a, name, 0, NULL), -ENOENT);
	image_write_file(in("bin/x"), "", 0);
	mkfifo(in("bin/fifo.debug"), 0644);
	assert_int_equal(find(id_a, "fifo.debug", 0, NULL), -ENOENT);
	install("bin/truncated.debug", id_a);
	assert_int_equal(truncate(in("bin/truncated.debug"), 100), 0);
	assert_int_equal(find(id_a, "truncated.debug", 0, NULL), -ENOENT);
}

#define with_directory(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_directory(test_build_id),
		with_directory(test_link_beside),
		with_directory(test_link_in_dot_debug),
		with_directory(test_link_in_debug_directory),
		with_directory(test_in_root_of_process),
		with_directory(test_hostile_links),
		with_directory(test_only_code_is_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
