/* SPDX-License-Identifier: Apache-2.0 */
/* jitdump files, made by hand: their records, how they grow, and hostile ones. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "bytes.h"
#include "symbolize/jit_file.h"
#include "symbolize/jitdump.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

static void put_header(struct bytes *d)
{
	put(d, 0x4a695444, 4);
	put(d, 1, 4);
	put(d, 40, 4);
	put(d, MACHINE, 4);
	put(d, 0, 4);
	put(d, 1, 4); /* pid */
	put(d, 0, 8);
	put(d, 0, 8);
}

static size_t begin(struct bytes *d, uint32_t id)
{
	size_t at = d->n;

	put(d, id, 4);
	put(d, 0, 4);
	put(d, 1000, 8); /* time */
	return at;
}

static void end(struct bytes *d, size_t at)
{
	uint32_t size = (uint32_t)(d->n - at);

	patch(d, at + 4, size, 4);
}

static void put_load(struct bytes *d, const char *name, uint64_t address, uint64_t size,
		     uint64_t index)
{
	size_t at = begin(d, 0);

	put(d, 1, 4);
	put(d, 1, 4);
	put(d, address, 8);
	put(d, address, 8);
	put(d, size, 8);
	put(d, index, 8);
	put_text(d, name);
	for (uint64_t i = 0; i < size; i++)
		put(d, 0x90, 1);
	end(d, at);
}

static void put_move(struct bytes *d, uint64_t from, uint64_t to, uint64_t size, uint64_t index)
{
	size_t at = begin(d, 1);

	put(d, 1, 4);
	put(d, 1, 4);
	put(d, to, 8);
	put(d, from, 8);
	put(d, to, 8);
	put(d, size, 8);
	put(d, index, 8);
	end(d, at);
}

struct place {
	uint64_t address;
	uint32_t line, column;
	const char *file; /* NULL ends the list */
};

static void put_lines(struct bytes *d, uint64_t address, const struct place *places)
{
	size_t at = begin(d, 2), count;
	uint64_t n = 0;

	put(d, address, 8);
	count = d->n;
	put(d, 0, 8);
	for (; places->file; places++, n++) {
		put(d, places->address, 8);
		put(d, places->line, 4);
		put(d, places->column, 4);
		put_text(d, places->file);
	}
	memcpy(d->at + count, &n, 8);
	end(d, at);
}

struct world {
	struct bytes dump;
	int fd;
	struct jit_reader reader;
	struct jit_file *file;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	*state = w;
	w->fd = memfd_create("jit", MFD_CLOEXEC);
	w->reader = (struct jit_reader){ .format = JIT_JITDUMP, .max_memory = 1 << 20 };
	w->file = jit_file_new(&w->reader);
	return w->fd < 0 || !w->file ? -1 : 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	jit_file_free(w->file);
	assert_int_equal(w->reader.memory, 0);
	close(w->fd);
	free(w);
	return 0;
}

/* Appends what the dump has more than the file, up to @size. */
static void write_until(struct world *w, size_t size)
{
	off_t at = lseek(w->fd, 0, SEEK_END);

	assert_true(at >= 0 && (size_t)at <= size && size <= w->dump.n);
	assert_int_equal(fd_write_full(w->fd, w->dump.at + at, size - (size_t)at), 0);
}

static int read_all(struct world *w)
{
	write_until(w, w->dump.n);
	jit_file_read(w->file, w->fd);
	return jit_file_error(w->file);
}

static void assert_name(const struct world *w, uint64_t address, const char *name)
{
	struct jit_symbol s;

	if (!jit_file_find(w->file, address, &s)) {
		assert_null(name);
		return;
	}
	assert_string_equal(s.name, name ? name : "(none)");
}

static void assert_place(const struct world *w, uint64_t address, const char *file, uint32_t line,
			 uint32_t column)
{
	struct jit_symbol s;

	assert_true(jit_file_find(w->file, address, &s));
	if (!file) {
		assert_null(s.file);
		return;
	}
	assert_non_null(s.file);
	assert_string_equal(s.file, file);
	assert_int_equal(s.line, line);
	assert_int_equal(s.column, column);
}

static void test_load(void **state)
{
	struct world *w = *state;

	put_header(&w->dump);
	put_load(&w->dump, "f", 0x1000, 0x100, 1);
	put_load(&w->dump, "empty", 0x1800, 0, 2); /* is allowed */
	put_load(&w->dump, "g", 0x2000, 0x10, 3);
	end(&w->dump, begin(&w->dump, 4)); /* unwinding information */
	end(&w->dump, begin(&w->dump, 3)); /* close */
	end(&w->dump, begin(&w->dump, 77));
	assert_int_equal(read_all(w), 0);
	assert_int_equal(w->reader.bad, 0);
	assert_name(w, 0xfff, NULL);
	assert_name(w, 0x1000, "f");
	assert_name(w, 0x10ff, "f");
	assert_name(w, 0x1100, NULL);
	assert_name(w, 0x1800, NULL);
	assert_name(w, 0x200f, "g");
	assert_place(w, 0x1000, NULL, 0, 0);
}

/* Code that was made anew where other code was. */
static void test_replaced(void **state)
{
	struct world *w = *state;

	put_header(&w->dump);
	put_load(&w->dump, "old", 0x1000, 0x100, 1);
	put_load(&w->dump, "new", 0x1040, 0x40, 2);
	assert_int_equal(read_all(w), 0);
	assert_name(w, 0x103f, "old");
	assert_name(w, 0x1040, "new");
	assert_name(w, 0x1080, "old");
	put_load(&w->dump, "newest", 0x1000, 0x50, 3);
	assert_int_equal(read_all(w), 0);
	assert_name(w, 0x1000, "newest");
	assert_name(w, 0x1050, "new");
}

static void test_move(void **state)
{
	static const struct place lines[] = { { 0x1000, 7, 1, "a.js" }, {} };
	struct world *w = *state;

	put_header(&w->dump);
	put_lines(&w->dump, 0x1000, lines);
	put_load(&w->dump, "f", 0x1000, 0x100, 1);
	put_move(&w->dump, 0x1000, 0x5000, 0x100, 1);
	put_move(&w->dump, 0x9000, 0xa000, 0x100, 99); /* nobody told of it */
	assert_int_equal(read_all(w), 0);
	assert_name(w, 0x5000, "f");
	assert_place(w, 0x50ff, "a.js", 7, 1);
	assert_name(w, 0xa000, NULL);
	/* And on, in another part of the file; something else takes its place. */
	put_move(&w->dump, 0x5000, 0x6000, 0x100, 1);
	put_load(&w->dump, "g", 0x5000, 0x100, 2);
	assert_int_equal(read_all(w), 0);
	assert_name(w, 0x6000, "f");
	assert_name(w, 0x5000, "g");
}

/* Names of files that are none: V8 may write what it has given back to its allocator. */
static void test_lines_of_garbage(void **state)
{
	static const struct place lines[] = { { 0x1000, 10, 5, "a.js" },
					      { 0x1008, 11, 5, "\x99\r" },
					      { 0x1010, 12, 5, "\xf1M\x80" },
					      {} };
	struct world *w = *state;

	put_header(&w->dump);
	put_lines(&w->dump, 0x1000, lines);
	put_load(&w->dump, "f", 0x1000, 0x100, 1);
	assert_int_equal(read_all(w), 0);
	assert_int_equal(w->reader.bad, 2);
	assert_place(w, 0x1018, "a.js", 10, 5);
}

static void test_lines(void **state)
{
	static const struct place f[] = {
		{ 0x1020, 12, 3, "/src/b.js" }, /* not in order */
		{ 0x1000, 10, 5, "/src/a.js" },
		{ 0x1010, 11, 0, "\xff" }, /* the same file */
		{},
	};
	static const struct place g[] = { { 0x2040, 1, 1, "v8.js" },
					  { 0x2048, 2, 1, "v8.js" },
					  {} };
	struct world *w = *state;

	put_header(&w->dump);
	put_lines(&w->dump, 0x1000, f);
	end(&w->dump, begin(&w->dump, 4)); /* V8 puts it between */
	put_load(&w->dump, "f", 0x1000, 0x100, 1);
	put_lines(&w->dump, 0x2000, g);
	put_load(&w->dump, "g", 0x2000, 0x100, 2);
	put_lines(&w->dump, 0x3000, f);
	put_load(&w->dump, "other", 0x4000, 0x100, 3); /* they are not about this one */
	assert_int_equal(read_all(w), 0);
	assert_place(w, 0x1000, "/src/a.js", 10, 5);
	assert_place(w, 0x100f, "/src/a.js", 10, 5);
	assert_place(w, 0x1010, "/src/a.js", 11, 0);
	assert_place(w, 0x10ff, "/src/b.js", 12, 3);
	assert_place(w, 0x2000, "v8.js", 1, 1); /* from where perf would put it */
	assert_place(w, 0x2008, "v8.js", 2, 1);
	assert_place(w, 0x4000, NULL, 0, 0);
}

/* Whatever part of it is there when it is read: the same in the end. */
static void test_grows(void **state)
{
	static const struct place lines[] = { { 0x2000, 5, 1, "a.js" }, {} };
	struct world *w = *state;

	put_header(&w->dump);
	put_load(&w->dump, "f", 0x1000, 0x20, 1);
	put_lines(&w->dump, 0x2000, lines);
	put_load(&w->dump, "g", 0x2000, 0x20, 2);
	for (size_t i = 0; i <= w->dump.n; i++) {
		write_until(w, i);
		jit_file_read(w->file, w->fd);
		assert_int_equal(jit_file_error(w->file), 0);
	}
	assert_int_equal(w->reader.bad, 0);
	assert_name(w, 0x1000, "f");
	assert_name(w, 0x2000, "g");
	assert_place(w, 0x2010, "a.js", 5, 1);
}

static void test_written_anew(void **state)
{
	struct world *w = *state;

	put_header(&w->dump);
	put_load(&w->dump, "f", 0x1000, 0x20, 1);
	put_load(&w->dump, "f2", 0x2000, 0x20, 1);
	assert_int_equal(read_all(w), 0);
	assert_int_equal(ftruncate(w->fd, 0), 0);
	w->dump.n = 0;
	put_header(&w->dump);
	put_load(&w->dump, "h", 0x1000, 0x20, 1);
	assert_int_equal(read_all(w), 0);
	assert_name(w, 0x1000, "h");
	assert_name(w, 0x2000, NULL);
	/* Longer by the time it is seen. */
	assert_int_equal(ftruncate(w->fd, 0), 0);
	w->dump.n = 0;
	put_header(&w->dump);
	put_load(&w->dump, "i", 0x2000, 0x20, 1);
	put_load(&w->dump, "i2", 0x3000, 0x20, 2);
	assert_int_equal(read_all(w), 0);
	assert_name(w, 0x1000, NULL);
	assert_name(w, 0x2000, "i");
	assert_name(w, 0x3000, "i2");
}

static int read_bytes(const void *bytes, size_t size)
{
	_cleanup_close_ int fd = memfd_create("jit", MFD_CLOEXEC);
	const struct jit_limits limits = {};
	struct jit_block *b;
	size_t n;
	int r;

	assert_int_equal(fd_write_full(fd, bytes, size), 0);
	r = jitdump_read(fd, &limits, &b, &n);
	if (r < 0)
		return r;
	assert_int_equal(jit_block_check(b, n, 0), 0);
	free(b);
	return 0;
}

static void test_refused(void **state)
{
	struct bytes d = {};

	(void)state;
	put_header(&d);
	assert_int_equal(read_bytes(d.at, d.n), 0);
	assert_int_equal(read_bytes(d.at, d.n - 1), -ENODATA);
	d.at[0] ^= 1;
	assert_int_equal(read_bytes(d.at, d.n), -EBADMSG);
	memcpy(d.at, "JiTD", 4); /* the other byte order */
	assert_int_equal(read_bytes(d.at, d.n), -ENOTSUP);
	d.n = 0;
	put_header(&d);
	d.at[4] = 2; /* version */
	assert_int_equal(read_bytes(d.at, d.n), -ENOTSUP);
	d.at[4] = 1;
	d.at[12] ^= 0xff; /* machine */
	assert_int_equal(read_bytes(d.at, d.n), -ENOTSUP);
	d.at[12] ^= 0xff;
	d.at[8] = 39; /* size of the header */
	assert_int_equal(read_bytes(d.at, d.n), -EBADMSG);
}

/* Records that make no sense are counted, and what follows is read. */
static void test_bad_records(void **state)
{
	struct world *w = *state;
	size_t at, code_size;
	uint64_t huge = 1ULL << 40;

	put_header(&w->dump);
	end(&w->dump, begin(&w->dump, 0)); /* a load with nothing in it */
	end(&w->dump, begin(&w->dump, 1));
	end(&w->dump, begin(&w->dump, 2));
	put_load(&w->dump, "", 0x7000, 0x10, 1);
	code_size = w->dump.n + 16 + 8 + 16;
	put_load(&w->dump, "beyond", 0x8000, 0x10, 1);
	memcpy(w->dump.at + code_size, &huge, 8);
	put_load(&w->dump, "wraps", UINT64_MAX - 4, 0x10, 1);
	put_load(&w->dump, "good", 0x1000, 0x10, 1);
	assert_int_equal(read_all(w), 0);
	assert_int_equal(w->reader.bad, 6);
	assert_name(w, 0x1000, "good");
	assert_name(w, 0x8000, NULL);
	assert_name(w, UINT64_MAX - 4, NULL);
	/* One without a size: nobody knows where the next begins. */
	at = begin(&w->dump, 0);
	(void)at;
	put_load(&w->dump, "lost", 0x2000, 0x10, 2);
	assert_int_equal(read_all(w), -EBADMSG);
	assert_int_equal(w->reader.bad, 7);
	put_load(&w->dump, "more", 0x3000, 0x10, 3);
	assert_int_equal(read_all(w), -EBADMSG);
	assert_int_equal(w->reader.bad, 7); /* it was not read again */
	assert_int_equal(w->reader.failed, 1);
	assert_name(w, 0x2000, NULL);
	assert_name(w, 0x1000, "good");
}

/* Reads all in answers of at most two codes; returns how many answers it took. */
static uint32_t read_in_rounds(int fd, uint32_t max_lines, uint64_t end)
{
	struct jit_limits limits = { .max_codes = 2, .max_lines = max_lines };
	uint32_t codes = 0, rounds = 0, more = 1;

	while (more) {
		struct jit_block *b;
		size_t size;

		assert_int_equal(jitdump_read(fd, &limits, &b, &size), 0);
		assert_int_equal(jit_block_check(b, size, limits.offset), 0);
		assert_true(b->n_codes <= 2);
		assert_true(b->n_lines <= max_lines);
		assert_int_equal(b->bad, 0);
		if (b->n_codes > 0)
			assert_int_equal(b->codes[0].n_lines, 2);
		codes += b->n_codes;
		limits.offset = b->next_offset;
		more = b->more;
		rounds++;
		free(b);
	}
	assert_int_equal(codes, 7);
	assert_int_equal(limits.offset, end);
	return rounds;
}

/* More than an answer may have comes in several. */
static void test_limits(void **state)
{
	static const struct place lines[] = { { 0x1000, 5, 1, "a.js" },
					      { 0x1008, 6, 1, "a.js" },
					      {} };
	struct world *w = *state;

	put_header(&w->dump);
	for (uint64_t i = 0; i < 7; i++) {
		put_lines(&w->dump, 0x1000, lines);
		put_load(&w->dump, "f", 0x1000, 0x10, i);
	}
	write_until(w, w->dump.n);
	assert_int_equal(read_in_rounds(w->fd, 100, w->dump.n), 4);
	/* There is room for the lines of one. */
	assert_int_equal(read_in_rounds(w->fd, 3, w->dump.n), 7);
}

static void test_full(void **state)
{
	struct world *w = *state;
	char name[2000];

	jit_file_free(w->file);
	w->reader.max_memory = 3000;
	w->file = jit_file_new(&w->reader);
	put_header(&w->dump);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	put_load(&w->dump, name, 0x1000, 0x10, 1);
	assert_int_equal(read_all(w), 0);
	put_load(&w->dump, "late", 0x2000, 0x10, 2);
	assert_int_equal(read_all(w), -EFBIG);
	assert_name(w, 0x1000, name);
	assert_name(w, 0x2000, NULL);
	put_load(&w->dump, "later", 0x3000, 0x10, 3);
	assert_int_equal(read_all(w), -EFBIG);
	assert_int_equal(w->reader.cut, 1); /* it is not tried again */
	assert_name(w, 0x3000, NULL);
}

/* Any byte of an answer changed: it is refused, or what it says can be added and looked up. */
static void test_damaged_answer(void **state)
{
	static const struct place lines[] = { { 0x1000, 5, 1, "a.js" }, {} };
	const struct jit_limits limits = {};
	struct world *w = *state;
	struct jit_block *b;
	size_t size;

	put_header(&w->dump);
	put_lines(&w->dump, 0x1000, lines);
	put_load(&w->dump, "f", 0x1000, 0x10, 1);
	put_move(&w->dump, 0x1000, 0x2000, 0x10, 1);
	write_until(w, w->dump.n);
	assert_int_equal(jitdump_read(w->fd, &limits, &b, &size), 0);
	for (size_t i = 0; i < size; i++) {
		struct jit_code *c = jit_code_new(1 << 20);
		struct jit_symbol s;

		((uint8_t *)b)[i] ^= 0xff;
		if (jit_block_check(b, size, 0) == 0 && jit_code_add(c, b) == 0)
			for (uint64_t a = 0xfff; a < 0x2011; a += 7)
				jit_code_find(c, a, &s);
		((uint8_t *)b)[i] ^= 0xff;
		jit_code_free(c);
	}
	assert_int_equal(jit_block_check(b, size, 0), 0);
	assert_int_equal(jit_block_check(b, size - 1, 0), -EBADMSG);
	/* It may begin anew, but not elsewhere. */
	assert_int_equal(jit_block_check(b, size, b->next_offset), 0);
	b->first_offset = 1;
	assert_int_equal(jit_block_check(b, size, 0), -EBADMSG);
	assert_int_equal(jit_block_check(b, size, 1), 0);
	b->first_offset = b->next_offset + 1;
	assert_int_equal(jit_block_check(b, size, b->first_offset), -EBADMSG);
	free(b);
}

#define with_world(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(test_load),
		with_world(test_replaced),
		with_world(test_move),
		with_world(test_lines),
		with_world(test_lines_of_garbage),
		with_world(test_grows),
		with_world(test_written_anew),
		cmocka_unit_test(test_refused),
		with_world(test_bad_records),
		with_world(test_limits),
		with_world(test_full),
		with_world(test_damaged_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
