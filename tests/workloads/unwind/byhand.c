/* SPDX-License-Identifier: Apache-2.0 */
/*
 * byhand SECONDS MODE: assembler without unwinding rules, called by compiled code.
 *
 *   leaf      works and touches no stack
 *   frame     has a frame pointer and calls compiled code, callback_leaf()
 */
#include <string.h>

#include "frames.h"

void byhand_leaf(unsigned long rounds), byhand_frame(void (*function)(void)), callback_leaf(void),
	calls_leaf(void), calls_frame(void);

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
	".size byhand_frame, . - byhand_frame\n");

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

int main(int argc, char **argv)
{
	const char *mode = mode_argument(argc, argv);

	run_for(argc, argv);
	while (!is_over()) {
		if (!strcmp(mode, "leaf"))
			calls_leaf();
		else
			calls_frame();
	}
	return 0;
}
