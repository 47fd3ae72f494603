/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/perf_map.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "base/intern.h"
#include "symbolize/ranges.h"

#define CHUNK	  ((size_t)64 << 10)
#define MARK_SIZE 64
#define BATCH	  65536 /* lines that are put in order at a time */

struct perf_map {
	struct perf_map_limits limits;
	struct ranges entries; /* values are interned names */
	struct intern *names;
	uint64_t bad_lines;
	bool full;     /* a limit was reached: nothing more is read of this file */
	bool skipping; /* inside a line that is too long */
	/* Where reading goes on, and how the file is known again. */
	dev_t device;
	ino_t inode;
	uint64_t offset;
	uint32_t mark; /* hash of the MARK_SIZE bytes before offset */
};

struct perf_map *perf_map_new(const struct perf_map_limits *limits)
{
	struct perf_map *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	if (limits)
		m->limits = *limits;
	if (m->limits.max_bytes == 0)
		m->limits.max_bytes = (uint64_t)64 << 20;
	if (m->limits.max_memory == 0)
		m->limits.max_memory = (size_t)32 << 20;
	m->names = intern_new();
	return m->names ? m : perf_map_free(m);
}

struct perf_map *perf_map_free(struct perf_map *m)
{
	if (!m)
		return NULL;
	ranges_done(&m->entries);
	intern_free(m->names);
	free(m);
	return NULL;
}

/* Lines that were read and are not in the table yet. */
struct batch {
	struct range *lines;
	uint32_t n;
};

static void batch_done(struct batch *b)
{
	free(b->lines);
}

static int flush(struct perf_map *m, struct batch *b)
{
	int r = ranges_add(&m->entries, b->lines, b->n);

	if (r < 0)
		return r;
	b->n = 0;
	return perf_map_memory(m) > m->limits.max_memory ? -EFBIG : 0;
}

/* strtoull() alone would take signs and blanks. */
static bool parse_hex(char **p, uint64_t *ret)
{
	char *end;

	if (!isxdigit((unsigned char)**p))
		return false;
	errno = 0;
	*ret = strtoull(*p, &end, 16);
	if (errno || *end != ' ')
		return false;
	*p = end + strspn(end, " ");
	return true;
}

static int add_line(struct perf_map *m, struct batch *b, char *line)
{
	uint64_t start, size;

	if (!parse_hex(&line, &start) || !parse_hex(&line, &size) || *line == '\0' || size == 0 ||
	    size > UINT64_MAX - start) {
		m->bad_lines++;
		return 0;
	}
	b->lines[b->n] = (struct range){
		.start = start,
		.end = start + size,
		.value = intern_string(m->names, line),
	};
	if (b->lines[b->n].value == 0)
		return -ENOMEM;
	b->n++;
	return b->n < BATCH ? 0 : flush(m, b);
}

/* Takes the whole lines of @text; returns how many bytes that were, or -errno. */
static ssize_t add_lines(struct perf_map *m, struct batch *b, char *text, size_t size)
{
	size_t used = 0;
	char *end;
	int r;

	while ((end = memchr(text + used, '\n', size - used))) {
		char *line = text + used;

		*end = '\0';
		used = (size_t)(end - text) + 1;
		if (m->skipping || end - line > PERF_MAP_LINE_MAX) {
			m->bad_lines += !m->skipping;
			m->skipping = false;
			continue;
		}
		r = add_line(m, b, line);
		if (r < 0)
			return r;
	}
	if (size - used > PERF_MAP_LINE_MAX) {
		m->bad_lines += !m->skipping;
		m->skipping = true;
		used = size;
	}
	return (ssize_t)used;
}

/* Of what was read before, the end tells whether it is still the same text. */
static int mark_at(int fd, uint64_t offset, uint32_t *ret)
{
	char bytes[MARK_SIZE];
	size_t size = (size_t)MIN(offset, (uint64_t)MARK_SIZE);
	int r = fd_pread_full(fd, bytes, size, offset - size);

	if (r == 0)
		*ret = hash_bytes(bytes, size);
	return r;
}

static bool is_continued(const struct perf_map *m, int fd, const struct stat *st)
{
	uint32_t mark;

	return m->device == st->st_dev && m->inode == st->st_ino &&
	       m->offset <= (uint64_t)st->st_size && mark_at(fd, m->offset, &mark) == 0 &&
	       mark == m->mark;
}

static int start_over(struct perf_map *m, const struct stat *st)
{
	struct intern *names = intern_new();

	if (!names)
		return -ENOMEM;
	intern_free(m->names);
	m->names = names;
	ranges_done(&m->entries);
	m->full = m->skipping = false;
	m->offset = 0;
	m->device = st->st_dev;
	m->inode = st->st_ino;
	return 0;
}

static int read_on(struct perf_map *m, int fd)
{
	_cleanup_(batch_done)
	struct batch b = {};
	_cleanup_free_ char *text = malloc(CHUNK + 1);
	ssize_t n = 0, used;

	b.lines = calloc(BATCH, sizeof(*b.lines));
	if (!b.lines || !text)
		return -ENOMEM;
	for (;;) {
		if (m->offset >= m->limits.max_bytes)
			return flush(m, &b) < 0 ? -ENOMEM : -EFBIG;
		n = pread(fd, text, CHUNK, (off_t)m->offset);
		if (n < 0)
			return -errno;
		used = add_lines(m, &b, text, (size_t)n);
		if (used < 0)
			return (int)used;
		if (used == 0)
			return flush(m, &b);
		m->offset += (uint64_t)used;
	}
}

int perf_map_read(struct perf_map *m, int fd)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!is_continued(m, fd, &st)) {
		r = start_over(m, &st);
		if (r < 0)
			return r;
	}
	if (m->full || (uint64_t)st.st_size == m->offset)
		return 0;
	r = read_on(m, fd);
	m->full = r == -EFBIG;
	/* After another error the next call begins anew. */
	if ((r < 0 && r != -EFBIG) || mark_at(fd, m->offset, &m->mark) < 0)
		m->inode = 0;
	return r < 0 ? r : 1;
}

const char *perf_map_find(const struct perf_map *m, uint64_t address)
{
	const struct range *r = ranges_find(&m->entries, address);

	return r ? intern_get(m->names, r->value, NULL) : NULL;
}

uint32_t perf_map_count(const struct perf_map *m)
{
	return m->entries.n;
}

uint64_t perf_map_bad_lines(const struct perf_map *m)
{
	return m->bad_lines;
}

size_t perf_map_memory(const struct perf_map *m)
{
	return sizeof(*m) + m->entries.n * sizeof(*m->entries.list) + intern_memory(m->names);
}
