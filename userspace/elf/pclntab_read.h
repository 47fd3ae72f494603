/* SPDX-License-Identifier: Apache-2.0 */
/* Private to pclntab*.c and go_*.c: the parts that a pclntab is made of. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "elf/eh_frame_cursor.h"
#include "elf/pclntab.h"

enum pclntab_version { GO_1_2, GO_1_16, GO_1_18, GO_1_20 };

/* What it says about a function. Tables of values are numbers for pclntab_values_of(); 0 = none. */
struct pclntab_description {
	uint32_t name; /* from names */
	uint32_t sp_deltas, files, lines;
	uint32_t n_pcdata;
	uint32_t unit;	    /* 1.16 and later: the first of its files, among the units */
	int32_t start_line; /* 1.20 and later */
	uint8_t flags;	    /* 1.17 and later */
	uint32_t n_funcdata;
	uint64_t pcdata; /* where its tables of values are: offset in data */
};

/* False if it is damaged. */
bool pclntab_describe(const struct pclntab *t, uint32_t i, struct pclntab_description *ret);

/* The text at @offset behind the offset @base, NUL-terminated; NULL if it is not in the table. */
const char *pclntab_string(const struct pclntab *t, uint64_t base, uint64_t offset);

/*
 * A table of values that hold for stretches of a function: pairs of a signed difference of the
 * value and a difference of the address up to which it holds, both as LEB128, from -1 and the
 * start of the function on.
 */
struct pclntab_values {
	struct cursor cursor;
	uint64_t start;
	uint64_t from, pc; /* the stretch that was read last */
	int64_t value;	   /* of 32 bits */
};

struct pclntab_values pclntab_values_of(const struct pclntab *t, uint32_t table, uint64_t start);
/* Reads the next stretch; false where the table ends or cannot be true. */
bool pclntab_values_next(struct pclntab_values *v);
