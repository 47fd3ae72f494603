/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interning: equal byte strings are stored once and named by a small number. Ids are 1, 2, 3, ...
 * in the order of first appearance; 0 is "none". Memory grows with distinct content only and is
 * given back as a whole.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct intern;

/* Returns NULL when out of memory. */
struct intern *intern_new(void);
/* Returns NULL; accepts NULL. */
struct intern *intern_free(struct intern *t);

/* The id of @size bytes at @data, which are copied on first sight. 0 when out of memory. */
uint32_t intern_bytes(struct intern *t, const void *data, size_t size);
/* The id of bytes that are in it; 0 if they are not, or if it was sealed. */
uint32_t intern_find(const struct intern *t, const void *data, size_t size);
/* The same as intern_bytes() for a NUL-terminated string; the NUL is stored too. */
uint32_t intern_string(struct intern *t, const char *s);

/*
 * The bytes of @id, aligned to 8, valid until intern_free(); they move when the table grows, so a
 * pointer must not be kept across a call that adds. @ret_size may be NULL. @id must be valid.
 */
const void *intern_get(const struct intern *t, uint32_t id, size_t *ret_size);
/* Where what is interned are pointers: the one of @id. */
void *intern_pointer(const struct intern *t, uint32_t id);

/*
 * Gives back the memory that is only there for adding: from now on intern_bytes() adds nothing and
 * returns 0. Pointers from intern_get() move.
 */
void intern_seal(struct intern *t);

uint32_t intern_count(const struct intern *t);
/* Bytes of memory in use. */
size_t intern_memory(const struct intern *t);
