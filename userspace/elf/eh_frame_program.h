/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual machine of call frame information: what eh_frame.c needs of it. Registers other than
 * those that the unwinder follows (RBX, RBP, RSP and the return address) are read over.
 */
#pragma once

#include "elf/eh_frame.h"
#include "elf/eh_frame_cursor.h"

/* GCC nests remember_state once; hand-written code was seen to need no more than two. */
#define CFI_MAX_REMEMBERED 16

enum cfi_where {
	CFI_SAME = 0,
	CFI_DEFAULT,	 /* nothing was said: for RSP the CFA, for the rest the same value */
	CFI_AT_CFA,	 /* *(CFA + offset) */
	CFI_AT_REGISTER, /* *(reg + offset) */
	CFI_IN_REGISTER,
	CFI_VALUE, /* CFA + offset itself */
	CFI_UNDEFINED,
	CFI_EXPRESSION, /* of an unknown form */
};

struct cfi_place {
	uint8_t where;
	uint8_t reg;
	int64_t offset;
};

enum cfi_cfa {
	CFI_CFA_MISSING = 0,
	CFI_CFA_REGISTER,
	CFI_CFA_PLT,	  /* add: the n of (pc & 15) >= n */
	CFI_CFA_DEREF,	  /* *(reg + offset) + add */
	CFI_CFA_DEREF_R9, /* *(rsp + 8 * r9 + offset) + add */
	CFI_CFA_EXPRESSION,
};

enum cfi_column { CFI_RBX, CFI_RBP, CFI_RSP, CFI_RIP, CFI_COLUMNS };

struct cfi_state {
	uint8_t cfa;
	uint64_t cfa_reg; /* as written: may be a register that does not exist */
	int64_t cfa_offset;
	int64_t cfa_add;
	bool eh_return; /* on the way to a landing pad, see cfi_state_rule() */
	struct cfi_place columns[CFI_COLUMNS];
};

struct cfi_cie {
	uint32_t offset; /* in the section */
	uint8_t fde_encoding;
	bool augmented;	   /* 'z': FDEs carry augmentation data */
	bool signal_frame; /* 'S' */
	uint8_t refused;   /* enum cfi_cie_refusal */
	uint64_t code_align;
	int64_t data_align;
	struct cfi_state initial;
};

enum cfi_cie_refusal {
	CFI_CIE_GOOD = 0,
	CFI_CIE_DAMAGED,
	CFI_CIE_VERSION,
	CFI_CIE_AUGMENTATION,
};

#define DW_EH_PE_OMIT 0xff

/*
 * Reads a pointer encoded as the low seven bits of @encoding say (DW_EH_PE_*). False if it cannot
 * be done: indirect, relative to something unknown, or cut off.
 */
bool cfi_read_pointer(const struct cfi_section *section, struct cursor *c, uint8_t encoding,
		      uint64_t *ret);

/* Executes the initial instructions of a CIE; false if they are damaged. */
bool cfi_run_initial(struct cfi_cie *cie, struct cursor program);

/*
 * What a CFA expression computes, if it is one of the forms that compilers, linkers and OpenSSL
 * write; CFI_CFA_EXPRESSION if not. Fills the cfa fields of @state.
 */
void cfi_recognise_cfa(struct cursor c, struct cfi_state *state);
/* The place that a register's expression computes; .where CFI_EXPRESSION if it is unknown. */
struct cfi_place cfi_recognise_place(struct cursor c);

/* The unwinder's rule for a state. */
void cfi_state_rule(const struct cfi_state *state, bool signal_frame, struct unwind_rule *ret);
