/* SPDX-License-Identifier: Apache-2.0 */
/*
 * D and Ada by libiberty; OCaml and Fortran, which it does not know, here.
 *
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

/* Digits up to the end, or to a symbol version. */
static bool is_number(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && (text[n] == '\0' || text[n] == '@');
}

bool demangle_is_ada(const char *name)
{
	/* Packages are joined by "__", as words are in C; nobody else has these at the root. */
	static const char *const roots[] = { "_ada_", "ada__", "system__", "gnat__",
					     "interfaces__" };

	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (strncmp(name, roots[i], strlen(roots[i])) == 0)
			return true;
	/* A function in another one has a number; in C it has no "__", and a clone has a word. */
	return islower((unsigned char)name[0]) && name[n] == '.' && is_number(name + n + 1) &&
	       memmem(name, n, "__", 2);
}

bool demangle_is_ocaml(const char *name)
{
	return strncmp(name, "caml", 4) == 0 && isupper((unsigned char)name[4]) &&
	       (strstr(name, "__") || strchr(name, '.'));
}

static const char fortran_module[] = "_MOD_";

bool demangle_is_fortran(const char *name)
{
	size_t n = strncmp(name, "__", 2) == 0
			   ? strspn(name + 2, "abcdefghijklmnopqrstuvwxyz0123456789_")
			   : 0;
	size_t size = strlen(fortran_module);

	/* The module ends before the capitals. */
	return n > 1 && strncmp(name + 2 + n - 1, fortran_module, size) == 0 &&
	       name[2 + n - 1 + size] != '\0';
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

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "$27" is a character that assemblers do not take; 0 if it is something else. */
static char escaped(const char *text)
{
	int high = text[0] == '$' ? hex_digit(text[1]) : -1;
	int low = high >= 2 && high < 8 ? hex_digit(text[2]) : -1;

	return low >= 0 && (high < 7 || low < 15) ? (char)(high * 16 + low) : '\0';
}

/* "_261" makes a name unique, and tells nothing, unless the function has no name: "fun_632". */
static void drop_stamp(char *text, size_t size)
{
	static const char anonymous[] = "fun";
	size_t n = size, name = strlen(anonymous);

	while (n > 0 && isdigit((unsigned char)text[n - 1]))
		n--;
	if (n == size || n < 2 || text[n - 1] != '_')
		return;
	n--;
	if (n > name && text[n - name - 1] == '.' && memcmp(text + n - name, anonymous, name) == 0)
		return;
	text[n] = '\0';
}

/* Two underscores in front of a name, which may begin with one; not those of a stamp. */
static bool begins_name(const char *text)
{
	const char *name = text + 2;

	if (strncmp(text, "__", 2) != 0)
		return false;
	name += *name == '_';
	return isalpha((unsigned char)*name) || *name == '$';
}

/* As OCaml's asmcomp/compilenv.ml joins unit, modules and function. */
char *demangle_ocaml(const char *mangled)
{
	const char *p = mangled + strlen("caml");
	char *text = malloc(strlen(p) + 1);
	size_t n = 0;

	if (!text)
		return NULL;
	while (*p && *p != '@') {
		char c = escaped(p);

		if (c) {
			p += 3;
		} else if (begins_name(p)) {
			c = '.';
			p += 2;
		} else {
			c = *p++;
		}
		text[n++] = c;
	}
	text[n] = '\0';
	drop_stamp(text, n);
	return text;
}

/* As gdb writes it. */
char *demangle_fortran(const char *mangled)
{
	const char *module = mangled + 2, *end = strstr(module, fortran_module);
	const char *name = end + strlen(fortran_module);
	size_t size = (size_t)(end - module);
	char *text = malloc(size + 2 + strlen(name) + 1);

	if (!text)
		return NULL;
	memcpy(text, module, size);
	memcpy(text + size, "::", 2);
	strcpy(text + size + 2, name);
	return text;
}
