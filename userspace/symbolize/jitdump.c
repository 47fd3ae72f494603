/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jitdump.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "elf/eh_frame_cursor.h"
#include "symbolize/jit_builder.h"

#define FILE_MAGIC 0x4a695444u /* "JiTD", in the byte order of who wrote it */
#define VERSION	   1

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

#define MAX_RECORDS (1U << 20) /* looked at for one answer */

#define FILE_HEADER   40
#define RECORD_HEADER 16
#define LOAD_SIZE     (RECORD_HEADER + 40) /* the name follows */
#define MOVE_SIZE     (RECORD_HEADER + 48)
#define DEBUG_SIZE    (RECORD_HEADER + 16) /* the lines follow */

/*
 * V8 counts lines from where the code is in the ELF file that perf makes of it, behind a header of
 * so many bytes; others count from the code. Nobody leaves so much without a line in front.
 */
#define V8_SKEW 0x40

enum record { CODE_LOAD, CODE_MOVE, CODE_DEBUG_INFO, CODE_CLOSE, CODE_UNWINDING_INFO };

#define CHUNK ((size_t)64 << 10)

/* The file, a chunk at a time. */
struct reader {
	int fd;
	uint64_t size; /* when it was opened */
	uint64_t start;
	size_t n;
	uint64_t n_read; /* bytes, of the file and again */
	int error;
	uint8_t chunk[CHUNK];
};

struct parser {
	struct reader *reader;
	struct jit_limits limits;
	struct jit_builder answer;
	/* Lines that were read and wait for their code. */
	bool pending;
	uint64_t pending_offset, pending_address;
	uint32_t pending_first; /* of the lines */
	uint32_t pending_bad;	/* what bad was before them */
};

/* @size bytes of the file at @offset, @size <= CHUNK; an empty cursor that is bad on error. */
static struct cursor bytes_at(struct reader *r, uint64_t offset, size_t size)
{
	struct cursor c = { .at = r->chunk, .end = r->chunk, .bad = true };
	size_t n = 0;

	if (offset < r->start || offset - r->start > r->n || size > r->n - (offset - r->start)) {
		while (n < CHUNK) {
			ssize_t got = pread(r->fd, r->chunk + n, CHUNK - n, (off_t)(offset + n));

			if (got < 0)
				r->error = -errno;
			if (got <= 0)
				break;
			n += (size_t)got;
		}
		r->start = offset;
		r->n = n;
		r->n_read += CHUNK;
	}
	if (size > r->n - (offset - r->start))
		return c;
	return cursor_of(r->chunk + (offset - r->start), size);
}

/* The text that begins at the cursor, up to its NUL, or to the cursor's end which is then bad. */
static const uint8_t *take_text(struct cursor *c, size_t *ret_size)
{
	const uint8_t *text = c->at, *end = memchr(text, 0, cursor_left(c));

	*ret_size = end ? (size_t)(end - text) : cursor_left(c);
	cursor_skip(c, *ret_size + 1);
	return text;
}

static void drop_pending(struct parser *p)
{
	if (p->pending)
		p->answer.n_lines = p->pending_first;
	p->pending = false;
}

static int add_code(struct parser *p, const struct jit_block_code *code)
{
	if (code->size == 0)
		return 0; /* functions without native code are allowed */
	if (code->size > UINT64_MAX - code->address || code->size > UINT32_MAX) {
		p->answer.bad++;
		return 0;
	}
	return jit_builder_add_code(&p->answer, code);
}

static int compare_lines(const void *a, const void *b)
{
	const struct jit_block_line *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The lines that were waiting for it, in order and from its start. */
static void take_pending(struct parser *p, struct jit_block_code *code)
{
	uint32_t n = p->pending ? p->answer.n_lines - p->pending_first : 0;
	struct jit_block_line *lines;

	if (n == 0 || p->pending_address != code->address) {
		drop_pending(p);
		return;
	}
	p->pending = false;
	lines = p->answer.lines + p->pending_first;
	qsort(lines, n, sizeof(*lines), compare_lines);
	if (lines[0].offset >= V8_SKEW)
		for (uint32_t i = 0; i < n; i++)
			lines[i].offset -= V8_SKEW;
	code->first_line = p->pending_first;
	code->n_lines = n;
}

static int read_load(struct parser *p, uint64_t offset, uint32_t size)
{
	/* Behind the name is the code, which we leave where it is. */
	size_t wanted = MIN(size, (uint32_t)(LOAD_SIZE + JIT_TEXT_MAX + 1));
	struct cursor c = bytes_at(p->reader, offset, wanted);
	struct jit_block_code code = {};
	const uint8_t *name;
	size_t name_size;
	int64_t at;

	cursor_skip(&c, RECORD_HEADER + 4 + 4 + 8); /* pid, tid, vma */
	code.address = cursor_u64(&c);
	code.size = cursor_u64(&c);
	code.index = cursor_u64(&c);
	if (c.bad || code.size > size - LOAD_SIZE) {
		drop_pending(p);
		p->answer.bad++;
		return 0;
	}
	name = take_text(&c, &name_size); /* without a NUL it is cut */
	at = jit_builder_text(&p->answer, name, name_size);
	if (at < 0)
		return (int)at;
	code.name = (uint32_t)at;
	if (code.name == 0) {
		drop_pending(p);
		p->answer.bad++;
		return 0;
	}
	take_pending(p, &code);
	return add_code(p, &code);
}

static int read_move(struct parser *p, uint64_t offset)
{
	struct cursor c = bytes_at(p->reader, offset, MOVE_SIZE);
	struct jit_block_code code = {};

	cursor_skip(&c, RECORD_HEADER + 4 + 4 + 8 + 8); /* pid, tid, vma, where it was */
	code.address = cursor_u64(&c);
	code.size = cursor_u64(&c);
	code.index = cursor_u64(&c);
	p->answer.bad += c.bad;
	return c.bad ? 0 : add_code(p, &code);
}

/* UTF-8 without control characters; or as the one before. */
static bool is_file_name(const uint8_t *text, size_t size)
{
	char clean[JIT_TEXT_MAX + 1];

	if (size == 1 && text[0] == 0xff)
		return true;
	if (size > JIT_TEXT_MAX)
		return false;
	return utf8_clean(clean, sizeof(clean), (const char *)text, size) == size &&
	       memcmp(clean, text, size) == 0;
}

/* One line, 1 if it is cut; the files of lines repeat, which some write as "\xff". */
static int read_line(struct parser *p, struct cursor *c, uint32_t *file)
{
	uint64_t address = cursor_u64(c);
	struct jit_block_line line = { .line = cursor_u32(c), .column = cursor_u32(c) };
	size_t size;
	const uint8_t *text = take_text(c, &size);
	uint64_t distance = address - p->pending_address;
	int64_t at = *file;

	if (c->bad)
		return 1;
	/*
	 * V8 has a few such lines, of code that it puts together of others. And up to Node.js 20 it
	 * may write names of files that it has given back to its allocator.
	 */
	if (distance > INT_MAX || !is_file_name(text, size)) {
		p->answer.bad++;
		return 0;
	}
	if (size != 1 || text[0] != 0xff)
		at = jit_builder_text(&p->answer, text, size);
	if (at < 0)
		return (int)at;
	*file = line.file = (uint32_t)at;
	line.offset = (uint32_t)distance;
	if (p->answer.n_lines == p->limits.max_lines)
		return 1;
	return jit_builder_add_line(&p->answer, &line);
}

/* Lines come before their code. Of more than fits into a chunk the first are taken. */
static int read_debug_info(struct parser *p, uint64_t offset, uint32_t size)
{
	struct cursor c = bytes_at(p->reader, offset, MIN(size, (uint32_t)CHUNK));
	uint64_t n;
	uint32_t file = 0;
	int r = 0;

	drop_pending(p);
	cursor_skip(&c, RECORD_HEADER);
	p->pending_address = cursor_u64(&c);
	n = cursor_u64(&c);
	p->pending = true;
	p->pending_offset = offset;
	p->pending_first = p->answer.n_lines;
	p->pending_bad = p->answer.bad;
	for (uint64_t i = 0; r == 0 && !c.bad && i < n; i++)
		r = read_line(p, &c, &file);
	p->answer.bad += r == 1;
	return MIN(r, 0);
}

/* What is in a record that is there as a whole. */
static int read_record(struct parser *p, uint64_t offset, uint32_t id, uint32_t size)
{
	static const uint32_t smallest[] = { LOAD_SIZE, MOVE_SIZE, DEBUG_SIZE };

	if (id < ARRAY_SIZE(smallest) && size < smallest[id]) {
		p->answer.bad++;
		return 0;
	}
	switch (id) {
	case CODE_LOAD:
		return read_load(p, offset, size);
	case CODE_MOVE:
		return read_move(p, offset);
	case CODE_DEBUG_INFO:
		return read_debug_info(p, offset, size);
	default:
		return 0; /* of no interest, or of a later version */
	}
}

/* Whether the answer has no room for one more record, whatever is in it. */
static bool is_full(const struct parser *p)
{
	return p->answer.n_codes > 0 && (p->answer.n_codes >= p->limits.max_codes ||
					 p->answer.n_lines >= p->limits.max_lines ||
					 p->answer.text_size > JIT_BLOCK_MAX_STRINGS - 2 * CHUNK);
}

static void rewind_to_pending(struct parser *p, uint64_t *offset)
{
	*offset = p->pending_offset;
	p->answer.bad = p->pending_bad;
}

/*
 * Goes from record to record. 0 at the end, 1 if a limit was reached; *@offset is then the first
 * that was not read. Lines without their code are read again with it.
 */
static int read_records(struct parser *p, uint64_t *offset)
{
	uint32_t left = MAX_RECORDS;
	bool full = false, tired = false;

	for (; !full && !tired;
	     full = is_full(p), tired = --left == 0 || p->reader->n_read >= p->limits.max_bytes) {
		struct cursor c = bytes_at(p->reader, *offset, RECORD_HEADER);
		uint32_t id = cursor_u32(&c), size = cursor_u32(&c);
		int r;

		if (c.bad)
			break;
		if (size < RECORD_HEADER) {
			p->answer.bad++;
			*offset = JIT_LOST;
			return 0;
		}
		if (*offset > p->reader->size || size > p->reader->size - *offset)
			break;
		r = read_record(p, *offset, id, size);
		if (r < 0)
			return r;
		*offset += size;
	}
	/* Not if that would be where we have begun, and nothing to wait for. */
	if (p->pending && (!tired || p->pending_offset > p->limits.offset))
		rewind_to_pending(p, offset);
	drop_pending(p);
	return full || tired;
}

static int read_header(struct reader *r, uint64_t *ret_offset)
{
	struct cursor c = bytes_at(r, 0, FILE_HEADER);
	uint32_t magic = cursor_u32(&c), version = cursor_u32(&c);
	uint32_t size = cursor_u32(&c), machine = cursor_u32(&c);

	if (c.bad)
		return r->error ? r->error : -ENODATA;
	if (magic != FILE_MAGIC)
		return magic == __builtin_bswap32(FILE_MAGIC) ? -ENOTSUP : -EBADMSG;
	if (version != VERSION || machine != MACHINE)
		return -ENOTSUP;
	if (size < FILE_HEADER || size > CHUNK)
		return -EBADMSG;
	*ret_offset = size;
	return 0;
}

static void parser_done(struct parser *p)
{
	jit_builder_done(&p->answer);
	free(p->reader);
}

static int parser_init(struct parser *p, int fd, const struct jit_limits *limits)
{
	struct stat st;

	p->limits = jit_limits_complete(limits);
	p->reader = malloc(sizeof(*p->reader));
	if (!p->reader || jit_builder_init(&p->answer) < 0)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	p->reader->fd = fd;
	p->reader->size = (uint64_t)MAX(st.st_size, 0);
	p->reader->start = p->reader->n = p->reader->n_read = 0;
	p->reader->error = 0;
	return 0;
}

int jitdump_read(int fd, const struct jit_limits *limits, struct jit_block **ret, size_t *ret_size)
{
	_cleanup_(parser_done)
	struct parser p = {};
	uint64_t offset = limits->offset;
	int r = parser_init(&p, fd, limits);

	if (r == 0 && offset == 0)
		r = read_header(p.reader, &offset);
	if (r == 0)
		r = read_records(&p, &offset);
	if (r >= 0 && p.reader->error)
		r = p.reader->error;
	return r < 0 ? r : jit_builder_make(&p.answer, offset, r == 1, ret, ret_size);
}
