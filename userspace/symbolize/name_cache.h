/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names as they are handed out: valid UTF-8, of bounded length, demangled, each kept once and in
 * place until the cache is cleared. Demangling costs more than the look-up that led to the name, so
 * this is where it is done and remembered.
 */
#pragma once

#include <stddef.h>

#include "symbolize/demangle.h"

/* Bytes of a name that is handed out, the NUL included; longer ones are cut with "...". */
#define NAME_CACHE_NAME_MAX 2048

struct name_cache;

struct cached_name {
	const char *name;
	const char *system_name; /* the same pointer if nothing was demangled */
};

/* NULL when out of memory. */
struct name_cache *name_cache_new(enum demangle_form form);
/* Returns NULL; accepts NULL. */
struct name_cache *name_cache_free(struct name_cache *c);
/* Forgets all names: every pointer handed out is invalid. */
void name_cache_clear(struct name_cache *c);

/*
 * The names for a symbol as its symbol table calls it: any bytes, NUL-terminated. The version that
 * may end it ("stat@GLIBC_2.33") is left out. When memory runs out the name says so.
 */
struct cached_name name_cache_symbol(struct name_cache *c, const char *symbol);
/* The same for code that a process has made and named; there an @ is part of the name. */
struct cached_name name_cache_jit(struct name_cache *c, const char *name);
/* A name that was made up by us and is only cleaned. */
struct cached_name name_cache_text(struct name_cache *c, const char *text);

size_t name_cache_memory(const struct name_cache *c);
