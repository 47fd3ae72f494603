/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The function table of Go binaries (.gopclntab), which survives stripping: where functions begin,
 * what they are called, and how far RSP is from the caller's at each instruction. Versions of Go
 * 1.2, 1.16, 1.18 and 1.20 and later. What it says of source lines is read by go_lines.h.
 *
 * Format: src/runtime/symtab.go (pcHeader, _func), src/internal/abi/symtab.go (flags),
 * src/debug/gosym/pclntab.go. The bytes may be hostile and must outlive the table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/eh_frame.h"

struct pclntab {
	const uint8_t *data;
	size_t size;
	uint8_t version;     /* enum in pclntab_read.h */
	bool is_before_1_12; /* counts of tables have four bytes; known to go_inlined.c only */
	uint32_t n_functions;
	uint64_t text;		/* virtual address that 1.18 counts from */
	const uint8_t *functab; /* of functions: address, offset of the description */
	size_t functab_size;
	uint64_t descriptions, names, units, files, tables; /* offsets in data */
};

enum pclntab_kind {
	PCLNTAB_PLAIN,	/* its table of RSP deltas describes it */
	PCLNTAB_END,	/* nothing calls it: goexit, mstart, the entry point */
	PCLNTAB_SWITCH, /* changes stacks: only the chain of frame pointers leads on */
	PCLNTAB_SIGNAL, /* rt_sigreturn, one byte early */
};

struct pclntab_function {
	uint64_t start, end; /* virtual addresses */
	uint32_t deltas;     /* offset of its table of RSP deltas; 0 = it has none */
	enum pclntab_kind kind;
};

/* Whether the eight bytes at @data are what a table begins with. */
bool pclntab_looks_like(const uint8_t *data);

/*
 * -EBADMSG if it is no table of a known version, or its addresses are not for this machine. Where
 * ret->text is 0 the table leaves it to the loader; it is for the caller to find it out then.
 */
int pclntab_read(const uint8_t *data, size_t size, struct pclntab *ret);

/* Function @i, in the order of addresses; false if its description is damaged. */
bool pclntab_function(const struct pclntab *t, uint32_t i, struct pclntab_function *ret);

/* The number of the function that covers a virtual address; false if there is none. */
bool pclntab_find(const struct pclntab *t, uint64_t address, uint32_t *ret);

/* The offset in data before which all names end. */
size_t pclntab_names_end(const struct pclntab *t);

/* The name, NUL-terminated within the table; NULL if it is damaged. */
const char *pclntab_name(const struct pclntab *t, uint32_t i);

/* The rows of a function, as cfi_fde_run() gives them. */
void pclntab_rows(const struct pclntab *t, const struct pclntab_function *f, cfi_row_fn row,
		  void *userdata);
