/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libiberty does the work. Its printing is bounded in depth but not in length: a substitution that
 * names its predecessor twice doubles the text with each four bytes of input. Its callback cannot
 * say "enough", so it leaves with longjmp. That is safe with GNU v3 names, whose printer keeps all
 * it has on the stack; of Rust names the one allocation of its printer is for a Punycode
 * identifier, four bytes for each of its characters. That is lost if a name which may have one
 * expands without end, so it may happen only so often.
 */
#include "symbolize/demangle.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "base/utf8.h"
#include "symbolize/demangle_other.h"

#define RAW_MAX 8192 /* of output, before it is cleaned and cut to what the caller can take */

struct output {
	char text[RAW_MAX];
	size_t used;
	bool cut; /* left by longjmp */
	jmp_buf enough;
};

static void print(const char *text, size_t size, void *userdata)
{
	struct output *o = userdata;
	size_t room = sizeof(o->text) - o->used;
	bool fits = size < room;

	if (size == 0) /* text may be NULL then */
		return;
	memcpy(o->text + o->used, text, fits ? size : room);
	o->used += fits ? size : room;
	o->cut = !fits;
	if (!fits)
		longjmp(o->enough, 1);
}

/* _R..., or the legacy form: an Itanium name that ends in a hash, 17h0123456789abcdefE. */
static bool is_rust(const char *name, size_t size)
{
	if (strncmp(name, "_R", 2) == 0)
		return true;
	if (strncmp(name, "_ZN", 3) != 0 || size < 3 + 20 || name[size - 1] != 'E' ||
	    memcmp(name + size - 20, "17h", 3) != 0)
		return false;
	for (size_t i = size - 17; i < size - 1; i++)
		if (!isxdigit((unsigned char)name[i]))
			return false;
	return true;
}

/*
 * In the v0 form a Punycode identifier is 'u', its length and its bytes. The same can be seen in
 * what is none, as in the number of a crate.
 */
static bool may_have_punycode(const char *name)
{
	for (const char *u = strchr(name, 'u'); u; u = strchr(u + 1, 'u'))
		if (isdigit((unsigned char)u[1]))
			return true;
	return false;
}

static bool run(const char *name, size_t size, enum demangle_form form, struct output *o)
{
	int options = form == DEMANGLE_FULL ? DMGL_PARAMS | DMGL_ANSI : DMGL_NO_OPTS;

	if (setjmp(o->enough))
		return true;
	if (is_rust(name, size))
		return rust_demangle_callback(name, DMGL_NO_OPTS, print, o);
	return cplus_demangle_v3_callback(name, options, print, o);
}

/* All of it or nothing. */
static void append(struct output *o, const char *text, size_t size)
{
	if (size > sizeof(o->text) - o->used)
		return;
	memcpy(o->text + o->used, text, size);
	o->used += size;
}

/* The size of ".llvm.123" or ".lto_priv.0" at @suffix, which tell nothing; 0 if it is neither. */
static size_t private_size(const char *suffix)
{
	static const char *const words[] = { ".llvm.", ".lto_priv." };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]), digits;

		if (strncmp(suffix, words[i], n) != 0)
			continue;
		digits = strspn(suffix + n, "0123456789");
		if (digits > 0 && strchr(".@", suffix[n + digits])) /* or the end */
			return n + digits;
	}
	return 0;
}

/* @suffix up to its end or to a version, without what is private. */
static void append_clone(struct output *o, const char *suffix)
{
	size_t size;

	for (; *suffix && *suffix != '@'; suffix += size) {
		size = private_size(suffix);
		if (size > 0)
			continue;
		size = 1 + strcspn(suffix + 1, ".@");
		append(o, suffix, size);
	}
}

static void append_plt(struct output *o, const char *suffix)
{
	const char *version = strchr(suffix, '@');

	if (version && strcmp(version, "@plt") == 0)
		append(o, version, strlen(version));
}

/*
 * What follows a mangled name: ".cold", ".isra.0", ".llvm.123", "@plt", "@@GLIBCXX_3.4". Neither
 * '.' nor '@' is part of a mangled name, but for legacy Rust's "..": see the caller.
 */
static void append_suffix(struct output *o, const char *suffix)
{
	static const char before[] = " [clone ";
	size_t start = o->used, text;

	append(o, before, strlen(before));
	text = o->used;
	append_clone(o, suffix);
	if (o->used == text)
		o->used = start;
	else
		append(o, "]", 1);
	append_plt(o, suffix);
}

/* The mangled part: legacy Rust names have dots in them ("..", "$LT$"), and end in E. */
static size_t mangled_size(const char *name)
{
	const char *hash = strstr(name, "17h");

	for (; hash; hash = strstr(hash + 1, "17h")) {
		size_t end = (size_t)(hash - name) + 20;

		if (strnlen(hash, 20) == 20 && is_rust(name, end) && strchr(".@", name[end]))
			return end; /* strchr finds the NUL too */
	}
	return strcspn(name, ".@");
}

static bool demangle_cpp_or_rust(const char *mangled, size_t size, enum demangle_form form,
				 unsigned int *leaks, struct output *o)
{
	bool may_leak = mangled[1] == 'R' && may_have_punycode(mangled);

	if (may_leak && *leaks >= DEMANGLE_MAX_LEAKS)
		return false;
	if (!run(mangled, size, form, o) || o->used == 0)
		return false;
	*leaks += may_leak && o->cut;
	return true;
}

/* Of those that are given in one piece. */
static bool take_text(char *text, struct output *o)
{
	size_t size = text ? strlen(text) : 0;

	if (size > 0)
		append(o, text, size < sizeof(o->text) ? size : sizeof(o->text));
	free(text);
	return size > 0;
}

/* A name that is not mangled but has a suffix which tells nothing. */
static bool without_private(const char *name, struct output *o)
{
	const char *suffix = name;

	while ((suffix = strchr(suffix, '.')) && private_size(suffix) == 0)
		suffix++;
	if (!suffix || suffix == name)
		return false;
	append(o, name, (size_t)(suffix - name));
	append_clone(o, suffix);
	append_plt(o, suffix);
	return true;
}

static bool write_name(const char *name, enum demangle_form form, unsigned int *leaks,
		       struct output *o)
{
	char mangled[DEMANGLE_INPUT_MAX + 1];
	size_t size = mangled_size(name);
	bool done;

	memcpy(mangled, name, size);
	mangled[size] = '\0';
	if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R'))
		done = demangle_cpp_or_rust(mangled, size, form, leaks, o);
	else if (demangle_is_d(mangled))
		done = take_text(demangle_d(mangled, form == DEMANGLE_FULL), o);
	else if (demangle_is_ada(name))
		done = take_text(demangle_ada(mangled), o);
	else if (demangle_is_ocaml(name))
		done = take_text(demangle_ocaml(name), o);
	else if (demangle_is_fortran(mangled))
		done = take_text(demangle_fortran(mangled), o);
	else
		return without_private(name, o);
	if (done && (demangle_is_ada(name) || demangle_is_ocaml(name)))
		append_plt(o, name + size); /* nothing that is behind a '.' is a clone's */
	else if (done)
		append_suffix(o, name + size);
	return done;
}

enum demangle_form demangle_form_of(const char *word)
{
	if (strcmp(word, "full") == 0)
		return DEMANGLE_FULL;
	return strcmp(word, "none") == 0 ? DEMANGLE_NONE : DEMANGLE_TEMPLATES;
}

bool demangle(const char *name, enum demangle_form form, char *ret, size_t ret_size,
	      unsigned int *leaks)
{
	struct output o;

	o.used = 0;
	o.cut = false;
	if (form == DEMANGLE_NONE || strnlen(name, DEMANGLE_INPUT_MAX + 1) > DEMANGLE_INPUT_MAX ||
	    !write_name(name, form, leaks, &o))
		return false;
	utf8_clean(ret, ret_size, o.text, o.used);
	return true;
}
