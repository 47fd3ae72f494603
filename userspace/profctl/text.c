/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_COLUMNS 32

enum column { PID, CPU_PERCENT, SAMPLES, COMM, UNIT, CONTAINER, EXECUTABLE, N_COLUMNS };

static const char *const column_names[N_COLUMNS] = {
	[PID] = "pid",
	[CPU_PERCENT] = "cpu_percent",
	[SAMPLES] = "samples",
	[COMM] = "comm",
	[UNIT] = "unit",
	[CONTAINER] = "container",
	[EXECUTABLE] = "executable",
};

/* What each column of the text is; N_COLUMNS = something newer than this program. */
struct header {
	enum column columns[MAX_COLUMNS];
	size_t n;
};

static int read_header(char *line, struct header *ret)
{
	bool has_pid = false;
	char *word;

	ret->n = 0;
	while ((word = strsep(&line, "\t")) && ret->n < MAX_COLUMNS) {
		size_t i = 0;

		while (i < N_COLUMNS && strcmp(column_names[i], word) != 0)
			i++;
		has_pid |= i == PID;
		ret->columns[ret->n++] = (enum column)i;
	}
	return has_pid ? 0 : -EBADMSG;
}

static bool read_row(char *line, const struct header *header, struct process_row *ret)
{
	const char *fields[N_COLUMNS + 1] = { "", "", "", "", "", "", "", "" };
	char *word, *end;

	for (size_t i = 0; i < header->n && (word = strsep(&line, "\t")); i++)
		fields[header->columns[i]] = word;
	*ret = (struct process_row){
		.pid = strtoull(fields[PID], &end, 10),
		.cpu_percent = strtod(fields[CPU_PERCENT], NULL),
		.samples = strtoull(fields[SAMPLES], NULL, 10),
		.comm = fields[COMM],
		.unit = fields[UNIT],
		.container = fields[CONTAINER],
		.executable = fields[EXECUTABLE],
	};
	return end != fields[PID] && !*end;
}

int text_processes(char *text, struct process_row **ret, size_t *ret_n)
{
	_cleanup_free_ struct process_row *rows = NULL;
	size_t lines = 1, n = 0;
	struct header header;
	char *line;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	line = strsep(&text, "\n");
	if (!line || read_header(line, &header) < 0)
		return -EBADMSG;
	rows = calloc(lines, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	while ((line = strsep(&text, "\n")))
		if (*line && read_row(line, &header, &rows[n]))
			n++;
	*ret = TAKE_PTR(rows);
	*ret_n = n;
	return 0;
}

int text_value(const char *text, const char *key, char *value, size_t size)
{
	size_t key_size = strlen(key);

	for (;;) {
		size_t n = strcspn(text, "\n");

		if (n > key_size && strncmp(text, key, key_size) == 0 && text[key_size] == ':') {
			size_t skip = key_size + 1;

			skip += strspn(text + skip, " \t");
			if (n - skip >= size)
				return -ENOENT;
			memcpy(value, text + skip, n - skip);
			value[n - skip] = '\0';
			return 0;
		}
		if (!text[n])
			return -ENOENT;
		text += n + 1;
	}
}

/* Bytes of the UTF-8 character at @p (valid UTF-8, or any byte: then 1). */
static size_t character_size(const char *p)
{
	unsigned char first = (unsigned char)*p;
	size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;

	for (size_t i = 1; i < size; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 1;
	return size;
}

/* Of ASCII, and the C1 controls U+0080..U+009F, which terminals also obey; broken UTF-8 too. */
static bool is_control(const char *p, size_t size)
{
	const unsigned char *u = (const unsigned char *)p;

	if (size == 1)
		return u[0] < 0x20 || u[0] >= 0x7f;
	return size == 2 && u[0] == 0xc2 && u[1] < 0xa0;
}

size_t text_print(FILE *f, const char *name, size_t columns)
{
	size_t used;

	for (used = 0; *name && used < columns; used++) {
		size_t n = character_size(name);

		if (used + 1 == columns && name[n]) {
			fputc('~', f);
			return columns;
		}
		if (is_control(name, n))
			fputc('?', f);
		else
			fwrite(name, 1, n, f);
		name += n;
	}
	return used;
}

char *text_shell_word(const char *name)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_./-+,:@%=";
	char *word, *out;

	if (*name && !name[strspn(name, safe)])
		return strdup(name);
	word = malloc(4 * strlen(name) + 3);
	if (!word)
		return NULL;
	out = word;
	*out++ = '\'';
	for (; *name; name++) {
		if (*name == '\'')
			out = stpcpy(out, "'\\''");
		else
			*out++ = *name;
	}
	*out++ = '\'';
	*out = '\0';
	return word;
}
