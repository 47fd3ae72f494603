/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/columns.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profctl/text.h"

#define MAX_COLUMNS 16
#define GAP	    2
/* What is left for the last column on a narrow terminal. */
#define MIN_LAST 12

struct table {
	char **fields; /* n_lines * n_columns; "" where a line was too short */
	size_t n_lines, n_columns;
	size_t width[MAX_COLUMNS];
	bool is_number[MAX_COLUMNS]; /* but for its name */
};

static char empty[] = "";

/* Characters, as text_print() counts them: bytes that do not continue one. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void add_line(struct table *t, char *line)
{
	char **fields = t->fields + t->n_lines * t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++) {
		char *field = line ? strsep(&line, "\t") : empty;

		fields[i] = field;
		t->width[i] = MAX(t->width[i], width_of(field));
		if (t->n_lines)
			t->is_number[i] &= !field[strspn(field, "0123456789")];
	}
	t->n_lines++;
}

static int read_table(struct table *t, char *text)
{
	size_t lines = 1;
	char *line;

	t->n_columns = 1;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	for (const char *p = text; *p && *p != '\n'; p++)
		t->n_columns += *p == '\t';
	if (!*text || *text == '\n' || t->n_columns > MAX_COLUMNS)
		return -EBADMSG;
	t->fields = calloc(lines * t->n_columns, sizeof(*t->fields));
	if (!t->fields)
		return -ENOMEM;
	memset(t->is_number, true, sizeof(t->is_number));
	while ((line = strsep(&text, "\n")))
		if (*line)
			add_line(t, line);
	return 0;
}

static void print_line(FILE *f, const struct table *t, size_t line, size_t last_width)
{
	char **fields = t->fields + line * t->n_columns;
	size_t last = t->n_columns - 1;

	for (size_t i = 0; i < last; i++) {
		int padding = (int)(t->width[i] - width_of(fields[i]));

		fprintf(f, "%*s", t->is_number[i] ? padding : 0, "");
		text_print(f, fields[i], SIZE_MAX);
		fprintf(f, "%*s", GAP + (t->is_number[i] ? 0 : padding), "");
	}
	text_print(f, fields[last], last_width);
	fputc('\n', f);
}

int columns_print(FILE *f, char *text, size_t width)
{
	size_t last_width = SIZE_MAX, used = 0;
	struct table t = {};
	int r;

	r = read_table(&t, text);
	if (r < 0)
		return r;
	for (size_t i = 0; i + 1 < t.n_columns; i++)
		used += t.width[i] + GAP;
	if (width)
		last_width = width > used + MIN_LAST ? width - used : MIN_LAST;
	for (size_t i = 0; i < t.n_lines; i++)
		print_line(f, &t, i, last_width);
	free(t.fields);
	return 0;
}
