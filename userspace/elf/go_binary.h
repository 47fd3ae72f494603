/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program written in Go: where in the file its function table is, where the code that the table
 * is about begins, and where the descriptions of inlined calls are.
 *
 * The last is known to the runtime only (moduledata in src/runtime/symtab.go, which has no version
 * and grows with each release). It is found by the pointer to the function table that it begins
 * with; which of its words is the one that is wanted is tried out: where it points to has to hold
 * together as descriptions of inlined calls.
 *
 * How it can be wrong: inlined calls are not found in programs before 1.13, nor in position
 * independent ones before 1.18, whose loader writes their addresses; nor if the runtime's data was
 * encrypted or rearranged by those who obfuscate. has_inlined_calls tells.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/elf_image.h"
#include "elf/pclntab.h"

struct go_binary {
	const struct elf_image *image; /* borrowed */
	void *data;		       /* the section that the table is in */
	struct pclntab table;
	uint64_t address; /* of the table */
	bool has_inlined_calls;
	uint8_t inlined_pcdata, inlined_funcdata; /* numbers of their tables */
	uint64_t function_data; /* address that their offsets count from; 0 before 1.18 */
};

/* An inlined call, of any version: src/runtime/symtab.go or symtabinl.go, inlinedCall. */
struct go_inlined_call {
	const char *function; /* NUL-terminated in the table */
	uint32_t parent_pc;  /* from the start of the function: where the source says the call is */
	uint32_t start_line; /* 1.20 and later, else 0 */
};

/*
 * Finds the table. -ENODATA if the file is not a program in Go; -EBADMSG if the table is damaged,
 * -EFBIG, -ENOMEM or -errno. The image must outlive it and stay where it is.
 */
int go_binary_open(const struct elf_image *image, struct go_binary *ret);
void go_binary_done(struct go_binary *b);

/* Finds out about inlined calls, which costs more than all the rest. */
void go_binary_find_inlined_calls(struct go_binary *b);

struct pclntab_description;

/* The address of the inlined calls of a function; false if it has none. */
bool go_binary_inlined_calls(const struct go_binary *b, const struct pclntab_description *d,
			     uint64_t *ret);
/* Call @i of those at @address; false if it is not there or makes no sense. */
bool go_binary_inlined_call(const struct go_binary *b, uint64_t address, uint32_t i,
			    struct go_inlined_call *ret);
