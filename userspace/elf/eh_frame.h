/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call frame information: the .eh_frame and .debug_frame sections of x86-64 ELF files.
 *
 * cfi_index_read() finds the descriptions (FDEs) of a section; cfi_fde_run() executes one and gives
 * its rows as rules for the unwinder. Everything is a function over bytes in memory, which may be
 * hostile: what cannot be read is counted and left out, and never more than a fixed amount of work
 * is done per byte. The section's bytes must outlive the index.
 *
 * DWARF 5 section 6.4; the differences of .eh_frame: Linux Standard Base, Core, 10.6.1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind_abi.h"

struct cfi_section {
	const uint8_t *data;
	size_t size;
	uint64_t address; /* virtual, of data[0]; pointers are relative to where they stand */
	bool debug_frame; /* else .eh_frame */
	bool open_end;	  /* the size is only an upper bound: the first terminator is the end */
};

/* What was left out, and why. X(name, "help"). */
#define CFI_REFUSALS(X)                                                                            \
	X(truncated, "entries cut off by the end of their section")                                \
	X(cie, "FDEs whose CIE is missing or damaged")                                             \
	X(version, "FDEs whose CIE has an unknown version")                                        \
	X(augmentation, "FDEs whose CIE has an unknown augmentation")                              \
	X(encoding, "FDEs whose addresses are encoded in an unknown way")                          \
	X(empty, "FDEs that describe no code")                                                     \
	X(discarded, "FDEs of code that the linker discarded")                                     \
	X(too_many, "FDEs beyond the limit")                                                       \
	X(program, "FDEs whose program could not be executed to its end")

struct cfi_refusals {
#define X(name, help) uint32_t name;
	CFI_REFUSALS(X)
#undef X
};

/* One FDE: the code [start, end) and the program that describes it. */
struct cfi_fde {
	uint64_t start, end;
	uint32_t cie; /* index in cies */
	uint32_t program_size;
	const uint8_t *program;
};

struct cfi_index {
	struct cfi_section section;
	struct cfi_cie *cies; /* in the order of their offsets */
	struct cfi_fde *fdes; /* in the order of the section */
	size_t n_cies, n_fdes;
	struct cfi_refusals refused;
};

/*
 * Finds the entries of @section. Damage is counted, not an error: only -ENOMEM is, or -EFBIG for a
 * section of 4 GiB and more. @ret is to be given to cfi_index_done() after success.
 */
int cfi_index_read(const struct cfi_section *section, struct cfi_index *ret);
void cfi_index_done(struct cfi_index *index);

/* From @pc on @rule holds, until the next call or the end of the FDE. */
typedef void (*cfi_row_fn)(void *userdata, uint64_t pc, const struct unwind_rule *rule);

/*
 * Gives the rows of one FDE, the first at its start, with rising addresses, all within it. Where
 * the program is damaged a last row says UNSUPPORTED, and it is counted in index->refused.program.
 */
void cfi_fde_run(struct cfi_index *index, const struct cfi_fde *fde, cfi_row_fn row,
		 void *userdata);
