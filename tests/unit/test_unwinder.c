/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user-space unwinder where the rule of interrupted code does not know of a call within. What
 * it shares with the kernel's is tested there (tests/host), real stacks in test_bpf_unwind.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "unwind/unwinder.h"

#define CODE  0x400000ULL
#define DATA  0x600000ULL
#define STACK 0x7ffe0000ULL
#define SIZE  0x1000ULL
#define FILE_ 7

static uint64_t stack[8];

static int read_stack(void *userdata, uint64_t address, void *buffer, size_t size)
{
	(void)userdata;
	if (address < STACK || address + size > STACK + sizeof(stack))
		return -EFAULT;
	memcpy(buffer, (const char *)stack + (address - STACK), size);
	return 0;
}

static bool find_mapping(void *userdata, uint64_t address, struct unwinder_mapping *ret)
{
	uint64_t start = address & ~(SIZE - 1);

	(void)userdata;
	if (start != CODE && start != DATA)
		return false;
	*ret = (struct unwinder_mapping){
		.start = start,
		.end = start + SIZE,
		.file_id = FILE_,
		.executable = start == CODE,
	};
	return true;
}

/* RSP + 16, but for the outermost function, which begins at 0x800. */
static const struct unwind_rule *find_rule(void *userdata, const struct unwinder_mapping *mapping,
					   uint64_t offset)
{
	static const struct unwind_rule end = { .cfa = UNWIND_CFA_END };
	static const struct unwind_rule called = { .cfa = UNWIND_CFA_REGISTER,
						   .cfa_reg = UNWIND_RSP,
						   .cfa_offset = 16,
						   .ra = UNWIND_AT_CFA,
						   .sp = UNWIND_AT_CFA,
						   .ra_offset = -8,
						   .burst = 1 };

	(void)userdata, (void)mapping;
	return offset >= 0x800 ? &end : &called;
}

static enum abi_stack_end run(uint64_t frames[static 8], size_t *ret_n)
{
	const struct unwinder_source source = {
		.read = read_stack,
		.find = find_mapping,
		.rule = find_rule,
	};
	struct unwinder_registers registers = { .pc = CODE + 0x100 };

	registers.regs[UNWIND_RSP] = STACK;
	return unwinder_run(&source, &registers, frames, 8, ret_n);
}

static uint64_t frame_at(uint64_t offset)
{
	return (uint64_t)FILE_ << ABI_FRAME_FILE_SHIFT | offset;
}

static void test_call_within(void **state)
{
	static const uint64_t wrong[] = { 0, DATA + 8, 0xdeadbeef };
	uint64_t frames[8];
	size_t n;

	(void)state;
	stack[0] = CODE + 0x120;
	stack[2] = CODE + 0x820;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		stack[1] = wrong[i];
		assert_int_equal(run(frames, &n), ABI_STACK_complete);
		assert_int_equal(n, 3);
		assert_int_equal(frames[0], frame_at(0x100));
		assert_int_equal(frames[1], frame_at(0x11f) | ABI_FRAME_GUESSED);
		assert_int_equal(frames[2], frame_at(0x81f));
	}
	/* Where the rule leads to code, it is right. */
	stack[1] = CODE + 0x840;
	assert_int_equal(run(frames, &n), ABI_STACK_complete);
	assert_int_equal(n, 2);
	assert_int_equal(frames[1], frame_at(0x83f));
}

static void test_no_call_within(void **state)
{
	static const struct {
		uint64_t caller;
		enum abi_stack_end end;
	} cases[] = {
		{ 0, ABI_STACK_complete },
		{ DATA + 8, ABI_STACK_not_executable },
		{ 0xdeadbeef, ABI_STACK_no_mapping },
	};
	static const uint64_t tops[] = { 0, CODE, CODE + SIZE + 1, DATA + 16 };
	uint64_t frames[8];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t k = 0; k < sizeof(tops) / sizeof(tops[0]); k++) {
			stack[0] = tops[k];
			stack[1] = cases[i].caller;
			assert_int_equal(run(frames, &n), cases[i].end);
			assert_int_equal(n, 1);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_within),
		cmocka_unit_test(test_no_call_within),
	};

	return cmocka_run_group_tests_name("unwinder", tests, NULL, NULL);
}
