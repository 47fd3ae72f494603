/* SPDX-License-Identifier: Apache-2.0 */
/* .debug_frame, compressed and not, of old versions, and in a debug file of its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "unwind/table_job.h"
#include "unwind_image.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_debug_frame),
		cmocka_unit_test(test_debug_frame_in_zstd),
		cmocka_unit_test(test_old_debug_frame),
		cmocka_unit_test(test_separate_debug_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
