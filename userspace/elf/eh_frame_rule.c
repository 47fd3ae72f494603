/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the state of the CFI machine to a rule of the unwinder: which expressions are known, and
 * what becomes of states that a rule cannot say. Nothing is approximated: a state that does not fit
 * is UNSUPPORTED with its reason, and a register that does not is UNKNOWN.
 */
#include "elf/eh_frame_program.h"

enum {
	OP_DEREF = 0x06,
	OP_AND = 0x1a,
	OP_MUL = 0x1e,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_GE = 0x2a,
	OP_LIT0 = 0x30,
	OP_BREG0 = 0x70,
};

/* breg N, offset: the start of all forms. */
static bool take_breg(struct cursor *c, uint64_t *ret_reg, int64_t *ret_offset)
{
	uint8_t op = cursor_u8(c);

	if (c->bad || op < OP_BREG0 || op > OP_BREG0 + UNWIND_RIP)
		return false;
	*ret_reg = op - OP_BREG0;
	*ret_offset = cursor_sleb(c);
	return !c->bad;
}

static bool take_bytes(struct cursor *c, const void *bytes, size_t size)
{
	if (cursor_left(c) < size || memcmp(c->at, bytes, size))
		return false;
	c->at += size;
	return true;
}

/* Any number of plus_uconst up to the end. */
static bool take_additions(struct cursor *c, int64_t *sum)
{
	while (cursor_left(c)) {
		if (cursor_u8(c) != OP_PLUS_UCONST)
			return false;
		*sum = (int64_t)((uint64_t)*sum + cursor_uleb(c));
	}
	return !c->bad;
}

/*
 * What linkers write for lazy binding stubs, which push 8 bytes at some point of their 16:
 * rsp + 8 + (((rip & 15) >= n) << 3).
 */
static bool recognise_plt(struct cursor c, int64_t *ret_n)
{
	static const uint8_t head[] = { OP_BREG0 + UNWIND_RSP, 8,     OP_BREG0 + UNWIND_RIP, 0,
					OP_LIT0 + 15,	       OP_AND };
	static const uint8_t tail[] = { OP_GE, OP_LIT0 + 3, OP_SHL, OP_PLUS };
	uint8_t literal;

	if (!take_bytes(&c, head, sizeof(head)))
		return false;
	literal = cursor_u8(&c);
	if (literal < OP_LIT0 || literal > OP_LIT0 + 15 || !take_bytes(&c, tail, sizeof(tail)) ||
	    cursor_left(&c))
		return false;
	*ret_n = literal - OP_LIT0;
	return true;
}

void cfi_recognise_cfa(struct cursor c, struct cfi_state *state)
{
	static const uint8_t plus_8_r9[] = {
		OP_BREG0 + UNWIND_R9, 0, OP_LIT0 + 8, OP_MUL, OP_PLUS, OP_DEREF
	};
	static const uint8_t deref[] = { OP_DEREF };
	uint64_t reg;
	int64_t offset, n, add = 0;

	state->cfa = CFI_CFA_EXPRESSION;
	if (recognise_plt(c, &n)) {
		state->cfa = CFI_CFA_PLT;
		state->cfa_add = n;
		return;
	}
	if (!take_breg(&c, &reg, &offset) || reg >= UNWIND_REGISTERS)
		return;
	if (take_bytes(&c, deref, sizeof(deref))) {
		if (!take_additions(&c, &add))
			return;
		state->cfa = CFI_CFA_DEREF;
	} else if (reg == UNWIND_RSP && take_bytes(&c, plus_8_r9, sizeof(plus_8_r9))) {
		if (!take_additions(&c, &add))
			return;
		state->cfa = CFI_CFA_DEREF_R9;
	} else {
		if (!take_additions(&c, &offset))
			return;
		state->cfa = CFI_CFA_REGISTER;
	}
	state->cfa_reg = reg;
	state->cfa_offset = offset;
	state->cfa_add = add;
}

struct cfi_place cfi_recognise_place(struct cursor c)
{
	struct cfi_place place = { .where = CFI_EXPRESSION };
	uint64_t reg;
	int64_t offset;

	if (take_breg(&c, &reg, &offset) && reg < UNWIND_REGISTERS && !cursor_left(&c)) {
		place.where = CFI_AT_REGISTER;
		place.reg = (uint8_t)reg;
		place.offset = offset;
	}
	return place;
}

static bool fits_s32(int64_t v)
{
	return v >= INT32_MIN && v <= INT32_MAX;
}

static bool fits_s16(int64_t v)
{
	return v >= INT16_MIN && v <= INT16_MAX;
}

static void unsupported(struct unwind_rule *rule, enum unwind_reason reason)
{
	*rule = (struct unwind_rule){ .cfa = UNWIND_CFA_UNSUPPORTED, .cfa_add = (__s16)reason };
}

static enum unwind_reason set_cfa(const struct cfi_state *s, struct unwind_rule *rule)
{
	static const uint8_t kinds[] = {
		[CFI_CFA_REGISTER] = UNWIND_CFA_REGISTER,
		[CFI_CFA_PLT] = UNWIND_CFA_PLT,
		[CFI_CFA_DEREF] = UNWIND_CFA_DEREF,
		[CFI_CFA_DEREF_R9] = UNWIND_CFA_DEREF_R9,
	};

	if (s->cfa == CFI_CFA_MISSING)
		return UNWIND_REASON_cfa_missing;
	if (s->cfa == CFI_CFA_EXPRESSION)
		return UNWIND_REASON_cfa_expression;
	rule->cfa = kinds[s->cfa];
	rule->cfa_add = (__s16)s->cfa_add;
	if (!fits_s16(s->cfa_add))
		return UNWIND_REASON_offset;
	if (s->cfa == CFI_CFA_PLT)
		return UNWIND_REASON_none;
	if (s->cfa_reg >= UNWIND_REGISTERS)
		return UNWIND_REASON_cfa_register;
	if (!fits_s32(s->cfa_offset))
		return UNWIND_REASON_offset;
	rule->cfa_reg = s->cfa == CFI_CFA_DEREF_R9 ? 0 : (__u8)s->cfa_reg;
	rule->cfa_offset = (__s32)s->cfa_offset;
	return UNWIND_REASON_none;
}

static enum unwind_reason set_return_address(const struct cfi_place *p, struct unwind_rule *rule)
{
	if (p->where == CFI_IN_REGISTER) {
		rule->ra = UNWIND_IN_REGISTER | p->reg;
		return UNWIND_REASON_none;
	}
	if (p->where != CFI_AT_CFA)
		return UNWIND_REASON_ra_expression;
	if (!fits_s16(p->offset))
		return UNWIND_REASON_offset;
	rule->ra = UNWIND_AT_CFA;
	rule->ra_offset = (__s16)p->offset;
	return UNWIND_REASON_none;
}

static enum unwind_reason set_stack_pointer(const struct cfi_place *p, struct unwind_rule *rule)
{
	if (p->where == CFI_DEFAULT || (p->where == CFI_VALUE && !p->offset)) {
		rule->sp = UNWIND_AT_CFA;
		return UNWIND_REASON_none;
	}
	if (p->where != CFI_IN_REGISTER)
		return UNWIND_REASON_sp_expression;
	rule->sp = UNWIND_IN_REGISTER | p->reg;
	return UNWIND_REASON_none;
}

static void set_saved(const struct cfi_place *p, __u8 *place, __s32 *offset)
{
	*offset = 0;
	switch (p->where) {
	case CFI_DEFAULT:
	case CFI_SAME:
		*place = UNWIND_SAME;
		return;
	case CFI_IN_REGISTER:
		*place = UNWIND_IN_REGISTER | p->reg;
		return;
	case CFI_AT_CFA:
		*place = UNWIND_AT_CFA;
		break;
	case CFI_AT_REGISTER:
		*place = p->reg == UNWIND_RBP ? UNWIND_AT_FP : UNWIND_UNKNOWN;
		break;
	default:
		*place = UNWIND_UNKNOWN;
	}
	if (*place == UNWIND_UNKNOWN || !fits_s32(p->offset))
		*place = UNWIND_UNKNOWN;
	else
		*offset = (__s32)p->offset;
}

/* How many words below the CFA a saved register makes the burst; 0 if it cannot be part of one. */
static int burst_words(__u8 place, __s32 offset)
{
	if (place == UNWIND_SAME || place == UNWIND_UNKNOWN)
		return 1;
	if (place != UNWIND_AT_CFA || offset >= 0 || offset % 8 || offset < -8 * UNWIND_BURST_WORDS)
		return 0;
	return -offset / 8;
}

static __u8 burst_of(const struct unwind_rule *rule)
{
	int bp = burst_words(rule->bp, rule->bp_offset);
	int bx = burst_words(rule->bx, rule->bx_offset);

	if (rule->ra != UNWIND_AT_CFA || rule->ra_offset != -8 || rule->sp != UNWIND_AT_CFA ||
	    !bp || !bx)
		return 0;
	return (__u8)(bp > bx ? bp : bx);
}

/*
 * The kernel's signal frame as C libraries describe it: RSP is the CFA and is found at rsp + 160,
 * RIP at rsp + 168. Being the only one there is on x86-64, it needs no rule of its own.
 */
static bool is_sigreturn(const struct cfi_state *s)
{
	const struct cfi_place *ip = &s->columns[CFI_RIP];

	return s->cfa == CFI_CFA_DEREF && s->cfa_reg == UNWIND_RSP && s->cfa_offset == 160 &&
	       !s->cfa_add && ip->where == CFI_AT_REGISTER && ip->reg == UNWIND_RSP &&
	       ip->offset == 168;
}

/*
 * The last three instructions of a function that calls __builtin_eh_return(), as libgcc's unwinder
 * does to enter a landing pad: mov %rcx, %rsp; pop %rcx; jmp *%rcx. GCC describes them by a CFA of
 * RCX, which it uses for nothing else on x86-64. What it does not say is that the return address
 * has been written over with that of the landing pad, so no call is before it; nor that all
 * registers have been loaded by then and what their slots are relative to is another function's.
 */
static void set_eh_return(struct unwind_rule *rule)
{
	rule->flags |= UNWIND_RULE_SIGNAL;
	rule->bp = rule->bx = UNWIND_SAME;
	rule->bp_offset = rule->bx_offset = 0;
}

void cfi_state_rule(const struct cfi_state *s, bool signal_frame, struct unwind_rule *ret)
{
	enum unwind_reason reason;

	*ret = (struct unwind_rule){};
	if (s->columns[CFI_RIP].where == CFI_UNDEFINED) {
		ret->cfa = UNWIND_CFA_END;
		return;
	}
	if (signal_frame && is_sigreturn(s)) {
		ret->cfa = UNWIND_CFA_SIGNAL;
		return;
	}
	reason = set_cfa(s, ret);
	if (!reason)
		reason = set_return_address(&s->columns[CFI_RIP], ret);
	if (!reason)
		reason = set_stack_pointer(&s->columns[CFI_RSP], ret);
	if (reason) {
		unsupported(ret, reason);
		return;
	}
	set_saved(&s->columns[CFI_RBP], &ret->bp, &ret->bp_offset);
	set_saved(&s->columns[CFI_RBX], &ret->bx, &ret->bx_offset);
	ret->flags = signal_frame ? UNWIND_RULE_SIGNAL : 0;
	if (s->eh_return)
		set_eh_return(ret);
	ret->burst = burst_of(ret);
}
