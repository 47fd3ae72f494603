/* SPDX-License-Identifier: Apache-2.0 */
/* ELF headers made by hand, read from memory and from a file, then damaged. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "elf/elf_file.h"

#define TEXT_OFFSET 0x1000
#define TEXT_SIZE   0x800
#define ADDRESS	    0x401000

struct note {
	Elf64_Nhdr header;
	char name[4];
	uint8_t id[20];
};

/* What a small executable looks like; the section headers are optional in it. */
struct image {
	Elf64_Ehdr e;
	Elf64_Phdr p[3];
	struct note property, build_id;
	Elf64_Shdr s[2];
	uint8_t padding[TEXT_OFFSET - 512];
	uint8_t text[TEXT_SIZE + 512];
};

static struct note make_note(uint32_t type, uint8_t first)
{
	struct note n = {
		.header = { .n_namesz = 4, .n_descsz = 20, .n_type = type },
		.name = "GNU",
		.id = { first, 2, 3 },
	};

	return n;
}

static struct image make_image(void)
{
	struct image x = {
		.e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
		       .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_entry = ADDRESS + 0x10,
		       .e_phoff = offsetof(struct image, p),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 3,
		       .e_shoff = offsetof(struct image, s),
		       .e_shentsize = sizeof(Elf64_Shdr),
		       .e_shnum = 2 },
		.p = { { .p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = 512 },
		       { .p_type = PT_LOAD,
			 .p_flags = PF_R | PF_X,
			 .p_offset = TEXT_OFFSET,
			 .p_vaddr = ADDRESS,
			 .p_filesz = TEXT_SIZE },
		       { .p_type = PT_NOTE,
			 .p_offset = offsetof(struct image, property),
			 .p_filesz = 2 * sizeof(struct note),
			 .p_align = 4 } },
		.property = make_note(5, 9),
		.build_id = make_note(NT_GNU_BUILD_ID, 1),
		.s = { { .sh_type = SHT_NULL },
		       { .sh_type = SHT_NOTE,
			 .sh_offset = offsetof(struct image, build_id),
			 .sh_size = sizeof(struct note),
			 .sh_addralign = 4 } },
	};

	return x;
}

static int read_image(const void *bytes, size_t size, struct elf_file *ret)
{
	_cleanup_close_ int fd = memfd_create("elf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, bytes, size), 0);
	return elf_file_read(fd, ret);
}

static void test_whole(void **state)
{
	struct image x = make_image();
	struct elf_file f;

	(void)state;
	assert_int_equal(read_image(&x, sizeof(x), &f), 0);
	assert_int_equal(f.class, ELFCLASS64);
	assert_int_equal(f.type, ET_EXEC);
	assert_int_equal(f.machine, EM_X86_64);
	assert_int_equal(f.entry, ADDRESS + 0x10);
	assert_int_equal(f.build_id_size, 20);
	assert_int_equal(f.build_id[0], 1);
	assert_int_equal(f.n_segments, 1);
	assert_int_equal(f.segments[0].offset, TEXT_OFFSET);
	assert_int_equal(f.segments[0].size, TEXT_SIZE);
	assert_int_equal(f.segments[0].address, ADDRESS);
}

static void test_without_sections(void **state)
{
	struct image x = make_image();
	struct elf_file f;

	(void)state;
	x.e.e_shoff = 0;
	x.e.e_shnum = 0;
	assert_int_equal(read_image(&x, sizeof(x), &f), 0);
	assert_int_equal(f.build_id_size, 20);
}

static void test_note_section_only(void **state)
{
	struct image x = make_image();
	struct elf_file f;

	(void)state;
	x.p[2].p_type = PT_NULL;
	assert_int_equal(read_image(&x, sizeof(x), &f), 0);
	assert_int_equal(f.build_id_size, 20);
	/* e_shnum 0: the number is in the first section header. */
	x.e.e_shnum = 0;
	x.s[0].sh_size = 2;
	assert_int_equal(read_image(&x, sizeof(x), &f), 0);
	assert_int_equal(f.build_id_size, 20);
	/* Damaged section headers cost the build id, not the file. */
	x.e.e_shoff = UINT64_MAX - 3;
	assert_int_equal(read_image(&x, sizeof(x), &f), 0);
	assert_int_equal(f.build_id_size, 0);
	assert_int_equal(f.n_segments, 1);
}

static void test_many_program_headers(void **state)
{
	struct image x = make_image();
	struct elf_file f;

	(void)state;
	x.e.e_phnum = PN_XNUM;
	x.s[0].sh_info = 3;
	assert_int_equal(read_image(&x, sizeof(x), &f), 0);
	assert_int_equal(f.n_segments, 1);
	x.s[0].sh_info = UINT32_MAX;
	assert_int_equal(read_image(&x, sizeof(x), &f), -ENOEXEC);
}

static void test_32_bit(void **state)
{
	struct {
		Elf32_Ehdr e;
		Elf32_Phdr p[2];
		struct note id;
		uint8_t text[64];
	} x = {
		.e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB },
		       .e_type = ET_DYN,
		       .e_machine = EM_386,
		       .e_phoff = sizeof(Elf32_Ehdr),
		       .e_phentsize = sizeof(Elf32_Phdr),
		       .e_phnum = 2 },
		.p = { { .p_type = PT_LOAD, .p_flags = PF_X, .p_filesz = 64, .p_vaddr = 0x8048000 },
		       { .p_type = PT_NOTE,
			 .p_offset = sizeof(Elf32_Ehdr) + 2 * sizeof(Elf32_Phdr),
			 .p_filesz = sizeof(struct note),
			 .p_align = 4 } },
		.id = make_note(NT_GNU_BUILD_ID, 4),
	};
	struct elf_file f;

	(void)state;
	assert_int_equal(read_image(&x, sizeof(x), &f), 0);
	assert_int_equal(f.class, ELFCLASS32);
	assert_int_equal(f.machine, EM_386);
	assert_int_equal(f.build_id[0], 4);
	assert_int_equal(f.segments[0].address, 0x8048000);
}

static void test_refused(void **state)
{
	struct image good = make_image(), x;
	struct elf_file f;

	(void)state;
#define REFUSED(change)                                                                            \
	x = good;                                                                                  \
	change;                                                                                    \
	assert_int_equal(read_image(&x, sizeof(x), &f), -ENOEXEC)

	REFUSED(x.e.e_ident[1] = 'e');
	REFUSED(x.e.e_ident[EI_CLASS] = 3);
	REFUSED(x.e.e_ident[EI_DATA] = ELFDATA2MSB);
	REFUSED(x.e.e_phoff = UINT64_MAX - 8);
	REFUSED(x.e.e_phoff = sizeof(x));
	REFUSED(x.e.e_phentsize = 8);
	REFUSED(x.e.e_phnum = 513);
	REFUSED(x.p[1].p_filesz = UINT64_MAX);
	REFUSED(x.p[1].p_offset = UINT64_MAX - 4);
	REFUSED(x.p[1].p_vaddr = UINT64_MAX - 4);
	REFUSED(x.p[2].p_offset = sizeof(x) - 4);
#undef REFUSED
}

static void test_bad_notes_are_no_build_id(void **state)
{
	struct image good = make_image(), x;
	struct elf_file f;

	(void)state;
#define WITHOUT(change)                                                                            \
	x = good;                                                                                  \
	x.e.e_shoff = 0;                                                                           \
	change;                                                                                    \
	assert_int_equal(read_image(&x, sizeof(x), &f), 0);                                        \
	assert_int_equal(f.build_id_size, 0)

	WITHOUT(x.property.header.n_descsz = UINT32_MAX);
	WITHOUT(x.property.header.n_namesz = UINT32_MAX);
	WITHOUT(x.build_id.header.n_descsz = UINT32_MAX - 2);
	WITHOUT(x.build_id.header.n_descsz = 0);
	WITHOUT(x.build_id.name[0] = 'X');
	WITHOUT(x.p[2].p_filesz = 3);
	WITHOUT(x.p[2].p_filesz = 1ULL << 40); /* larger than is ever read */
#undef WITHOUT
}

static void test_file(void **state)
{
	_cleanup_close_ int fd = memfd_create("elf", MFD_CLOEXEC);
	struct image x = make_image();
	struct elf_file f;
	int pipes[2];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, &x, sizeof(x)), 0);
	assert_int_equal(elf_file_read(fd, &f), 0);
	assert_int_equal(f.build_id_size, 20);
	for (off_t size = 0; size < 512; size += 7) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_int_equal(elf_file_read(fd, &f), -ENOEXEC);
	}
	/* Only regular files have a size to check against. */
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(elf_file_read(pipes[0], &f), -ENOEXEC);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_own_executable(void **state)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_file f;

	(void)state;
	assert_int_equal(elf_file_read(fd, &f), 0);
	assert_true(f.n_segments > 0);
	assert_true(f.entry >= f.segments[0].address);
}

/* Random damage to the headers; what is accepted keeps to the limits. */
static void test_damage(void **state)
{
	const size_t headers = offsetof(struct image, padding);
	struct image good = make_image();
	_cleanup_free_ uint8_t *x = malloc(sizeof(good));
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct elf_file f;

		memcpy(x, &good, sizeof(good));
		for (int n = 0; n < 3; n++) {
			uint64_t random = hash_mix(++seed);

			x[(random >> 8) % headers] = (uint8_t)random;
		}
		if (read_image(x, sizeof(good), &f) < 0)
			continue;
		assert_in_range(f.n_segments, 0, ELF_FILE_SEGMENTS_MAX);
		assert_in_range(f.build_id_size, 0, ELF_BUILD_ID_MAX);
		for (uint32_t s = 0; s < f.n_segments; s++)
			assert_true(f.segments[s].offset + f.segments[s].size <= sizeof(good));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_without_sections),
		cmocka_unit_test(test_note_section_only),
		cmocka_unit_test(test_many_program_headers),
		cmocka_unit_test(test_32_bit),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bad_notes_are_no_build_id),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_own_executable),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests_name("elf_file", tests, NULL, NULL);
}
