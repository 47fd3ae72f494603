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
#include <string.h>

#include <libiberty/demangle.h>

#include "base/utf8.h"

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

static bool run(const char *name, size_t size, struct output *o)
{
	if (setjmp(o->enough))
		return true;
	if (is_rust(name, size))
		return rust_demangle_callback(name, DMGL_NO_OPTS, print, o);
	return cplus_demangle_v3_callback(name, DMGL_NO_OPTS, print, o);
}

/*
 * What follows the mangled name: ".cold", ".isra.0", ".llvm.123", "@plt", "@@GLIBCXX_3.4". Neither
 * '.' nor '@' is part of a mangled name, but for legacy Rust's "..": see the caller.
 */
static void print_suffix(const char *suffix, struct output *o)
{
	const char *end = strchr(suffix, '@');
	size_t size = end ? (size_t)(end - suffix) : strlen(suffix);
	static const char before[] = " [clone ", after[] = "]";

	if (size > 0 && strncmp(suffix, ".llvm.", 6) != 0 &&
	    o->used + size + sizeof(before) + sizeof(after) < sizeof(o->text)) {
		memcpy(o->text + o->used, before, strlen(before));
		o->used += strlen(before);
		memcpy(o->text + o->used, suffix, size);
		o->used += size;
		memcpy(o->text + o->used, after, strlen(after));
		o->used += strlen(after);
	}
	if (end && strcmp(end, "@plt") == 0 && o->used + 4 < sizeof(o->text)) {
		memcpy(o->text + o->used, end, 4);
		o->used += 4;
	}
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

bool demangle(const char *name, char *ret, size_t ret_size, unsigned int *leaks)
{
	char mangled[DEMANGLE_INPUT_MAX + 1];
	struct output o;
	bool may_leak;
	size_t size;

	o.used = 0;
	o.cut = false;
	if (name[0] != '_' || (name[1] != 'Z' && name[1] != 'R') ||
	    strnlen(name, sizeof(mangled)) > DEMANGLE_INPUT_MAX)
		return false;
	size = mangled_size(name);
	memcpy(mangled, name, size);
	mangled[size] = '\0';
	may_leak = mangled[1] == 'R' && may_have_punycode(mangled);
	if (may_leak && *leaks >= DEMANGLE_MAX_LEAKS)
		return false;
	if (!run(mangled, size, &o) || o.used == 0)
		return false;
	*leaks += may_leak && o.cut;
	print_suffix(name + size, &o);
	utf8_clean(ret, ret_size, o.text, o.used);
	return true;
}
