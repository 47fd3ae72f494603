/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table_landing.h"

#include <string.h>

#define CALL_BYTES  5 /* call rel32 */
#define LOAD_BYTES  7 /* mov disp32(%rbp), %reg */
#define STORE_BYTES 5 /* mov %reg, 8(%rbp, %reg) */

bool landing_ends(const struct unwind_rule *rule)
{
	return rule->cfa == UNWIND_CFA_REGISTER && rule->cfa_reg == UNWIND_RCX &&
	       rule->flags & UNWIND_RULE_SIGNAL;
}

/* mov disp32(%rbp), %rsi is 48 8b b5, to %rdi 48 8b bd: the first two arguments of a call. */
static bool load_of(const uint8_t *code, uint8_t modrm, int32_t *ret_offset)
{
	if (code[0] != 0x48 || code[1] != 0x8b || code[2] != modrm)
		return false;
	memcpy(ret_offset, code + 3, sizeof(*ret_offset));
	return true;
}

/* call; then _Unwind_DebugHook(target->cfa, target->ra), which are side by side, is prepared. */
static bool is_install(const uint8_t *code, int32_t *ret_cfa)
{
	int32_t cfa, ra;

	if (code[0] != 0xe8)
		return false;
	code += CALL_BYTES;
	if (!(load_of(code, 0xb5, &ra) && load_of(code + LOAD_BYTES, 0xbd, &cfa)) &&
	    !(load_of(code, 0xbd, &cfa) && load_of(code + LOAD_BYTES, 0xb5, &ra)))
		return false;
	*ret_cfa = cfa;
	return cfa < 0 && ra == cfa + 8;
}

/* The return address: mov %reg, 8(%rbp, %offset, 1). */
static bool is_store(const uint8_t *code)
{
	return code[0] == 0x48 && code[1] == 0x89 && (code[2] & 0xc7) == 0x44 &&
	       (code[3] & 0xc7) == 0x05 && code[4] == 8;
}

/* Of a function whose CFA is RBP + 16; its slots now hold what the caller's registers will be. */
static struct unwind_rule rule_of(const struct unwind_rule *own, int32_t cfa)
{
	struct unwind_rule rule = {
		.cfa = UNWIND_CFA_DEREF,
		.cfa_reg = UNWIND_RBP,
		.cfa_offset = cfa,
		.ra = UNWIND_AT_CFA,
		.ra_offset = -8,
		.sp = UNWIND_AT_CFA,
		.bp = UNWIND_AT_FP,
		.bp_offset = own->bp_offset + own->cfa_offset,
		.bx = own->bx,
	};

	if (own->bx == UNWIND_AT_CFA) {
		rule.bx = UNWIND_AT_FP;
		rule.bx_offset = own->bx_offset + own->cfa_offset;
	}
	return rule;
}

bool landing_find(const uint8_t *code, size_t size, const struct unwind_rule *rule,
		  struct landing *ret)
{
	struct landing found = { .call = size, .store = size };
	int32_t cfa;

	if (rule->cfa != UNWIND_CFA_REGISTER || rule->cfa_reg != UNWIND_RBP ||
	    rule->cfa_offset != 16 || rule->bp != UNWIND_AT_CFA || rule->bp_offset != -16 ||
	    (rule->bx == UNWIND_AT_CFA && (rule->bx_offset >= 0 || rule->bx_offset < -INT16_MAX)))
		return false;
	for (size_t i = 0; i + CALL_BYTES + 2 * LOAD_BYTES <= size; i++) {
		if (is_install(code + i, &cfa)) {
			found.call = i;
			found.target = found.pad = rule_of(rule, cfa);
		}
	}
	if (found.call == size)
		return false;
	found.pad.flags = UNWIND_RULE_SIGNAL;
	for (size_t i = found.call + CALL_BYTES; i + STORE_BYTES <= size; i++)
		if (is_store(code + i))
			found.store = i + STORE_BYTES;
	*ret = found;
	return true;
}
