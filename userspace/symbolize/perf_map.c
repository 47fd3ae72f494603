/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/perf_map.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "symbolize/jit_builder.h"

#define CHUNK ((size_t)64 << 10)

struct parser {
	struct jit_limits limits;
	struct jit_builder answer;
	bool skipping; /* inside a line that is too long */
};

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

static int add_line(struct parser *p, char *line)
{
	struct jit_block_code code = { .index = JIT_NO_INDEX };
	int64_t name;

	if (!parse_hex(&line, &code.address) || !parse_hex(&line, &code.size) || *line == '\0' ||
	    code.size == 0 || code.size > UINT32_MAX || code.size > UINT64_MAX - code.address) {
		p->answer.bad++;
		return 0;
	}
	name = jit_builder_text(&p->answer, (const uint8_t *)line, strlen(line));
	if (name < 0)
		return (int)name;
	code.name = (uint32_t)name;
	return jit_builder_add_code(&p->answer, &code);
}

static bool is_full(const struct parser *p)
{
	return p->answer.n_codes >= p->limits.max_codes;
}

/* Takes whole lines of @text; returns how many bytes that were, or -errno. */
static ssize_t add_lines(struct parser *p, char *text, size_t size)
{
	size_t used = 0;
	char *end;
	int r;

	while (!is_full(p) && (end = memchr(text + used, '\n', size - used))) {
		char *line = text + used;

		*end = '\0';
		used = (size_t)(end - text) + 1;
		if (p->skipping || end - line > PERF_MAP_LINE_MAX) {
			p->answer.bad += !p->skipping;
			p->skipping = false;
			continue;
		}
		r = add_line(p, line);
		if (r < 0)
			return r;
	}
	if (!is_full(p) && size - used > PERF_MAP_LINE_MAX) {
		p->answer.bad += !p->skipping;
		p->skipping = true;
		used = size;
	}
	return (ssize_t)used;
}

/* 1 if there may be more. */
static int read_on(struct parser *p, int fd, uint64_t *offset)
{
	_cleanup_free_ char *text = malloc(CHUNK);
	uint64_t first = *offset;

	if (!text)
		return -ENOMEM;
	while (!is_full(p) && *offset - first < p->limits.max_bytes) {
		ssize_t n = pread(fd, text, CHUNK, (off_t)*offset), used;

		if (n < 0)
			return -errno;
		used = add_lines(p, text, (size_t)n);
		if (used <= 0)
			return (int)used;
		*offset += (uint64_t)used;
	}
	return 1;
}

static void parser_done(struct parser *p)
{
	jit_builder_done(&p->answer);
}

int perf_map_read(int fd, const struct jit_limits *limits, struct jit_block **ret, size_t *ret_size)
{
	_cleanup_(parser_done)
	struct parser p = { .limits = jit_limits_complete(limits) };
	uint64_t offset = limits->offset;
	char before = '\n';
	int r = jit_builder_init(&p.answer);

	/* A reading only ends inside a line if that is too long. */
	if (r == 0 && offset > 0)
		r = fd_pread_full(fd, &before, 1, offset - 1);
	p.skipping = before != '\n';
	if (r == 0)
		r = read_on(&p, fd, &offset);
	return r < 0 ? r : jit_builder_make(&p.answer, offset, r == 1, ret, ret_size);
}
