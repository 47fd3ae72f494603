/* SPDX-License-Identifier: Apache-2.0 */
/*
 * byhand SECONDS MODE: assembler called by compiled code, without unwinding rules but for the last.
 *
 *   leaf      works and touches no stack
 *   frame     has a frame pointer and calls compiled code, callback_leaf()
 *   inner     calls within its own code, of which its one rule does not know; where that looks for
 *             a return address is a saved register, which is 0
 */
#include <string.h>

#include "frames.h"

void byhand_leaf(unsigned long rounds), byhand_frame(void (*function)(void)),
	byhand_inner(unsigned long rounds), callback_leaf(void), calls_leaf(void),
	calls_frame(void), calls_inner(void);

__asm__(".text\n"
	".globl byhand_leaf\n"
	".type byhand_leaf, @function\n"
	"byhand_leaf:\n"
	"1:	dec %rdi\n"
	"	jnz 1b\n"
	"	ret\n"
	"	.fill 64, 1, 0x90\n"
	".size byhand_leaf, . - byhand_leaf\n"
	".globl byhand_frame\n"
	".type byhand_frame, @function\n"
	"byhand_frame:\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	call *%rdi\n"
	"	nop\n"
	"	pop %rbp\n"
	"	ret\n"
	"	.fill 64, 1, 0x90\n"
	".size byhand_frame, . - byhand_frame\n"
	".globl byhand_inner\n"
	".type byhand_inner, @function\n"
	"byhand_inner:\n"
	"	mov %rbp, %rax\n"
	"	xor %ebp, %ebp\n"
	"	push %rbp\n"
	"	push %rax\n"
	"	sub $24, %rsp\n"
	".cfi_startproc\n"
	".cfi_def_cfa_offset 48\n"
	".cfi_offset rbp, -24\n"
	"	call 1f\n"
	"	add $24, %rsp\n"
	".cfi_def_cfa_offset 24\n"
	"	pop %rbp\n"
	".cfi_def_cfa_offset 16\n"
	".cfi_same_value rbp\n"
	"	pop %rax\n"
	".cfi_def_cfa_offset 8\n"
	"	ret\n"
	".cfi_def_cfa_offset 48\n"
	".cfi_offset rbp, -24\n"
	"1:	dec %rdi\n"
	"	jnz 1b\n"
	"	ret\n"
	".cfi_endproc\n"
	".size byhand_inner, . - byhand_inner\n");

NAMED void callback_leaf(void)
{
	burn(UNIT);
}

NAMED void calls_leaf(void)
{
	byhand_leaf(UNIT);
	NOT_A_TAIL_CALL;
}

NAMED void calls_frame(void)
{
	byhand_frame(callback_leaf);
	NOT_A_TAIL_CALL;
}

NAMED void calls_inner(void)
{
	byhand_inner(UNIT);
	NOT_A_TAIL_CALL;
}

int main(int argc, char **argv)
{
	const char *mode = mode_argument(argc, argv);

	run_for(argc, argv);
	while (!is_over()) {
		if (!strcmp(mode, "leaf"))
			calls_leaf();
		else if (!strcmp(mode, "inner"))
			calls_inner();
		else
			calls_frame();
	}
	return 0;
}
