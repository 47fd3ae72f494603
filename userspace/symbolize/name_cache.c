/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/name_cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/utf8.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

static const char out_of_memory[] = "[out of memory]";

struct entry {
	UT_hash_handle hh; /* by system_name */
	const char *name;  /* system_name, or behind it */
	char system_name[];
};

/* Names come from tables, where they stay for long: what was at an address last mostly still is. */
#define RECENT 16384U

struct name_cache {
	enum demangle_form form;
	struct entry *entries;
	struct entry **recent; /* RECENT, by where the text was; NULL = none yet */
	size_t bytes;	       /* of the entries; uthash tells its own */
	unsigned int demangle_leaks;
};

struct name_cache *name_cache_new(enum demangle_form form)
{
	struct name_cache *c = calloc(1, sizeof(*c));

	if (c)
		c->form = form;
	return c;
}

struct name_cache *name_cache_free(struct name_cache *c)
{
	if (c)
		name_cache_clear(c);
	free(c);
	return NULL;
}

void name_cache_clear(struct name_cache *c)
{
	struct entry *e, *next;

	HASH_ITER(hh, c->entries, e, next) {
		HASH_DEL(c->entries, e);
		free(e);
	}
	c->bytes = 0;
	free(TAKE_PTR(c->recent));
}

static size_t place_of(const char *text)
{
	return hash_mix((uintptr_t)text) % RECENT;
}

/* What was found for these very bytes the last time; NULL = other bytes were there, or none. */
static const struct entry *find_recent(const struct name_cache *c, const char *text)
{
	const struct entry *e = c->recent ? c->recent[place_of(text)] : NULL;

	return e && strcmp(e->system_name, text) == 0 ? e : NULL;
}

static void remember(struct name_cache *c, const char *text, struct entry *e)
{
	if (!c->recent)
		c->recent = calloc(RECENT, sizeof(struct entry *));
	if (c->recent)
		c->recent[place_of(text)] = e;
}

static struct entry *add(struct name_cache *c, const char *system_name, size_t size,
			 const char *demangled)
{
	size_t more = demangled ? strlen(demangled) + 1 : 0;
	struct entry *e = malloc(sizeof(*e) + size + 1 + more);

	if (!e)
		return NULL;
	memcpy(e->system_name, system_name, size + 1);
	e->name = e->system_name;
	if (demangled)
		e->name = memcpy(e->system_name + size + 1, demangled, more);
	HASH_ADD_KEYPTR(hh, c->entries, e->system_name, size, e);
	if (!e->hh.tbl) { /* how uthash tells that memory ran out */
		free(e);
		return NULL;
	}
	c->bytes += sizeof(*e) + size + 1 + more;
	return e;
}

static struct cached_name get(struct name_cache *c, const char *text, size_t size, bool mangled)
{
	char system_name[NAME_CACHE_NAME_MAX], demangled[NAME_CACHE_NAME_MAX];
	struct entry *e;

	size = utf8_clean(system_name, sizeof(system_name), text, size);
	HASH_FIND(hh, c->entries, system_name, size, e);
	if (!e) {
		mangled = mangled && demangle(system_name, c->form, demangled, sizeof(demangled),
					      &c->demangle_leaks);
		e = add(c, system_name, size, mangled ? demangled : NULL);
	}
	if (!e)
		return (struct cached_name){ out_of_memory, out_of_memory };
	remember(c, text, e);
	return (struct cached_name){ e->name, e->system_name };
}

/* Not isalpha(): it asks the locale. */
static bool is_version_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/*
 * Where a version begins that ends the name, as in "stat@GLIBC_2.33" and "stat@@GLIBC_2.33" of a
 * .symtab; else the end. The name of a stub ("free@plt") is whole.
 */
static size_t version_at(const char *symbol, size_t size)
{
	const char *version = memrchr(symbol, '@', size);
	size_t at;

	if (!version || strcmp(version, "@plt") == 0 || !is_version_letter(version[1]))
		return size;
	for (const char *c = version + 1; c < symbol + size; c++)
		if (!is_version_letter(*c) && !(*c >= '0' && *c <= '9') && !strchr(".-+", *c))
			return size;
	at = (size_t)(version - symbol);
	if (at > 0 && symbol[at - 1] == '@')
		at--;
	return at > 0 ? at : size;
}

struct cached_name name_cache_symbol(struct name_cache *c, const char *symbol)
{
	const struct entry *recent = find_recent(c, symbol);
	size_t size;

	if (recent)
		return (struct cached_name){ recent->name, recent->system_name };
	size = strnlen(symbol, NAME_CACHE_NAME_MAX);
	/* A mangled name keeps it, to be found in its file again. */
	if (strncmp(symbol, "_Z", 2) != 0)
		size = version_at(symbol, size);
	return get(c, symbol, size, true);
}

static struct cached_name get_whole(struct name_cache *c, const char *text, bool mangled)
{
	const struct entry *recent = find_recent(c, text);

	if (recent)
		return (struct cached_name){ recent->name, recent->system_name };
	return get(c, text, strnlen(text, NAME_CACHE_NAME_MAX), mangled);
}

struct cached_name name_cache_jit(struct name_cache *c, const char *name)
{
	return get_whole(c, name, true);
}

struct cached_name name_cache_text(struct name_cache *c, const char *text)
{
	return get_whole(c, text, false);
}

size_t name_cache_memory(const struct name_cache *c)
{
	return sizeof(*c) + c->bytes + HASH_OVERHEAD(hh, c->entries) +
	       (c->recent ? RECENT * sizeof(struct entry *) : 0);
}
