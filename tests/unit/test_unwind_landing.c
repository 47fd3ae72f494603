/* SPDX-License-Identifier: Apache-2.0 */
/* The way into a landing pad, by code as GCC 12 makes it of uw_install_context(). */
#include "unwind/table_landing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The rule of the body of such a function: push %rbp; mov %rsp, %rbp; ... RBX saved at RBP - 40. */
static const struct unwind_rule body = {
	.cfa = UNWIND_CFA_REGISTER,
	.cfa_reg = UNWIND_RBP,
	.cfa_offset = 16,
	.ra = UNWIND_AT_CFA,
	.ra_offset = -8,
	.sp = UNWIND_AT_CFA,
	.bp = UNWIND_AT_CFA,
	.bp_offset = -16,
	.bx = UNWIND_AT_CFA,
	.bx_offset = -56,
	.burst = 7,
};

#define CALL  3
#define LOADS 8
#define STORE 31

static const uint8_t code[] = {
	0x4c, 0x89, 0xff,			  /* mov %r15, %rdi */
	0xe8, 0x6b, 0xd7, 0xff, 0xff,		  /* call uw_install_context_1 */
	0x48, 0x8b, 0xb5, 0xe8, 0xfd, 0xff, 0xff, /* mov -0x218(%rbp), %rsi */
	0x48, 0x8b, 0xbd, 0xe0, 0xfd, 0xff, 0xff, /* mov -0x220(%rbp), %rdi */
	0xe8, 0xb3, 0xfc, 0xff, 0xff,		  /* call _Unwind_DebugHook */
	0x48, 0x89, 0xd1, 0x90,			  /* mov %rdx, %rcx */
	0x48, 0x89, 0x74, 0x15, 0x08,		  /* mov %rsi, 8(%rbp, %rdx, 1) */
	0x48, 0x8d, 0x4c, 0x0d, 0x08,		  /* lea 8(%rbp, %rcx, 1), %rcx */
	0x48, 0x8b, 0x6d, 0x00,			  /* mov (%rbp), %rbp */
};

static void test_found(void **state)
{
	struct landing l;

	(void)state;
	assert_true(landing_find(code, sizeof(code), &body, &l));
	assert_int_equal(l.call, CALL);
	assert_int_equal(l.store, STORE + 5);
	assert_int_equal(l.target.cfa, UNWIND_CFA_DEREF);
	assert_int_equal(l.target.cfa_reg, UNWIND_RBP);
	assert_int_equal(l.target.cfa_offset, -0x220);
	assert_int_equal(l.target.bp, UNWIND_AT_FP);
	assert_int_equal(l.target.bp_offset, 0);
	assert_int_equal(l.target.bx, UNWIND_AT_FP);
	assert_int_equal(l.target.bx_offset, -40);
	assert_int_equal(l.target.flags, 0);
	/* What is behind the store differs by the return address alone. */
	assert_int_equal(l.pad.flags, UNWIND_RULE_SIGNAL);
	l.pad.flags = 0;
	assert_memory_equal(&l.pad, &l.target, sizeof(l.pad));
}

static void test_variants(void **state)
{
	uint8_t other[sizeof(code)];
	struct unwind_rule rule = body;
	struct landing l;

	(void)state;
	/* The loads in the other order. */
	memcpy(other, code, sizeof(code));
	memcpy(other + LOADS, code + LOADS + 7, 7);
	memcpy(other + LOADS + 7, code + LOADS, 7);
	assert_true(landing_find(other, sizeof(other), &body, &l));
	assert_int_equal(l.target.cfa_offset, -0x220);
	/* No store: it is not known where the return address changes. */
	assert_true(landing_find(code, STORE + 4, &body, &l));
	assert_int_equal(l.store, STORE + 4);
	/* A function that does not save RBX. */
	rule.bx = UNWIND_SAME;
	rule.bx_offset = 0;
	assert_true(landing_find(code, sizeof(code), &rule, &l));
	assert_int_equal(l.target.bx, UNWIND_SAME);
	assert_int_equal(l.target.bx_offset, 0);
}

static void test_refused(void **state)
{
	uint8_t other[sizeof(code)];
	struct unwind_rule rule = body;
	struct landing l;

	(void)state;
	for (size_t n = 0; n < LOADS + 14; n++)
		assert_false(landing_find(code, n, &body, &l));
	/* Neither the call nor a load may be another instruction, and the two must fit together. */
	for (size_t i = CALL; i < LOADS + 14; i++) {
		if (i > CALL && i < LOADS)
			continue; /* where it calls does not matter */
		memcpy(other, code, sizeof(code));
		other[i] ^= 0x40;
		assert_false(landing_find(other, sizeof(other), &body, &l));
	}
	rule.cfa_offset = 24;
	assert_false(landing_find(code, sizeof(code), &rule, &l));
	rule = body;
	rule.bp = UNWIND_SAME;
	assert_false(landing_find(code, sizeof(code), &rule, &l));
	rule = body;
	rule.bx_offset = INT32_MIN;
	assert_false(landing_find(code, sizeof(code), &rule, &l));
}

static void test_ends(void **state)
{
	struct unwind_rule rule = { .cfa = UNWIND_CFA_REGISTER,
				    .cfa_reg = UNWIND_RCX,
				    .cfa_offset = 8,
				    .flags = UNWIND_RULE_SIGNAL };

	(void)state;
	assert_true(landing_ends(&rule));
	assert_false(landing_ends(&body));
	rule.flags = 0;
	assert_false(landing_ends(&rule));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
