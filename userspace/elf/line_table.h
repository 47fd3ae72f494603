/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source lines as the parser process answers them: for each address that was asked about, the chain
 * of functions that the instruction is part of, innermost inlined one first, in one block of memory
 * without pointers. Whoever knows lines (DWARF, Go's pclntab) fills it through a builder.
 *
 * How it can be wrong: the strings are what a file says, any bytes; a chain may lack functions
 * beside its outermost one, because there is room for LINE_MAX_CHAIN only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Functions of one chain; of more the outermost stays, and what is innermost. The same as
 * SYMBOL_MAX_INLINED.
 */
#define LINE_MAX_CHAIN 32
/* Longer names and paths are cut; bytes without the NUL. */
#define LINE_MAX_STRING 4095

/*
 * One function of a chain. @line and @column are where the address is in the innermost function,
 * and in each other one where it calls (has inlined) the one before it. 0 = not known.
 */
struct line_frame {
	const char *name; /* the linkage name if there is one, else as in the source; "" = not
			     known */
	const char *file; /* where @line is: an absolute path if that is known; "" = not known */
	uint32_t line, column;
	uint32_t start_line; /* where the function is declared, if that is in @file */
	bool is_exact;	     /* the name goes before that in the symbol table */
};

/* The chains of a job while they are gathered. */
struct line_builder;

/* For @n_addresses chains, all of them empty. NULL when out of memory. */
struct line_builder *line_builder_new(uint32_t n_addresses);
/* Returns NULL; accepts NULL. */
struct line_builder *line_builder_free(struct line_builder *b);

/*
 * Sets the chain of address number @i: @n frames, innermost first. Strings are copied; NULL counts
 * as "". Once for each address; what was set before is lost. -ENOMEM, or 0.
 */
int line_builder_set(struct line_builder *b, uint32_t i, const struct line_frame *frames, size_t n);
/* Whether address number @i has a chain. */
bool line_builder_has(const struct line_builder *b, uint32_t i);

/* The block, of @ret_size bytes; caller frees. -ENOMEM, or 0. The builder is as before. */
int line_builder_finish(const struct line_builder *b, void **ret_data, size_t *ret_size);

/* A block that another process made, of which nothing is believed. */
struct line_table {
	const void *data; /* borrowed */
	size_t size;
	uint32_t n_chains;
};

/* -EBADMSG if it contradicts itself, or is not about @n_addresses. @data is aligned to 8. */
int line_table_open(const void *data, size_t size, uint32_t n_addresses, struct line_table *ret);

/*
 * Chain number @i, at most @max frames of it, innermost first; 0 = nothing is known of the address.
 * The strings live as long as the block.
 */
size_t line_table_get(const struct line_table *t, uint32_t i, struct line_frame *ret, size_t max);
