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

#define CHUNK	  ((size_t)64 << 10)
#define MARK_SIZE 64
#define BATCH	  65536 /* lines that are put in order at a time */
#define RUN	  16	/* lines that are put in order without allocating */

struct entry {
	uint64_t start, end;
	uint32_t name; /* interned */
};

/* Entries by rising address, not overlapping. */
struct entries {
	struct entry *list;
	uint32_t n;
};

struct perf_map {
	struct perf_map_limits limits;
	struct entries entries;
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
	free(m->entries.list);
	intern_free(m->names);
	free(m);
	return NULL;
}

/* Appends what of @old lies in [from, to); @i is the first that may. */
static uint32_t copy_visible(const struct entry *old, uint32_t n_old, uint32_t *i, uint64_t from,
			     uint64_t to, struct entry *out, uint32_t n)
{
	for (; *i < n_old && old[*i].start < to; (*i)++) {
		struct entry e = old[*i];

		e.start = MAX(e.start, from);
		e.end = MIN(e.end, to);
		if (e.start < e.end)
			out[n++] = e;
		if (old[*i].end > to)
			break;
	}
	return n;
}

/* Lays @new over @old. @out has room for n_old + 2 * n_new: each new one cuts one old in two. */
static uint32_t overlay(const struct entry *old, uint32_t n_old, const struct entry *new,
			uint32_t n_new, struct entry *out)
{
	uint64_t from = 0;
	uint32_t i = 0, n = 0;

	for (uint32_t j = 0; j < n_new; j++) {
		n = copy_visible(old, n_old, &i, from, new[j].start, out, n);
		out[n++] = new[j];
		from = new[j].end;
	}
	return copy_visible(old, n_old, &i, from, UINT64_MAX, out, n);
}

static int overlay_new(const struct entries *old, const struct entries *new, struct entries *ret)
{
	struct entry *list = calloc((size_t)old->n + 2 * (size_t) new->n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	ret->list = list;
	ret->n = overlay(old->list, old->n, new->list, new->n, list);
	return 0;
}

static int resolve_run(const struct entry *lines, uint32_t n, struct entries *ret)
{
	struct entry buffers[2][2 * RUN + 1];
	uint32_t used = 0;

	for (uint32_t i = 0; i < n; i++)
		used = overlay(buffers[i & 1], used, &lines[i], 1, buffers[~i & 1]);
	ret->list = calloc(used + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	memcpy(ret->list, buffers[n & 1], used * sizeof(*ret->list));
	ret->n = used;
	return 0;
}

static void entries_done(struct entries *e)
{
	free(e->list);
}

/* Lines in the order of the file to entries; recursion is as deep as log2(BATCH / RUN). */
static int resolve(const struct entry *lines, uint32_t n, struct entries *ret)
{
	_cleanup_(entries_done)
	struct entries first = {}, second = {};
	uint32_t half = n / 2;
	int r;

	if (n <= RUN)
		return resolve_run(lines, n, ret);
	r = resolve(lines, half, &first);
	if (r == 0)
		r = resolve(lines + half, n - half, &second);
	return r < 0 ? r : overlay_new(&first, &second, ret);
}

/* Lines that were read and are not in the table yet. */
struct batch {
	struct entry *lines;
	uint32_t n;
};

static void batch_done(struct batch *b)
{
	free(b->lines);
}

static int flush(struct perf_map *m, struct batch *b)
{
	_cleanup_(entries_done)
	struct entries fresh = {};
	struct entries all = {};
	struct entry *smaller;
	int r;

	if (b->n == 0)
		return 0;
	r = resolve(b->lines, b->n, &fresh);
	if (r == 0)
		r = overlay_new(&m->entries, &fresh, &all);
	if (r < 0)
		return r;
	b->n = 0;
	free(m->entries.list);
	smaller = reallocarray(all.list, all.n + 1, sizeof(*all.list));
	m->entries.list = smaller ? smaller : all.list;
	m->entries.n = all.n;
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
	b->lines[b->n] = (struct entry){
		.start = start,
		.end = start + size,
		.name = intern_string(m->names, line),
	};
	if (b->lines[b->n].name == 0)
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
	free(m->entries.list);
	m->entries = (struct entries){};
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
	uint32_t low = 0, high = m->entries.n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (m->entries.list[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || address >= m->entries.list[low - 1].end)
		return NULL;
	return intern_get(m->names, m->entries.list[low - 1].name, NULL);
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
