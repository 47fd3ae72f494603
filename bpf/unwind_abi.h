/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unwinding tables as BPF and user space share them.
 *
 * Code is addressed by its offset in the file, never by virtual address: one table serves every
 * process that maps the file. A table is cut into pages of 64 KiB of file; a page is a sorted array
 * of 4-byte rows, and a row says which rule holds from its address on, until the next row. The
 * first row of a page is at 0 and repeats the rule in force, so that a page can be searched without
 * looking at its neighbours. Rules are interned: the machine has a few thousand distinct ones.
 *
 * From a file to a rule, four maps, each filled before the one that leads to it:
 *
 *   unwind_files     ARRAY of struct unwind_file, slot = file id % UNWIND_FILE_SLOTS
 *   unwind_pages     ARRAY of struct unwind_page
 *   unwind_segments  ARRAY_OF_MAPS of ARRAYs of one value, struct unwind_segment (1 MiB)
 *   unwind_rules     ARRAY of struct unwind_rule
 *
 * User space writes through mmap and publishes with the last store, that of unwind_file.file_id. It
 * withdraws by clearing file_id, and may use the pages and rows for something else only after an
 * RCU grace period (membarrier(MEMBARRIER_CMD_GLOBAL) waits for one), since a BPF program keeps
 * what it has looked up until it returns. Rules are never withdrawn.
 *
 * Registers have their DWARF numbers.
 */
#pragma once

#include <linux/types.h>

#define UNWIND_PAGE_SHIFT    16
#define UNWIND_PAGE_SIZE     (1U << UNWIND_PAGE_SHIFT)
#define UNWIND_MAX_PAGES     (1U << 17) /* 8 GiB of text */
#define UNWIND_SEGMENT_SHIFT 18
#define UNWIND_SEGMENT_ROWS  (1U << UNWIND_SEGMENT_SHIFT)
#define UNWIND_MAX_SEGMENTS  1024
#define UNWIND_MAX_RULES     65536
#define UNWIND_FILE_SLOTS    65536
#define UNWIND_SEARCH_STEPS  17 /* halves 65,536 rows, the most a page can have, to one */

struct unwind_row {
	__u16 pc_low; /* of the file offset */
	__u16 rule;
};

/* Rows of one page lie in one segment. */
struct unwind_segment {
	struct unwind_row rows[UNWIND_SEGMENT_ROWS];
};

struct unwind_page {
	__u32 row;    /* segment << UNWIND_SEGMENT_SHIFT | index in it */
	__u32 n_rows; /* 0: no code, every address is a gap */
};

struct unwind_file {
	__u32 file_id;	  /* ABI_FILE_ID_NONE: the slot is empty */
	__u32 page;	  /* index in unwind_pages of the file's first page that has rows */
	__u32 first_page; /* which page of the file that is: file offset >> UNWIND_PAGE_SHIFT */
	__u32 n_pages;
};

/* DWARF numbers of x86-64. */
enum unwind_register {
	UNWIND_RAX = 0,
	UNWIND_RDX = 1,
	UNWIND_RCX = 2,
	UNWIND_RBX = 3,
	UNWIND_RSI = 4,
	UNWIND_RDI = 5,
	UNWIND_RBP = 6,
	UNWIND_RSP = 7,
	UNWIND_R8 = 8,
	UNWIND_R9 = 9,
	UNWIND_R10 = 10,
	UNWIND_R15 = 15,
	UNWIND_REGISTERS = 16,
	UNWIND_RIP = 16, /* the column of the return address */
};

/* How the canonical frame address (the stack pointer before the call) is found. */
enum unwind_cfa {
	UNWIND_CFA_GAP = 0,  /* no rule: padding, hand-written assembler, data in text */
	UNWIND_CFA_END,	     /* the outermost frame */
	UNWIND_CFA_REGISTER, /* cfa_reg + cfa_offset */
	UNWIND_CFA_PLT,	     /* RSP + 8, 8 more if (pc & 15) >= cfa_add: a lazy binding stub */
	UNWIND_CFA_DEREF,    /* *(cfa_reg + cfa_offset) + cfa_add */
	UNWIND_CFA_DEREF_R9, /* *(RSP + 8 * R9 + cfa_offset) + cfa_add, OpenSSL's bn_mul_mont */
	UNWIND_CFA_SIGNAL,   /* a frame of rt_sigreturn: all registers from the sigcontext */
	UNWIND_CFA_FRAME_POINTER, /* caller's RBP and return address at RBP; no CFI says so */
	UNWIND_CFA_UNSUPPORTED,	  /* cfa_add is the reason, enum unwind_reason */
	UNWIND_CFA_KINDS
};

/*
 * Where the caller's value of a register is; with UNWIND_IN_REGISTER set the rest is the number of
 * the register that holds it. For the stack pointer AT_CFA means "the CFA itself".
 */
enum unwind_place {
	UNWIND_SAME = 0,
	UNWIND_AT_CFA,	/* *(CFA + offset) */
	UNWIND_AT_FP,	/* *(RBP + offset), RBP of this frame: functions that realign the stack */
	UNWIND_UNKNOWN, /* lost; a caller that needs it ends the stack as unsupported_rule */
	UNWIND_PLACES,
	UNWIND_IN_REGISTER = 0x80,
};

#define UNWIND_RULE_SIGNAL	 0x01 /* the caller has not called: its pc is exact */
#define UNWIND_RULE_STACK_SWITCH 0x02 /* the caller may be on another stack: RSP may go down */
#define UNWIND_RULE_FLAGS	 0x03

/* Why a rule is unsupported. X(name, "help"). */
#define UNWIND_REASONS(X)                                                                          \
	X(none, "supported")                                                                       \
	X(cfa_expression, "CFA expressions of an unknown form")                                    \
	X(cfa_register, "CFAs based on a register that is not tracked")                            \
	X(cfa_missing, "rows before any CFA was defined")                                          \
	X(ra_expression, "return addresses found by an expression or a value")                     \
	X(sp_expression, "stack pointers that are neither the CFA nor in a register")              \
	X(offset, "offsets that do not fit the rule")                                              \
	X(malformed, "code whose CFI program could not be read to its end")                        \
	X(overflow, "rules beyond the limit of distinct rules")

enum unwind_reason {
#define X(name, help) UNWIND_REASON_##name,
	UNWIND_REASONS(X)
#undef X
		UNWIND_REASONS_COUNT
};

#define UNWIND_BURST_WORDS 8

struct unwind_rule {
	__u8 cfa;     /* enum unwind_cfa */
	__u8 cfa_reg; /* REGISTER, DEREF */
	__u8 ra;      /* AT_CFA or IN_REGISTER */
	__u8 sp;      /* AT_CFA or IN_REGISTER */
	__u8 bp;
	__u8 bx;
	__u8 flags;
	/*
	 * If not 0, everything to be read lies in the so many words below the CFA, at multiples of
	 * 8, the return address in the highest: one read gets it all. At most UNWIND_BURST_WORDS.
	 */
	__u8 burst;
	__s32 cfa_offset;
	__s32 bp_offset;
	__s32 bx_offset;
	__s16 cfa_add;
	__s16 ra_offset;
};

/*
 * The registers of one frame, from step to step. `valid` has a bit for each register whose value is
 * known: all of them in the interrupted frame and after a signal frame; RSP and mostly RBP and RBX
 * in the others, and those that no rule restores and any function may change (UNWIND_SCRATCH), for
 * a caller whose rules count on them all the same: assembler that calls its own.
 */
struct unwind_frame {
	__u64 pc;
	__u64 regs[UNWIND_REGISTERS];
	__u32 valid;
	__u32 flags;	 /* UNWIND_RETURN_ADDRESS, UNWIND_BY_FRAME_POINTER */
	__u64 words[17]; /* room for what is read: a burst, or the registers of a sigcontext */
};

#define UNWIND_VALID_ALL	0xffffU
#define UNWIND_SCRATCH		0x0f37U /* RAX, RDX, RCX, RSI, RDI, R8 to R11 */
#define UNWIND_RETURN_ADDRESS	0x01	/* pc is behind a call: look up pc - 1 */
#define UNWIND_BY_FRAME_POINTER 0x02	/* found by one, or its rule says that it keeps them */

_Static_assert(sizeof(struct unwind_row) == 4, "the size that the memory budget is made of");
_Static_assert(sizeof(struct unwind_segment) == 1 << 20, "1 MiB, below KMALLOC_MAX_SIZE");
_Static_assert(sizeof(struct unwind_page) == 8, "no padding");
_Static_assert(sizeof(struct unwind_file) == 16, "no padding");
_Static_assert(sizeof(struct unwind_rule) == 24, "no padding: rules are interned by their bytes");
_Static_assert((UNWIND_FILE_SLOTS & (UNWIND_FILE_SLOTS - 1)) == 0, "slots by masking");
_Static_assert(UNWIND_SEGMENT_ROWS >= UNWIND_PAGE_SIZE, "a full page fits a segment");
_Static_assert((1U << (UNWIND_SEARCH_STEPS - 1)) == UNWIND_PAGE_SIZE, "steps halve a full page");
