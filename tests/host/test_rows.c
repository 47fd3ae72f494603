/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinder's step (bpf/unwind_rows.h) compiled for the host: every kind of rule over a made-up
 * stack, and each of them again with a fault at every single read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The stack: word i lies at STACK + 8 * i and says 0x1000 + i, unless a test puts something there.
 */
#define STACK 0x7ffe0000ULL
#define WORDS 64

static uint64_t stack[WORDS];
static int reads, fault_at; /* the read that fails, counted from 1; 0: none */

static int env_read_user(void *to, size_t size, uint64_t address)
{
	if (++reads == fault_at || address < STACK || address + size > STACK + sizeof(stack))
		return -14;
	memcpy(to, (const char *)stack + (address - STACK), size);
	return 0;
}

#include "unwind_rows.h"

#define AT(word) (STACK + 8 * (word))

static int setup(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < WORDS; i++)
		stack[i] = 0x1000 + i;
	fault_at = 0;
	return 0;
}

/* Interrupted, RSP at word 16, RBP at word 32; the others hold their numbers. */
static struct unwind_frame interrupted(void)
{
	struct unwind_frame f = { .pc = 0x400000, .valid = UNWIND_VALID_ALL };

	for (uint64_t i = 0; i < UNWIND_REGISTERS; i++)
		f.regs[i] = 0x2000 + i;
	f.regs[UNWIND_RSP] = AT(16);
	f.regs[UNWIND_RBP] = AT(32);
	return f;
}

/* The same, but called something that was interrupted. */
static struct unwind_frame caller(void)
{
	struct unwind_frame f = interrupted();

	f.valid = UNWIND_BIT(UNWIND_RSP) | UNWIND_BIT(UNWIND_RBP) | UNWIND_BIT(UNWIND_RBX);
	f.flags = UNWIND_RETURN_ADDRESS;
	return f;
}

static struct unwind_rule rule_of(uint8_t reg, int32_t offset)
{
	return (struct unwind_rule){ .cfa = UNWIND_CFA_REGISTER,
				     .cfa_reg = reg,
				     .cfa_offset = offset,
				     .ra = UNWIND_AT_CFA,
				     .ra_offset = -8,
				     .sp = UNWIND_AT_CFA };
}

static struct unwind_rule with_bp(struct unwind_rule r, uint8_t place, int32_t offset)
{
	r.bp = place;
	r.bp_offset = offset;
	return r;
}

static struct unwind_rule with_bx(struct unwind_rule r, uint8_t place, int32_t offset)
{
	r.bx = place;
	r.bx_offset = offset;
	return r;
}

/* Applies the rule, then again for each of its reads with that one failing. */
static int apply(struct unwind_frame *f, const struct unwind_rule *rule)
{
	struct unwind_frame before = *f;
	int end, n;

	reads = 0;
	end = unwind_apply(f, rule);
	n = reads;
	for (int i = 1; i <= n; i++) {
		struct unwind_frame again = before;

		reads = 0;
		fault_at = i;
		assert_int_equal(unwind_apply(&again, rule), ABI_STACK_unreadable);
	}
	fault_at = 0;
	return end;
}

static void assert_caller(const struct unwind_frame *f, uint64_t pc, uint64_t sp, uint64_t bp,
			  uint64_t bx)
{
	assert_int_equal(f->pc, pc);
	assert_int_equal(f->regs[UNWIND_RSP], sp);
	assert_int_equal(f->regs[UNWIND_RBP], bp);
	assert_int_equal(f->regs[UNWIND_RBX], bx);
	assert_int_equal(f->valid & ~UNWIND_SCRATCH,
			 UNWIND_BIT(UNWIND_RSP) | UNWIND_BIT(UNWIND_RBP) | UNWIND_BIT(UNWIND_RBX));
	assert_int_equal(f->flags, UNWIND_RETURN_ADDRESS);
	assert_int_equal(unwind_lookup_pc(f), pc - 1);
}

static void test_stack_pointer(void **state)
{
	struct unwind_frame f = interrupted();
	struct unwind_rule r = rule_of(UNWIND_RSP, 8);

	(void)state;
	assert_int_equal(unwind_lookup_pc(&f), f.pc);
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 16, AT(17), AT(32), 0x2000 + UNWIND_RBX);
}

/*
 * aesni_gcm_encrypt() keeps its caller's RSP in RAX and calls assembler of its own: RAX counts as
 * long as nobody is known to have lost it, and never what a callee might have saved unseen.
 */
static void test_scratch_registers(void **state)
{
	struct unwind_frame f = interrupted();
	struct unwind_rule called = rule_of(UNWIND_RSP, 8), r = rule_of(UNWIND_RAX, 8);

	(void)state;
	f.regs[UNWIND_RAX] = AT(23);
	assert_int_equal(apply(&f, &called), UNWIND_GO_ON);
	assert_int_equal(f.valid, UNWIND_SCRATCH | UNWIND_BIT(UNWIND_RSP) | UNWIND_BIT(UNWIND_RBP) |
					  UNWIND_BIT(UNWIND_RBX));
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 23, AT(24), AT(32), 0x2000 + UNWIND_RBX);
	r = rule_of(UNWIND_R10 + 2, 8);
	assert_int_equal(apply(&f, &r), ABI_STACK_unsupported_rule);
	/* Behind a frame pointer nothing is known of them. */
	f.regs[UNWIND_RBP] = AT(40);
	assert_int_equal(unwind_frame_pointer(&f, 0), UNWIND_GO_ON);
	assert_int_equal(f.valid, UNWIND_BIT(UNWIND_RSP) | UNWIND_BIT(UNWIND_RBP));
}

static void test_saved_registers(void **state)
{
	/* RBP three words below the CFA, RBX four, with and without the burst. */
	struct unwind_rule r =
		with_bx(with_bp(rule_of(UNWIND_RSP, 64), UNWIND_AT_CFA, -24), UNWIND_AT_CFA, -32);

	(void)state;
	for (uint8_t burst = 0; burst <= UNWIND_BURST_WORDS; burst += 4) {
		struct unwind_frame f = caller();

		r.burst = burst;
		assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
		assert_int_equal(reads, burst ? 1 : 3);
		assert_caller(&f, 0x1000 + 23, AT(24), 0x1000 + 21, 0x1000 + 20);
	}
}

static void test_popped_registers(void **state)
{
	/* The slots of both lie below RSP: they have been popped, the registers hold their values.
	 */
	struct unwind_rule r =
		with_bx(with_bp(rule_of(UNWIND_RSP, 8), UNWIND_AT_CFA, -16), UNWIND_AT_CFA, -24);
	struct unwind_frame f = interrupted();

	(void)state;
	r.burst = 3;
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 16, AT(17), AT(32), 0x2000 + UNWIND_RBX);
}

static void test_frame_pointer_cfa(void **state)
{
	struct unwind_rule r = with_bp(rule_of(UNWIND_RBP, 16), UNWIND_AT_CFA, -16);
	struct unwind_frame f = caller();

	(void)state;
	r.burst = 2;
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 33, AT(34), 0x1000 + 32, 0x2000 + UNWIND_RBX);
}

static void test_other_register(void **state)
{
	/* CFA=RBX in a caller, as in the dynamic loader's resolver; CFA=R10 only when interrupted.
	 */
	struct unwind_rule rbx = rule_of(UNWIND_RBX, 32), r10 = rule_of(UNWIND_R10, 0);
	struct unwind_frame f = caller();

	(void)state;
	f.regs[UNWIND_RBX] = AT(20);
	assert_int_equal(apply(&f, &rbx), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 23, AT(24), AT(32), AT(20));

	f = interrupted();
	f.regs[UNWIND_R10] = AT(40);
	assert_int_equal(apply(&f, &r10), UNWIND_GO_ON);
	assert_int_equal(f.regs[UNWIND_RSP], AT(40));
	f = caller();
	f.regs[UNWIND_R10] = AT(40);
	assert_int_equal(apply(&f, &r10), ABI_STACK_unsupported_rule);
}

static void test_plt(void **state)
{
	struct unwind_rule r = { .cfa = UNWIND_CFA_PLT,
				 .cfa_add = 11,
				 .ra = UNWIND_AT_CFA,
				 .ra_offset = -8,
				 .sp = UNWIND_AT_CFA,
				 .burst = 1 };

	(void)state;
	for (uint64_t i = 0; i < 16; i++) {
		struct unwind_frame f = interrupted();

		f.pc = 0x400000 + i;
		assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
		assert_int_equal(f.pc, i >= 11 ? 0x1000 + 17 : 0x1000 + 16);
	}
}

static void test_dereferenced(void **state)
{
	struct unwind_rule r = rule_of(UNWIND_RSP, 24);
	struct unwind_frame f = caller();

	(void)state;
	r.cfa = UNWIND_CFA_DEREF;
	r.cfa_add = 8;
	stack[19] = AT(39);
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 39, AT(40), AT(32), 0x2000 + UNWIND_RBX);

	r.cfa_reg = UNWIND_RBP;
	r.cfa_offset = -8;
	r.cfa_add = 0;
	stack[31] = AT(40);
	f = caller();
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 39, AT(40), AT(32), 0x2000 + UNWIND_RBX);

	r.cfa = UNWIND_CFA_DEREF_R9;
	r.cfa_offset = 8;
	r.cfa_add = 8;
	f = interrupted();
	f.regs[UNWIND_R9] = 2;
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_int_equal(f.regs[UNWIND_RSP], AT(40));
	f = caller();
	assert_int_equal(apply(&f, &r), ABI_STACK_unsupported_rule);
}

static void test_realigned_frame(void **state)
{
	/* GCC's DRAP: CFA = *(RBP - 8), RBP saved at RBP, RBX at RBP - 16. */
	struct unwind_rule r =
		with_bx(with_bp(rule_of(UNWIND_RBP, -8), UNWIND_AT_FP, 0), UNWIND_AT_FP, -16);
	struct unwind_frame f = caller();

	(void)state;
	r.cfa = UNWIND_CFA_DEREF;
	stack[31] = AT(50);
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 49, AT(50), 0x1000 + 32, 0x1000 + 30);
}

static void test_return_address_in_register(void **state)
{
	struct unwind_rule vfork = rule_of(UNWIND_RSP, 0), longjmp_rule = rule_of(UNWIND_RDI, 0);
	struct unwind_frame f = interrupted();

	(void)state;
	vfork.ra = UNWIND_IN_REGISTER | UNWIND_RDI;
	vfork.sp = UNWIND_AT_CFA;
	assert_int_equal(apply(&f, &vfork), UNWIND_GO_ON);
	assert_caller(&f, 0x2000 + UNWIND_RDI, AT(16), AT(32), 0x2000 + UNWIND_RBX);
	f = caller();
	assert_int_equal(apply(&f, &vfork), ABI_STACK_bad_frame_pointer);

	/* The buffer may lie anywhere; everything comes out of registers. */
	f = interrupted();
	f.regs[UNWIND_RDI] = AT(2);
	f.regs[UNWIND_R8] = AT(60);
	longjmp_rule.sp = UNWIND_IN_REGISTER | UNWIND_R8;
	longjmp_rule.bp = UNWIND_IN_REGISTER | UNWIND_R9;
	longjmp_rule.ra = UNWIND_IN_REGISTER | UNWIND_RDX;
	longjmp_rule.bx = UNWIND_AT_CFA;
	assert_int_equal(apply(&f, &longjmp_rule), UNWIND_GO_ON);
	assert_caller(&f, 0x2000 + UNWIND_RDX, AT(60), 0x2000 + UNWIND_R9, 0x1000 + 2);
}

static void test_signal_frame(void **state)
{
	const struct unwind_rule r = { .cfa = UNWIND_CFA_SIGNAL };
	struct unwind_frame f = caller();

	(void)state;
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	/* sigcontext: r8 at rsp + 40, ... rip at rsp + 168 */
	assert_int_equal(f.regs[UNWIND_R8], 0x1000 + 16 + 5);
	assert_int_equal(f.regs[UNWIND_R15], 0x1000 + 16 + 12);
	assert_int_equal(f.regs[UNWIND_RDI], 0x1000 + 16 + 13);
	assert_int_equal(f.regs[UNWIND_RSI], 0x1000 + 16 + 14);
	assert_int_equal(f.regs[UNWIND_RBP], 0x1000 + 16 + 15);
	assert_int_equal(f.regs[UNWIND_RBX], 0x1000 + 16 + 16);
	assert_int_equal(f.regs[UNWIND_RDX], 0x1000 + 16 + 17);
	assert_int_equal(f.regs[UNWIND_RAX], 0x1000 + 16 + 18);
	assert_int_equal(f.regs[UNWIND_RCX], 0x1000 + 16 + 19);
	assert_int_equal(f.regs[UNWIND_RSP], 0x1000 + 16 + 20);
	assert_int_equal(f.pc, 0x1000 + 16 + 21);
	assert_int_equal(f.valid, UNWIND_VALID_ALL);
	assert_int_equal(unwind_lookup_pc(&f), f.pc);
}

static void test_signal_flag(void **state)
{
	struct unwind_rule r = rule_of(UNWIND_RSP, 8);
	struct unwind_frame f = caller();

	(void)state;
	r.flags = UNWIND_RULE_SIGNAL;
	for (r.burst = 0; r.burst < 2; r.burst++) {
		f = caller();
		assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
		assert_int_equal(unwind_lookup_pc(&f), f.pc);
	}
}

static void test_frame_pointer_chain(void **state)
{
	struct unwind_rule r = { .cfa = UNWIND_CFA_FRAME_POINTER };
	struct unwind_frame f = caller();

	(void)state;
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_int_equal(f.pc, 0x1000 + 33);
	assert_int_equal(f.regs[UNWIND_RBP], 0x1000 + 32);
	assert_int_equal(f.regs[UNWIND_RSP], AT(34));
	assert_false(f.valid & UNWIND_BIT(UNWIND_RBX));

	f = caller();
	f.regs[UNWIND_RBP] = 0;
	assert_int_equal(apply(&f, &r), ABI_STACK_complete);
	f.regs[UNWIND_RBP] = AT(32) + 4;
	assert_int_equal(apply(&f, &r), ABI_STACK_bad_frame_pointer);
	f.regs[UNWIND_RBP] = AT(16) + UNWIND_MAX_GUESSED_FRAME + 8;
	assert_int_equal(apply(&f, &r), ABI_STACK_bad_frame_pointer);
	/* Down the stack only where a rule knows that stacks are changed. */
	f.regs[UNWIND_RBP] = AT(8);
	assert_int_equal(apply(&f, &r), ABI_STACK_bad_frame_pointer);
	r.flags = UNWIND_RULE_STACK_SWITCH;
	assert_int_equal(apply(&f, &r), UNWIND_GO_ON);
	assert_int_equal(f.regs[UNWIND_RSP], AT(10));
}

static void test_endings(void **state)
{
	const struct unwind_rule end = { .cfa = UNWIND_CFA_END }, gap = {};
	const struct unwind_rule unsupported = { .cfa = UNWIND_CFA_UNSUPPORTED };
	struct unwind_rule r = rule_of(UNWIND_RSP, 8);
	struct unwind_frame f = caller(), before = f;

	(void)state;
	assert_int_equal(apply(&f, &end), ABI_STACK_complete);
	assert_int_equal(apply(&f, &unsupported), ABI_STACK_unsupported_rule);
	assert_int_equal(apply(&f, &gap), ABI_STACK_no_rule);
	assert_memory_equal(&f, &before, sizeof(f));
	/* A return address of 0 is a bottom without a rule. */
	stack[16] = 0;
	assert_int_equal(apply(&f, &r), ABI_STACK_complete);
}

static void test_bad_cfa(void **state)
{
	struct unwind_rule r = rule_of(UNWIND_RSP, 0);
	struct unwind_frame f = caller();

	(void)state;
	assert_int_equal(apply(&f, &r), ABI_STACK_bad_frame_pointer);
	r.cfa_offset = -64;
	assert_int_equal(apply(&f, &r), ABI_STACK_bad_frame_pointer);
	r.cfa_offset = 12;
	assert_int_equal(apply(&f, &r), ABI_STACK_bad_frame_pointer);
	r.cfa_offset = 8 * WORDS;
	assert_int_equal(apply(&f, &r), ABI_STACK_unreadable);
}

static void test_unknown_registers(void **state)
{
	/* What a frame loses, its callers cannot use. */
	struct unwind_rule lose =
		with_bx(with_bp(rule_of(UNWIND_RSP, 8), UNWIND_UNKNOWN, 0), UNWIND_UNKNOWN, 0);
	struct unwind_rule fp = rule_of(UNWIND_RBP, 16), rbx = rule_of(UNWIND_RBX, 16);
	struct unwind_rule drap = with_bp(rule_of(UNWIND_RSP, 8), UNWIND_AT_FP, 0);
	struct unwind_frame f;

	(void)state;
	for (lose.burst = 0; lose.burst < 2; lose.burst++) {
		f = caller();
		assert_int_equal(apply(&f, &lose), UNWIND_GO_ON);
		assert_int_equal(f.valid, UNWIND_BIT(UNWIND_RSP));
		assert_int_equal(apply(&f, &fp), ABI_STACK_unsupported_rule);
		assert_int_equal(apply(&f, &rbx), ABI_STACK_unsupported_rule);
		assert_int_equal(apply(&f, &drap), UNWIND_GO_ON);
		assert_int_equal(f.valid, UNWIND_BIT(UNWIND_RSP));
	}
}

static void test_leaf_guess(void **state)
{
	struct unwind_frame f = interrupted();
	__u64 pc = 0;

	(void)state;
	assert_int_equal(unwind_peek_leaf(&f, &pc), UNWIND_GO_ON);
	assert_int_equal(pc, 0x1000 + 16);
	assert_int_equal(unwind_guess_leaf(&f, pc), UNWIND_GO_ON);
	assert_caller(&f, 0x1000 + 16, AT(17), AT(32), 0x2000 + UNWIND_RBX);
	f = interrupted();
	f.regs[UNWIND_RSP] = 8;
	assert_int_equal(unwind_peek_leaf(&f, &pc), ABI_STACK_unreadable);
}

/* Any bytes as a rule: an answer, whatever it is, and no access outside (the sanitizers watch). */
static void test_random_rules(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct unwind_frame f = i & 1 ? interrupted() : caller();
		struct unwind_rule r;
		uint8_t *bytes = (uint8_t *)&r;
		int end;

		for (size_t k = 0; k < sizeof(r); k++) {
			seed = seed * 1664525 + 1013904223;
			bytes[k] = (uint8_t)(seed >> 24);
		}
		if (i & 2)
			r.cfa %= UNWIND_CFA_KINDS;
		end = unwind_apply(&f, &r);
		assert_in_range(end, 0, ABI_STACK_ENDS_COUNT - 1);
	}
}

static void test_find_rule(void **state)
{
	static struct unwind_segment segment;
	const uint32_t first = UNWIND_SEGMENT_ROWS - UNWIND_PAGE_SIZE;

	(void)state;
	/* As many rows as a page can have, then one at every third address. */
	for (uint32_t step = 1; step <= 3; step += 2) {
		uint32_t n = UNWIND_PAGE_SIZE / step;

		for (uint32_t i = 0; i < n; i++)
			segment.rows[first + i] =
				(struct unwind_row){ (__u16)(i * step), (__u16)i };
		for (uint32_t pc = 0; pc < UNWIND_PAGE_SIZE; pc++) {
			uint32_t expected = pc / step < n ? pc / step : n - 1;

			assert_int_equal(unwind_find_rule(&segment, first, n, (__u16)pc),
					 (__u16)expected);
		}
	}
	assert_int_equal(unwind_find_rule(&segment, first + 7, 1, 0), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stack_pointer, setup),
		cmocka_unit_test_setup(test_scratch_registers, setup),
		cmocka_unit_test_setup(test_saved_registers, setup),
		cmocka_unit_test_setup(test_popped_registers, setup),
		cmocka_unit_test_setup(test_frame_pointer_cfa, setup),
		cmocka_unit_test_setup(test_other_register, setup),
		cmocka_unit_test_setup(test_plt, setup),
		cmocka_unit_test_setup(test_dereferenced, setup),
		cmocka_unit_test_setup(test_realigned_frame, setup),
		cmocka_unit_test_setup(test_return_address_in_register, setup),
		cmocka_unit_test_setup(test_signal_frame, setup),
		cmocka_unit_test_setup(test_signal_flag, setup),
		cmocka_unit_test_setup(test_frame_pointer_chain, setup),
		cmocka_unit_test_setup(test_endings, setup),
		cmocka_unit_test_setup(test_bad_cfa, setup),
		cmocka_unit_test_setup(test_unknown_registers, setup),
		cmocka_unit_test_setup(test_leaf_guess, setup),
		cmocka_unit_test_setup(test_random_rules, setup),
		cmocka_unit_test_setup(test_find_rule, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
