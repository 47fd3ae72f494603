/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code that a process tells of in one file: which function is at an address, and which line.
 *
 * It is written by the process and means what the process says. How it can be wrong: the newest
 * code at an address is taken for what was there at any time; code that was moved is still known
 * where it was, until other code is there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jit_code;
struct jit_block;

struct jit_symbol {
	const char *name;
	const char *file; /* NULL if not known */
	uint32_t line, column;
};

/* NULL when out of memory. @max_memory: bytes of the table. */
struct jit_code *jit_code_new(size_t max_memory);
/* Returns NULL; accepts NULL. */
struct jit_code *jit_code_free(struct jit_code *c);

/*
 * Adds what a checked block tells, which is about later times than those before. -EFBIG: the table
 * is full, and stays as it is; -ENOMEM.
 */
int jit_code_add(struct jit_code *c, const struct jit_block *b);

/* What is at an address. The strings live until the next call that adds. */
bool jit_code_find(const struct jit_code *c, uint64_t address, struct jit_symbol *ret);

uint32_t jit_code_count(const struct jit_code *c); /* functions, all that ever were */
size_t jit_code_memory(const struct jit_code *c);
