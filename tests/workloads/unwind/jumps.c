/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jumps SECONDS MODE: control that does not go by call and return.
 *
 *   longjmp   back from jump_deep() to jump_catch(), often
 *   context   a coroutine of makecontext() and swapcontext() that works
 *   switch    call_on() calls a function on another stack, and its rules lead back to the first
 */
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "frames.h"

#define STACK_BYTES 65536

void jump_deep(int depth), jump_catch(void), coroutine_leaf(void), coroutine(void),
	switched_leaf(void), switched(void);
void call_on(void *stack, void (*function)(void));

static jmp_buf here;
static ucontext_t main_context, coroutine_context;

/* call_on(stack, function): the caller's stack pointer is kept in RBX meanwhile. */
__asm__(".text\n"
	".globl call_on\n"
	".type call_on, @function\n"
	"call_on:\n"
	"	.cfi_startproc\n"
	"	push %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rbx, 0\n"
	"	mov %rsp, %rbx\n"
	"	.cfi_def_cfa_register %rbx\n"
	"	mov %rdi, %rsp\n"
	"	call *%rsi\n"
	"	mov %rbx, %rsp\n"
	"	.cfi_def_cfa_register %rsp\n"
	"	pop %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore %rbx\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size call_on, . - call_on\n");

NAMED void jump_deep(int depth)
{
	if (depth > 0)
		jump_deep(depth - 1);
	burn(100);
	longjmp(here, 1);
}

NAMED void jump_catch(void)
{
	for (volatile int i = 0; i < 100; i++) {
		if (setjmp(here) == 0)
			jump_deep(4);
	}
}

NAMED void coroutine_leaf(void)
{
	burn(UNIT);
}

NAMED void coroutine(void)
{
	for (;;) {
		coroutine_leaf();
		swapcontext(&coroutine_context, &main_context);
	}
}

NAMED void switched_leaf(void)
{
	burn(UNIT);
}

NAMED void switched(void)
{
	switched_leaf();
	NOT_A_TAIL_CALL;
}

int main(int argc, char **argv)
{
	const char *mode = mode_argument(argc, argv);
	char *stack =
		mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	run_for(argc, argv);
	if (!strcmp(mode, "context")) {
		getcontext(&coroutine_context);
		coroutine_context.uc_stack.ss_sp = stack;
		coroutine_context.uc_stack.ss_size = STACK_BYTES;
		coroutine_context.uc_link = NULL;
		makecontext(&coroutine_context, coroutine, 0);
	}
	while (!is_over()) {
		if (!strcmp(mode, "longjmp"))
			jump_catch();
		else if (!strcmp(mode, "context"))
			swapcontext(&main_context, &coroutine_context);
		else
			call_on(stack + STACK_BYTES, switched);
	}
	return 0;
}
