/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: INI, with the one section [Profd]; '#' and ';' begin comments; spaces
 * around keys and values do not matter. Reading stops at the first line that is wrong.
 */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define FILE_MAX_BYTES (1U << 20)
#define SECTION	       "[Profd]"
#define SPACES	       " \t\r"

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, SPACES);
	n = strlen(s);
	while (n > 0 && strchr(SPACES, s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* The closest key, for a message; whoever misspells one is told. */
static const char *similar_key(const char *key)
{
	for (size_t i = 0; i < options_count(); i++) {
		const char *k = options_key(i);

		if (strncasecmp(k, key, 4) == 0 || strstr(k, key) || strstr(key, k))
			return k;
	}
	return NULL;
}

static int unknown_key(const char *key, struct error *e)
{
	const char *similar = *key ? similar_key(key) : NULL;

	return error_set(e, EINVAL, "unknown option '%.60s'%s%s%s", key,
			 similar ? "; is " : "; profd --print-config lists them",
			 similar ? similar : "", similar ? " meant?" : "");
}

static int read_line(struct options_setter *s, char *line, bool *in_section, struct error *e)
{
	char *value;
	int option;

	line = trim(line);
	if (!*line || *line == '#' || *line == ';')
		return 0;
	if (*line == '[') {
		*in_section = strcmp(line, SECTION) == 0;
		if (!*in_section)
			return error_set(e, EINVAL, "unknown section '%.60s'; there is only %s",
					 line, SECTION);
		return 0;
	}
	if (!*in_section)
		return error_set(e, EINVAL, "'%.60s' stands outside of a section; begin with %s",
				 line, SECTION);
	value = strchr(line, '=');
	if (!value)
		return error_set(e, EINVAL, "'%.60s' is not key=value", line);
	*value++ = '\0';
	line = trim(line);
	option = options_find(line);
	if (option < 0)
		return unknown_key(line, e);
	return options_set(s, option, trim(value), e);
}

int options_read_text(struct options_setter *s, const char *name, const char *text, size_t size,
		      struct error *e)
{
	_cleanup_free_ char *copy = NULL;
	bool in_section = false;
	unsigned int number = 1;
	struct error inner;

	if (memchr(text, '\0', size))
		return error_set(e, EINVAL, "%s: contains a NUL byte; it must be text", name);
	copy = strndup(text, size);
	if (!copy)
		return error_set(e, ENOMEM, "out of memory");
	for (char *line = copy, *next; line; line = next, number++) {
		int r;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		r = read_line(s, line, &in_section, &inner);
		if (r < 0)
			return error_set(e, -r, "%s:%u: %.400s", name, number, inner.text);
	}
	return 0;
}

int options_read_file(struct options_setter *s, const char *path, struct error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	r = file_read(AT_FDCWD, path, FILE_MAX_BYTES, &text, &size);
	if (r < 0)
		return error_set(e, -r, "%s: cannot be read: %s", path, strerror(-r));
	return options_read_text(s, path, text, size, e);
}
