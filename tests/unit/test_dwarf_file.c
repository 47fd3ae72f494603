/* SPDX-License-Identifier: Apache-2.0 */
/* Sections compressed with zstd: read anywhere, refused when there is no room, damaged ones. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "elf/dwarf_file.h"

#define COMPRESS_ZSTD 2
#define PLAIN	      ((size_t)3 << 20)

/* .debug_info and .debug_abbrev are one and the same bytes in the file. */
struct file {
	Elf64_Ehdr header;
	Elf64_Shdr sections[4];
	char names[40];
	Elf64_Chdr compression;
	uint8_t packed[ZSTD_COMPRESSBOUND(PLAIN)];
};

struct world {
	uint8_t *plain, *buffer;
	struct file *file;
	int fd;
	struct dwarf_file dwarf;
};

static Elf64_Shdr section_of(uint32_t name, uint32_t type, uint64_t offset, uint64_t size)
{
	return (Elf64_Shdr){
		.sh_name = name, .sh_type = type, .sh_offset = offset, .sh_size = size
	};
}

static void write_file(struct world *w)
{
	closep(&w->fd);
	w->fd = memfd_create("dwarf", MFD_CLOEXEC);
	assert_true(w->fd >= 0);
	assert_int_equal(fd_write_full(w->fd, w->file, sizeof(*w->file)), 0);
}

static int setup(void **state)
{
	static const char names[] = "\0.debug_info\0.debug_abbrev\0.names";
	struct world *w = calloc(1, sizeof(*w));
	struct file *f = calloc(1, sizeof(*f));
	size_t packed;

	w->fd = -1;
	w->file = f;
	w->plain = malloc(PLAIN);
	w->buffer = malloc(PLAIN);
	for (size_t i = 0; i < PLAIN; i++)
		w->plain[i] = (uint8_t)(hash_mix(i / 7) % ((i >> 20) + 3));
	packed = ZSTD_compress(f->packed, sizeof(f->packed), w->plain, PLAIN, 1);
	assert_false(ZSTD_isError(packed));
	f->header = (Elf64_Ehdr){ .e_type = ET_DYN,
				  .e_machine = EM_X86_64,
				  .e_version = 1,
				  .e_shoff = offsetof(struct file, sections),
				  .e_ehsize = sizeof(f->header),
				  .e_shentsize = sizeof(f->sections[0]),
				  .e_shnum = 4,
				  .e_shstrndx = 3 };
	memcpy(f->header.e_ident, ELFMAG "\2\1\1", 7);
	memcpy(f->names, names, sizeof(names));
	f->compression = (Elf64_Chdr){ .ch_type = COMPRESS_ZSTD, .ch_size = PLAIN };
	for (uint32_t i = 1; i < 3; i++) {
		f->sections[i] = section_of(i == 1 ? 1 : 13, SHT_PROGBITS,
					    offsetof(struct file, compression),
					    sizeof(f->compression) + packed);
		f->sections[i].sh_flags = SHF_COMPRESSED;
	}
	f->sections[3] = section_of(27, SHT_STRTAB, offsetof(struct file, names), sizeof(f->names));
	write_file(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	dwarf_file_done(&w->dwarf);
	close(w->fd);
	free(w->plain);
	free(w->buffer);
	free(w->file);
	free(w);
	return 0;
}

static int read_info(struct world *w, uint64_t offset, uint64_t size)
{
	return dwarf_file_read(&w->dwarf, DWARF_INFO, offset, size, w->buffer);
}

static void test_reads_anywhere(void **state)
{
	struct world *w = *state;

	assert_int_equal(dwarf_file_open(w->fd, false, &w->dwarf), 0);
	assert_true(dwarf_file_has_info(&w->dwarf));
	assert_false(w->dwarf.unknown_compression);
	assert_int_equal(dwarf_file_size(&w->dwarf, DWARF_INFO), PLAIN);
	for (uint64_t i = 0; i < 300; i++) {
		uint64_t offset = hash_mix(i) % PLAIN;
		uint64_t size = hash_mix(i * 3 + 1) % MIN((uint64_t)100000, PLAIN - offset);

		assert_int_equal(read_info(w, offset, size), 0);
		assert_memory_equal(w->buffer, w->plain + offset, size);
	}
	assert_int_equal(read_info(w, 0, PLAIN), 0);
	assert_memory_equal(w->buffer, w->plain, PLAIN);
	assert_int_equal(read_info(w, PLAIN - 1, 2), -ENODATA);
}

static void test_more_than_there_is_room_for(void **state)
{
	struct world *w = *state;

	/* Both sections together, then each of them, then what nobody has memory for. */
	w->file->compression.ch_size = DWARF_MAX_KEPT / 2 + 1;
	write_file(w);
	assert_int_equal(dwarf_file_open(w->fd, false, &w->dwarf), 0);
	assert_true(w->dwarf.unknown_compression);
	assert_int_equal(dwarf_file_size(&w->dwarf, DWARF_INFO), DWARF_MAX_KEPT / 2 + 1);
	assert_int_equal(dwarf_file_size(&w->dwarf, DWARF_ABBREV), 0);
	for (uint64_t size = DWARF_MAX_KEPT + 1; size > DWARF_MAX_KEPT; size *= 1 << 20) {
		dwarf_file_done(&w->dwarf);
		w->file->compression.ch_size = size;
		write_file(w);
		assert_int_equal(dwarf_file_open(w->fd, false, &w->dwarf), 0);
		assert_true(w->dwarf.unknown_compression);
		assert_false(dwarf_file_has_info(&w->dwarf));
	}
}

static void test_damaged(void **state)
{
	struct world *w = *state;

	for (int how = 0; how < 3; how++) {
		uint8_t *middle = &w->file->packed[w->file->sections[1].sh_size / 2];

		w->file->compression.ch_size = how == 0 ? PLAIN - 1 : how == 1 ? PLAIN + 1 : PLAIN;
		*middle ^= how == 2 ? 0xff : 0;
		write_file(w);
		assert_int_equal(dwarf_file_open(w->fd, false, &w->dwarf), 0);
		/* The second time it is known to be. */
		assert_int_equal(read_info(w, 0, 1), -EBADMSG);
		assert_int_equal(read_info(w, 100, 1), -EBADMSG);
		dwarf_file_done(&w->dwarf);
	}
}

/* Between the look at its header and the reading somebody writes to the file. */
static void test_a_file_that_changes(void **state)
{
	struct world *w = *state;
	static const uint8_t less[16384];
	Elf64_Chdr other = { .ch_type = COMPRESS_ZSTD, .ch_size = sizeof(less) };
	uint64_t at = offsetof(struct file, compression);
	size_t had = w->file->sections[1].sh_size - sizeof(other);
	size_t packed =
		ZSTD_compress(w->file->packed, sizeof(w->file->packed), less, sizeof(less), 1);
	/* What was behind it belongs to it: a frame that is to be skipped (RFC 8878, 3.1.2). */
	const uint32_t skip[] = { 0x184d2a50, (uint32_t)(had - packed - 8) };

	memcpy(w->file->packed + packed, skip, sizeof(skip));
	assert_int_equal(dwarf_file_open(w->fd, false, &w->dwarf), 0);
	assert_int_equal(pwrite(w->fd, &other, sizeof(other), (off_t)at), sizeof(other));
	assert_int_equal(pwrite(w->fd, w->file->packed, had, (off_t)(at + sizeof(other))), had);
	assert_int_equal(read_info(w, PLAIN - 1, 1), -EBADMSG);
}

#define with_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(test_reads_anywhere),
		with_world(test_more_than_there_is_room_for),
		with_world(test_damaged),
		with_world(test_a_file_that_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
