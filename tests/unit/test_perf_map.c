/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "jit_world.h"
#include "scratch.h"
#include "symbol_image.h"
#include "symbolize/perf_map.h"
#include "symbolize/perf_map_file.h"

static int setup(void **state)
{
	return world_new(
		NULL, (struct jit_reader){ .format = JIT_PERF_MAP, .max_memory = 32 << 20 }, state);
}

/* 0, or why there is less than the file has. */
static int read_map(struct world *w)
{
	jit_file_read(w->file, w->fd);
	return jit_file_error(w->file);
}

static const char *find(const struct jit_file *f, uint64_t address)
{
	struct jit_symbol s;

	return jit_file_find(f, address, &s) ? s.name : "nothing";
}

#define assert_jit(w, address, expected) assert_string_equal(find((w)->file, address), expected)

static void test_lines(void **state)
{
	struct world *w = *state;

	append(w, "7f0000001000 20 LazyCompile:*hot file.js:12:3\n"
		  "0x7f0000002000 0x10 with prefix\n"
		  "7f0000000000 8 first");
	assert_int_equal(read_map(w), 0);
	assert_jit(w, 0x7f0000001000, "LazyCompile:*hot file.js:12:3");
	assert_jit(w, 0x7f000000101f, "LazyCompile:*hot file.js:12:3");
	assert_jit(w, 0x7f0000001020, "nothing");
	assert_jit(w, 0x7f0000002008, "with prefix");
	/* Its line is not whole yet. */
	assert_jit(w, 0x7f0000000000, "nothing");
	append(w, " function\n");
	assert_int_equal(read_map(w), 0);
	assert_jit(w, 0x7f0000000000, "first function");
	assert_int_equal(read_map(w), 0);
	assert_int_equal(w->reader.bad, 0);
}

static void test_later_wins(void **state)
{
	struct world *w = *state;

	append(w, "1000 100 old\n1040 10 inside\n0ff0 20 over the start\n10f0 20 over the end\n");
	assert_int_equal(read_map(w), 0);
	assert_jit(w, 0x0ff0, "over the start");
	assert_jit(w, 0x100f, "over the start");
	assert_jit(w, 0x1010, "old");
	assert_jit(w, 0x1045, "inside");
	assert_jit(w, 0x1050, "old");
	assert_jit(w, 0x10ef, "old");
	assert_jit(w, 0x10f0, "over the end");
	append(w, "1000 100 new\n");
	assert_int_equal(read_map(w), 0);
	assert_jit(w, 0x0fff, "over the start");
	assert_jit(w, 0x1000, "new");
	assert_jit(w, 0x1045, "new");
	assert_jit(w, 0x10ff, "new");
	assert_jit(w, 0x1100, "over the end");
}

/* Against the plainest way to say the same: an array of which line covers each address last. */
static void test_against_model(void **state)
{
	enum { SPACE = 4096, LINES = 3000 };
	struct world *w = *state;
	static int model[SPACE];
	unsigned int seed = 1;
	char line[64];

	memset(model, -1, sizeof(model));
	for (int i = 0; i < LINES; i++) {
		unsigned int start, size;

		seed = seed * 1103515245 + 12345;
		start = (seed >> 8) % SPACE;
		seed = seed * 1103515245 + 12345;
		size = 1 + (seed >> 8) % (i % 7 ? 24 : 400);
		snprintf(line, sizeof(line), "%x %x f%d\n", start, size, i);
		append(w, line);
		for (unsigned int a = start; a < start + size && a < SPACE; a++)
			model[a] = i;
		if (i % 500 == 7)
			assert_int_equal(read_map(w), 0);
	}
	assert_int_equal(read_map(w), 0);
	for (unsigned int a = 0; a < SPACE; a++) {
		snprintf(line, sizeof(line), "f%d", model[a]);
		assert_jit(w, a, model[a] < 0 ? "nothing" : line);
	}
}

static void test_bad_lines(void **state)
{
	struct world *w = *state;

	append(w,
	       "\nxyz\n1000\n1000 10\n1000 10 \n1000 0 empty\n-1000 10 minus\n+1000 10 plus\n"
	       "ffffffffffffffff 10 wraps\n11112222333344445 10 long\n1000 g10 no\n 1000 1 blank\n"
	       "2000 10 good\n");
	assert_int_equal(read_map(w), 0);
	assert_int_equal(w->reader.bad, 12);
	assert_jit(w, 0x2000, "good");
}

/* A line without end is given up once, wherever the reads fall, and the next is found. */
static void test_endless_line(void **state)
{
	struct world *w = *state;
	char text[1001] = { 0 };

	append(w, "1000 10 before\n2000 10 ");
	memset(text, 'x', 1000);
	for (int i = 0; i < 200; i++) {
		append(w, text);
		if (i % 50 == 0)
			assert_int_equal(read_map(w), 0);
	}
	append(w, "\n3000 10 after\n");
	assert_int_equal(read_map(w), 0);
	assert_int_equal(w->reader.bad, 1);
	assert_jit(w, 0x1000, "before");
	assert_jit(w, 0x2000, "nothing");
	assert_jit(w, 0x3000, "after");
}

static void test_replaced(void **state)
{
	struct world *w = *state;
	int other = memfd_create("other", MFD_CLOEXEC);

	append(w, "1000 10 one\n2000 10 two\n");
	assert_int_equal(read_map(w), 0);
	/* Shorter than before. */
	assert_int_equal(ftruncate(w->fd, 0), 0);
	append(w, "1000 10 ONE\n");
	assert_int_equal(read_map(w), 0);
	assert_jit(w, 0x1000, "ONE");
	assert_jit(w, 0x2000, "nothing");
	/* Written anew and longer by the time it is seen. */
	assert_int_equal(ftruncate(w->fd, 0), 0);
	append(w, "5000 10 five\n6000 10 six\n");
	assert_int_equal(read_map(w), 0);
	assert_jit(w, 0x1000, "nothing");
	assert_jit(w, 0x5000, "five");
	/* Another file. */
	assert_int_equal(fd_write_full(other, "7000 10 seven\n", 14), 0);
	jit_file_read(w->file, other);
	assert_jit(w, 0x5000, "nothing");
	assert_jit(w, 0x7000, "seven");
	/* Emptied. */
	assert_int_equal(ftruncate(other, 0), 0);
	jit_file_read(w->file, other);
	assert_jit(w, 0x7000, "nothing");
	close(other);
}

static void test_limits(void **state)
{
	struct jit_reader bytes = { .max_memory = 32 << 20, .max_bytes = 1000 };
	struct jit_reader memory = { .max_memory = 100000 };
	struct jit_file *few = jit_file_new(&bytes), *small = jit_file_new(&memory);
	struct world *w = *state;
	char line[64];

	/* More than one answer has room for. */
	for (int i = 0; i < 3 * JIT_DEFAULT_CODES; i++) {
		snprintf(line, sizeof(line), "%x 10 f%d\n", 0x10000 + 32 * i, i);
		append(w, line);
	}
	for (int i = 0; i < 2; i++) { /* it is not read again */
		jit_file_read(few, w->fd);
		assert_int_equal(jit_file_error(few), -EFBIG);
		assert_int_equal(bytes.cut, 1);
		jit_file_read(small, w->fd);
		assert_int_equal(jit_file_error(small), -EFBIG);
		assert_int_equal(memory.cut, 1);
	}
	assert_string_equal(find(few, 0x10000), "f0");
	assert_string_equal(find(small, 0x10000), "f0");
	assert_string_equal(find(small, 0x10000 + 32 * (3 * JIT_DEFAULT_CODES - 1)), "nothing");
	assert_int_equal(read_map(w), 0);
	for (int i = 0; i < 3 * JIT_DEFAULT_CODES; i++) {
		snprintf(line, sizeof(line), "f%d", i);
		assert_jit(w, 0x10000 + 32 * (uint64_t)i, line);
	}
	jit_file_free(few);
	jit_file_free(small);
}

/* Whatever an answer has room for, the same lines. */
static void test_rounds(void **state)
{
	struct jit_limits limits = { .max_codes = 2, .max_bytes = 1 };
	uint32_t codes = 0, bad = 0, more = 1;
	struct world *w = *state;
	char text[100001];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	append(w, "1000 10 a\n2000 10 b\nbad\n3000 10 c\n4000 10 ");
	append(w, text);
	append(w, "\n5000 10 d\n6000 10 half");
	while (more) {
		struct jit_block *b;
		size_t size;

		assert_int_equal(perf_map_read(w->fd, &limits, &b, &size), 0);
		b->first_offset = limits.offset;
		assert_int_equal(jit_block_check(b, size, limits.offset), 0);
		assert_true(b->n_codes <= 2);
		codes += b->n_codes;
		bad += b->bad;
		limits.offset = b->next_offset;
		more = b->more;
		free(b);
	}
	assert_int_equal(codes, 4);
	assert_int_equal(bad, 2);
	assert_int_equal(limits.offset, lseek(w->fd, 0, SEEK_END) - (off_t)strlen("6000 10 half"));
}

static char proc[SCRATCH_SIZE];

static const char *in_proc(const char *path)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s/%s", proc, path);
	return full;
}

static void test_file(void **state)
{
	const char status[] = "Name:\tx\nTgid:\t4242\nNStgid:\t4242\t7\nNSpid:\t4242\t7\n";
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	uint64_t now;
	int fd;

	(void)state;
	assert_int_equal(scratch_make(proc), 0);
	assert_int_equal(perf_map_file_open(proc, 4242, 0), -ESRCH);
	image_write_file(in_proc("4242/status"), status, strlen(status));
	mkdir(in_proc("4242/root"), 0755);
	assert_int_equal(perf_map_file_open(proc, 4242, 0), -ENOENT);
	image_write_file(in_proc("4242/root/tmp/perf-4242.map"), "1 1 a\n", 6);
	assert_int_equal(perf_map_file_open(proc, 4242, 0), -ENOENT);
	image_write_file(in_proc("4242/root/tmp/perf-7.map"), "1 1 a\n", 6);
	fd = perf_map_file_open(proc, 4242, 0);
	assert_true(fd >= 0);
	close(fd);
	/* Written before the process began: left by another one. */
	now = clock_ns(CLOCK_BOOTTIME);
	fd = perf_map_file_open(proc, 4242, now);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(utimensat(AT_FDCWD, in_proc("4242/root/tmp/perf-7.map"), old, 0), 0);
	assert_int_equal(perf_map_file_open(proc, 4242, now), -EPERM);
	/* No links, no FIFOs. */
	unlink(in_proc("4242/root/tmp/perf-7.map"));
	assert_int_equal(symlink("perf-4242.map", in_proc("4242/root/tmp/perf-7.map")), 0);
	assert_int_equal(perf_map_file_open(proc, 4242, 0), -EPERM);
	unlink(in_proc("4242/root/tmp/perf-7.map"));
	assert_int_equal(mkfifo(in_proc("4242/root/tmp/perf-7.map"), 0644), 0);
	assert_int_equal(perf_map_file_open(proc, 4242, 0), -EPERM);
	unlink(in_proc("4242/root/tmp/perf-7.map"));
	/* A link on the way does not lead out of the process's root. */
	unlink(in_proc("4242/root/tmp/perf-4242.map"));
	rmdir(in_proc("4242/root/tmp"));
	image_write_file(in_proc("outside/perf-7.map"), "1 1 a\n", 6);
	assert_int_equal(symlink("../../outside", in_proc("4242/root/tmp")), 0);
	assert_int_equal(perf_map_file_open(proc, 4242, 0), -ENOENT);
	if (geteuid() == 0) { /* somebody else's */
		unlink(in_proc("4242/root/tmp"));
		image_write_file(in_proc("4242/root/tmp/perf-7.map"), "1 1 a\n", 6);
		assert_int_equal(chown(in_proc("4242/root/tmp/perf-7.map"), 12345, 12345), 0);
		assert_int_equal(perf_map_file_open(proc, 4242, 0), -EPERM);
	}
}

static int remove_files(void **state)
{
	(void)state;
	return scratch_remove(proc);
}

#define with_map(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_map(test_lines),
		with_map(test_later_wins),
		with_map(test_against_model),
		with_map(test_bad_lines),
		with_map(test_endless_line),
		with_map(test_replaced),
		with_map(test_limits),
		with_map(test_rounds),
		cmocka_unit_test_teardown(test_file, remove_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
