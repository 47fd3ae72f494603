/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libiberty's demangler for D can be made to work without end: a reference to an earlier part ('Q')
 * is expanded where it stands, and that part may have references too; and what follows a name is
 * first read as a function's type, by its calling convention, and then once more as something else.
 * Each doubles the work at most, so names with many of these letters are left alone.
 */
#include "symbolize/demangle_other.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

#define MAX_D_DOUBLINGS 14

bool demangle_is_d(const char *name)
{
	return strncmp(name, "_D", 2) == 0 &&
	       (isdigit((unsigned char)name[2]) || strcmp(name, "_Dmain") == 0);
}

bool demangle_is_ada(const char *name)
{
	/* Packages are joined by "__", as words are in C; nobody else has these at the root. */
	static const char *const roots[] = { "_ada_", "ada__", "system__", "gnat__",
					     "interfaces__" };

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (strncmp(name, roots[i], strlen(roots[i])) == 0)
			return true;
	return false;
}

static bool is_costly(const char *name)
{
	static const char doubling[] = "Q" /* reference */ "FUWVRYM" /* conventions, methods */;
	unsigned int n = 0;

	for (const char *p = strpbrk(name, doubling); p; p = strpbrk(p + 1, doubling))
		n++;
	return n > MAX_D_DOUBLINGS;
}

/* One of those that methods have behind their parameters; false if there is none. */
static bool drop_modifier(char *text)
{
	static const char *const words[] = { " const",	" immutable", " inout",
					     " shared", " return",    " scope" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(text), size = strlen(words[i]);

		if (n > size && strcmp(text + n - size, words[i]) == 0) {
			text[n - size] = '\0';
			return true;
		}
	}
	return false;
}

/* The last pair of parentheses, but not "!(...)", which are arguments of a template. */
static void drop_parameters(char *text)
{
	size_t n = strlen(text);
	unsigned int depth = 0;

	if (n == 0 || text[n - 1] != ')')
		return;
	while (n-- > 0) {
		depth += text[n] == ')';
		depth -= text[n] == '(';
		if (depth > 0)
			continue;
		if (n > 0 && text[n - 1] != '!')
			text[n] = '\0';
		return;
	}
}

char *demangle_d(const char *mangled, bool parameters)
{
	char *text = is_costly(mangled) ? NULL : dlang_demangle(mangled, DMGL_PARAMS);

	if (text && !parameters) {
		while (drop_modifier(text))
			;
		drop_parameters(text);
	}
	return text;
}

char *demangle_ada(const char *mangled)
{
	char *text = ada_demangle(mangled, DMGL_NO_OPTS);

	/* What it does not understand it gives back in angle brackets. */
	if (text && text[0] == '<') {
		free(text);
		return NULL;
	}
	return text;
}
