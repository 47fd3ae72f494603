/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One step of the unwinder: from a frame and its rule to the caller's frame. Compiled twice, as BPF
 * and for the host; it looks nothing up but rows in a segment it is given. Finding the mapping, the
 * file and the page of an address is the includer's affair. User memory is read by
 *
 *   unwind_read_user(frame, to, size, address)  0, or not 0 if any of it cannot be read
 *
 * which is env_read_user() of env.h, unless the includer has defined a macro of that name that
 * needs to know the frame.
 *
 * How it can be wrong: CFI that lies (hand-written assembler) gives a wrong caller; a frame pointer
 * that was used as a general register may pass the checks of unwind_frame_pointer().
 */
#pragma once

#include "abi.h"
#include "unwind_abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* The step was made; every other value of enum abi_stack_end is how the stack ended. */
#define UNWIND_GO_ON ABI_STACK_none

#ifndef unwind_read_user
#define unwind_read_user(frame, to, size, address) env_read_user(to, size, address)
#endif

#define UNWIND_BIT(reg) (1U << (reg))

/* A frame pointer farther up than this is not believed; the default stack limit is 8 MiB. */
#define UNWIND_MAX_GUESSED_FRAME (16ULL << 20)

/* Where registers are in the signal frame that rt_sigreturn finds at RSP: ucontext.uc_mcontext,
 * arch/x86/include/uapi/asm/sigcontext.h (struct sigcontext_64), which begins 40 bytes in. */
#define UNWIND_SIGCONTEXT_OFFSET 40
#define UNWIND_SIGCONTEXT_WORDS	 17

/*
 * The address to look up. A return address may be the first of the next function, if the call is
 * the last instruction of its own: one byte back it is inside the call.
 */
static __always_inline __u64 unwind_lookup_pc(const struct unwind_frame *s)
{
	return s->pc - (s->flags & UNWIND_RETURN_ADDRESS ? 1 : 0);
}

/*
 * The rule of @pc_low among @n_rows > 0 rows of a page beginning at @first: that of the last row
 * that is not above it. @n_rows is at most UNWIND_PAGE_SIZE.
 */
static __always_inline __u32 unwind_find_rule(const struct unwind_segment *segment, __u32 first,
					      __u32 n_rows, __u16 pc_low)
{
#ifdef __clang__
#pragma clang loop unroll(disable)
#endif
	for (int i = 0; i < UNWIND_SEARCH_STEPS; i++) {
		__u32 half = n_rows >> 1;

		if (!half)
			break;
		if (segment->rows[(first + half) & (UNWIND_SEGMENT_ROWS - 1)].pc_low <= pc_low)
			first += half;
		n_rows -= half;
	}
	return segment->rows[first & (UNWIND_SEGMENT_ROWS - 1)].rule;
}

/*
 * Enters the caller's frame; @pc == 0 is a bottom that has no rule: of a coroutine, of clone() in
 * old C libraries.
 */
static __always_inline int unwind_enter(struct unwind_frame *s, __u64 pc, __u32 valid, __u32 flags)
{
	if (!pc)
		return ABI_STACK_complete;
	s->pc = pc;
	s->valid = valid;
	s->flags = flags;
	return UNWIND_GO_ON;
}

static __always_inline int unwind_signal_frame(struct unwind_frame *s)
{
	if (unwind_read_user(s, s->words, UNWIND_SIGCONTEXT_WORDS * sizeof(__u64),
			     s->regs[UNWIND_RSP] + UNWIND_SIGCONTEXT_OFFSET))
		return ABI_STACK_unreadable;
	for (int i = 0; i < 8; i++)
		s->regs[UNWIND_R8 + i] = s->words[i];
	s->regs[UNWIND_RDI] = s->words[8];
	s->regs[UNWIND_RSI] = s->words[9];
	s->regs[UNWIND_RBP] = s->words[10];
	s->regs[UNWIND_RBX] = s->words[11];
	s->regs[UNWIND_RDX] = s->words[12];
	s->regs[UNWIND_RAX] = s->words[13];
	s->regs[UNWIND_RCX] = s->words[14];
	s->regs[UNWIND_RSP] = s->words[15];
	return unwind_enter(s, s->words[16], UNWIND_VALID_ALL, 0);
}

/*
 * The caller by frame pointer. Without UNWIND_RULE_STACK_SWITCH in @flags the frame must lie up the
 * stack, and not too far.
 *
 * The ABI wants RBP to be 0 in the outermost frame (System V ABI, AMD64, 3.4.1), which ends a chain
 * of frame pointers, as a return address of 0 does. But in code that keeps none RBP may be 0 for
 * any reason, or still be 0 from there, or point at any zeros: it is the end only behind a frame
 * that was found by one, or where a rule says that there are some.
 */
static __always_inline int unwind_frame_pointer(struct unwind_frame *s, __u32 flags)
{
	__u64 bp = s->regs[UNWIND_RBP];
	__u64 sp = s->regs[UNWIND_RSP];

	if (!(s->valid & UNWIND_BIT(UNWIND_RBP)))
		return ABI_STACK_unsupported_rule;
	if (!bp)
		return s->flags & UNWIND_BY_FRAME_POINTER ? ABI_STACK_complete
							  : ABI_STACK_no_frame_pointer;
	if (bp & 7)
		return ABI_STACK_bad_frame_pointer;
	if (!(flags & UNWIND_RULE_STACK_SWITCH) && (bp < sp || bp - sp > UNWIND_MAX_GUESSED_FRAME))
		return ABI_STACK_bad_frame_pointer;
	if (unwind_read_user(s, s->words, 16, bp))
		return ABI_STACK_unreadable;
	if (!s->words[1] && !(s->flags & UNWIND_BY_FRAME_POINTER))
		return ABI_STACK_bad_frame_pointer;
	s->regs[UNWIND_RSP] = bp + 16;
	s->regs[UNWIND_RBP] = s->words[0];
	return unwind_enter(s, s->words[1], UNWIND_BIT(UNWIND_RSP) | UNWIND_BIT(UNWIND_RBP),
			    UNWIND_RETURN_ADDRESS | UNWIND_BY_FRAME_POINTER);
}

/*
 * The caller of interrupted code that has no rule, if the code has not touched the stack: the word
 * at RSP. The includer must ask whether *@ret_pc lies in executable memory before it believes it
 * and calls unwind_guess_leaf(); if not, unwind_frame_pointer() is the other guess.
 */
static __always_inline int unwind_peek_leaf(struct unwind_frame *s, __u64 *ret_pc)
{
	if (unwind_read_user(s, s->words, 8, s->regs[UNWIND_RSP]))
		return ABI_STACK_unreadable;
	*ret_pc = s->words[0];
	return UNWIND_GO_ON;
}

/*
 * What a rule changes in a frame. Assembler may have one rule for all of its code that does not
 * know of calls within: in LuaJIT's interpreter what math.floor() calls pushes a return address
 * that its rule, RSP + 80, does not count (lj_vm_floor and others in vm_x64.dasc). The rule then
 * takes a word beside it for the return address: a saved register, often 0.
 *
 * It shows by a caller that is none. Such a rule is taken back, and if the word at the top of the
 * stack lies in the same mapping as the interrupted code, it is the return address. If not, the
 * stack ends as the rule said.
 */
struct unwind_before {
	__u64 sp, bp, bx;
};

static __always_inline void unwind_keep(const struct unwind_frame *s, struct unwind_before *before)
{
	before->sp = s->regs[UNWIND_RSP];
	before->bp = s->regs[UNWIND_RBP];
	before->bx = s->regs[UNWIND_RBX];
}

/* For unwind_peek_leaf() and unwind_guess_leaf(): all else is of the caller that was found. */
static __always_inline void unwind_take_back(struct unwind_frame *s,
					     const struct unwind_before *before)
{
	s->regs[UNWIND_RSP] = before->sp;
	s->regs[UNWIND_RBP] = before->bp;
	s->regs[UNWIND_RBX] = before->bx;
}

/* Can it be so: interrupted code with a rule that reads the return address? */
static __always_inline bool unwind_is_checked(const struct unwind_frame *s,
					      const struct unwind_rule *r)
{
	return s->valid == UNWIND_VALID_ALL &&
	       (r->cfa == UNWIND_CFA_REGISTER || r->cfa == UNWIND_CFA_DEREF);
}

/* @end: how the stack ends in what the rule has found. */
static __always_inline bool unwind_leads_nowhere(int end)
{
	return end == ABI_STACK_complete || end == ABI_STACK_no_mapping ||
	       end == ABI_STACK_not_executable;
}

static __always_inline int unwind_guess_leaf(struct unwind_frame *s, __u64 pc)
{
	s->regs[UNWIND_RSP] += 8;
	return unwind_enter(s, pc,
			    UNWIND_BIT(UNWIND_RSP) | UNWIND_BIT(UNWIND_RBP) |
				    UNWIND_BIT(UNWIND_RBX) | UNWIND_SCRATCH,
			    UNWIND_RETURN_ADDRESS);
}

static __always_inline int unwind_is_valid(const struct unwind_frame *s, __u32 reg)
{
	return (s->valid >> (reg & 15)) & 1;
}

static __always_inline int unwind_find_cfa(struct unwind_frame *s, const struct unwind_rule *r,
					   __u64 *ret_cfa)
{
	__u64 base = s->regs[r->cfa_reg & 15] + (__s64)r->cfa_offset;
	__u64 sp = s->regs[UNWIND_RSP];

	switch (r->cfa) {
	case UNWIND_CFA_REGISTER:
		if (!unwind_is_valid(s, r->cfa_reg))
			return ABI_STACK_unsupported_rule;
		*ret_cfa = base;
		return UNWIND_GO_ON;
	case UNWIND_CFA_PLT:
		*ret_cfa = sp + 8 + ((s->pc & 15) >= (__u64)(__s64)r->cfa_add ? 8 : 0);
		return UNWIND_GO_ON;
	case UNWIND_CFA_DEREF:
		if (!unwind_is_valid(s, r->cfa_reg))
			return ABI_STACK_unsupported_rule;
		break;
	case UNWIND_CFA_DEREF_R9:
		if (!unwind_is_valid(s, UNWIND_R9))
			return ABI_STACK_unsupported_rule;
		base = sp + 8 * s->regs[UNWIND_R9] + (__s64)r->cfa_offset;
		break;
	default:
		return ABI_STACK_unsupported_rule;
	}
	if (unwind_read_user(s, s->words, 8, base))
		return ABI_STACK_unreadable;
	*ret_cfa = s->words[0] + (__s64)r->cfa_add;
	return UNWIND_GO_ON;
}

/*
 * The caller's value of RBP or RBX. A slot below the stack pointer has been popped: the register
 * has its old value again, and a signal handler may have written over the slot. @floor is 0 where
 * the rule does not speak of the current stack.
 */
static __always_inline int unwind_restore(struct unwind_frame *s, __u32 reg, __u8 place,
					  __u64 slot_at_cfa, __u64 slot_at_fp, __u64 floor,
					  __u64 *ret_value, __u32 *valid)
{
	__u64 slot = place == UNWIND_AT_FP ? slot_at_fp : slot_at_cfa;

	*ret_value = s->regs[reg];
	if (place & UNWIND_IN_REGISTER) {
		*ret_value = s->regs[place & 15];
		if (unwind_is_valid(s, place))
			*valid |= UNWIND_BIT(reg);
		return UNWIND_GO_ON;
	}
	if (place == UNWIND_UNKNOWN)
		return UNWIND_GO_ON;
	if (place == UNWIND_SAME || slot < floor) {
		*valid |= s->valid & UNWIND_BIT(reg);
		return UNWIND_GO_ON;
	}
	if (place == UNWIND_AT_FP && !unwind_is_valid(s, UNWIND_RBP))
		return UNWIND_GO_ON;
	if (unwind_read_user(s, s->words, 8, slot))
		return ABI_STACK_unreadable;
	*ret_value = s->words[0];
	*valid |= UNWIND_BIT(reg);
	return UNWIND_GO_ON;
}

/* The caller when all that is saved lies in a burst of words that end at the CFA. */
static __always_inline int unwind_apply_burst(struct unwind_frame *s, const struct unwind_rule *r,
					      __u64 cfa)
{
	__u32 n = r->burst;
	__u32 valid = UNWIND_BIT(UNWIND_RSP) | (s->valid & UNWIND_SCRATCH);

	if (n > UNWIND_BURST_WORDS)
		return ABI_STACK_internal;
	if (unwind_read_user(s, s->words, n * 8, cfa - n * 8))
		return ABI_STACK_unreadable;
	if (r->bp == UNWIND_AT_CFA) {
		s->regs[UNWIND_RBP] = s->words[(n + (r->bp_offset >> 3)) & 7];
		valid |= UNWIND_BIT(UNWIND_RBP);
	} else if (r->bp == UNWIND_SAME) {
		valid |= s->valid & UNWIND_BIT(UNWIND_RBP);
	}
	if (r->bx == UNWIND_AT_CFA) {
		s->regs[UNWIND_RBX] = s->words[(n + (r->bx_offset >> 3)) & 7];
		valid |= UNWIND_BIT(UNWIND_RBX);
	} else if (r->bx == UNWIND_SAME) {
		valid |= s->valid & UNWIND_BIT(UNWIND_RBX);
	}
	s->regs[UNWIND_RSP] = cfa;
	return unwind_enter(s, s->words[(n - 1) & 7], valid,
			    r->flags & UNWIND_RULE_SIGNAL ? 0 : UNWIND_RETURN_ADDRESS);
}

/* The caller by any rule that has a CFA, one read for each thing saved. */
static __always_inline int unwind_apply_slow(struct unwind_frame *s, const struct unwind_rule *r,
					     __u64 cfa)
{
	__u64 floor = r->sp == UNWIND_AT_CFA ? s->regs[UNWIND_RSP] : 0;
	__u64 bp = s->regs[UNWIND_RBP];
	__u32 valid = UNWIND_BIT(UNWIND_RSP) | (s->valid & UNWIND_SCRATCH);
	__u64 new_bp, new_bx, pc, sp = cfa;
	int end;

	if (r->ra & UNWIND_IN_REGISTER) {
		if (!unwind_is_valid(s, r->ra))
			return ABI_STACK_unsupported_rule;
		pc = s->regs[r->ra & 15];
	} else {
		if (unwind_read_user(s, s->words, 8, cfa + (__s64)r->ra_offset))
			return ABI_STACK_unreadable;
		pc = s->words[0];
	}
	if (r->sp & UNWIND_IN_REGISTER) {
		if (!unwind_is_valid(s, r->sp))
			return ABI_STACK_unsupported_rule;
		sp = s->regs[r->sp & 15];
	}
	end = unwind_restore(s, UNWIND_RBP, r->bp, cfa + (__s64)r->bp_offset,
			     bp + (__s64)r->bp_offset, floor, &new_bp, &valid);
	if (end)
		return end;
	end = unwind_restore(s, UNWIND_RBX, r->bx, cfa + (__s64)r->bx_offset,
			     bp + (__s64)r->bx_offset, floor, &new_bx, &valid);
	if (end)
		return end;
	s->regs[UNWIND_RSP] = sp;
	s->regs[UNWIND_RBP] = new_bp;
	s->regs[UNWIND_RBX] = new_bx;
	return unwind_enter(s, pc, valid,
			    r->flags & UNWIND_RULE_SIGNAL ? 0 : UNWIND_RETURN_ADDRESS);
}

/*
 * Makes @s the caller's frame, or returns how the stack ends. ABI_STACK_no_rule is for the includer
 * to try a guess on; @s is then untouched.
 */
static __always_inline int unwind_apply(struct unwind_frame *s, const struct unwind_rule *r)
{
	__u64 cfa, sp = s->regs[UNWIND_RSP];
	int end;

	switch (r->cfa) {
	case UNWIND_CFA_GAP:
		return ABI_STACK_no_rule;
	case UNWIND_CFA_END:
		return ABI_STACK_complete;
	case UNWIND_CFA_SIGNAL:
		return unwind_signal_frame(s);
	case UNWIND_CFA_FRAME_POINTER:
		s->flags |= UNWIND_BY_FRAME_POINTER;
		return unwind_frame_pointer(s, r->flags);
	}
	end = unwind_find_cfa(s, r, &cfa);
	if (end)
		return end;
	/*
	 * A call pushes, so the caller's stack begins above ours, and it is aligned. The exceptions
	 * are code that changes stacks (longjmp's CFA is the jmp_buf), and interrupted code whose
	 * CFA is kept in a register that is not the stack pointer.
	 */
	if (r->sp == UNWIND_AT_CFA && !(r->flags & UNWIND_RULE_STACK_SWITCH) && cfa <= sp &&
	    s->valid != UNWIND_VALID_ALL)
		return ABI_STACK_bad_frame_pointer;
	if (cfa & 7)
		return ABI_STACK_bad_frame_pointer;
	if (r->burst && cfa - 8 * (__u64)r->burst >= sp)
		return unwind_apply_burst(s, r, cfa);
	return unwind_apply_slow(s, r, cfa);
}
