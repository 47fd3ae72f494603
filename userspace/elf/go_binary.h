/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program written in Go: where in the file its function table is, where the code that the table
 * is about begins, and where the descriptions of inlined calls are.
 *
 * The last is known to the runtime only (go_module.h). Which of its words is the one that is wanted
 * is tried out: where it points to has to hold together as descriptions of inlined calls.
 * Since 1.26 it is only the runtime that knows where the code begins, too.
 *
 * Before 1.18 functions have the addresses of their own calls, and which of the layouts of that
 * time is theirs is tried out in the same way.
 *
 * How it can be wrong: inlined calls are not found if the runtime's data was encrypted or
 * rearranged by those who obfuscate; then calls is NULL. Before 1.9 no program has descriptions of
 * them.
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
	uint64_t address;		    /* of the table */
	const struct go_call_layout *calls; /* of its inlined calls; NULL = not found */
	uint64_t function_data; /* address that their offsets count from; 0 before 1.18 */
};

/*
 * Descriptions of inlined calls in a version of Go: src/runtime/symtab.go or symtabinl.go,
 * inlinedCall; the numbers are in src/runtime/funcdata.h, since 1.21 in src/internal/abi/symtab.go.
 */
struct go_call_layout {
	uint8_t version;	  /* of the table: enum in pclntab_read.h */
	uint8_t pcdata, funcdata; /* numbers of a function's tables: which call, what calls */
	uint8_t size;		  /* of a description */
	uint8_t name, parent_pc, start_line; /* where they are in it; 0 = not there */
	bool is_before_1_12;
};

/* An inlined call, of any version. Where the source says that the call is: */
struct go_inlined_call {
	const char *function; /* NUL-terminated in the table */
	bool has_parent_pc;   /* 1.12 and later */
	uint32_t parent_pc;   /* from the start of the function */
	int32_t parent;	      /* before: the call that it is in, -1 = the function itself, */
	uint32_t file, line;  /* and the number of the file, with the line */
	uint32_t start_line;  /* of the function that is called; 1.20 and later, else 0 */
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
