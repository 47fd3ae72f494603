/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals SECONDS MODE: a handler that works, on top of interrupted_leaf() and
 * interrupted_caller().
 *
 *   plain     on the same stack
 *   alternate on a stack of its own
 *   nested    the handler is interrupted by a second one, which works
 *   restorer  returns through a trampoline of this program, which has no unwinding rules
 *   first     interrupted at the very first instruction of a function
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include "frames.h"

void handler_leaf(void), on_timer(int number), on_outer(int number), on_inner(int number),
	interrupted_leaf(void), interrupted_caller(void), own_restorer(void);
void on_illegal(int number, siginfo_t *info, void *context);
void first_instruction(void);

__asm__(".text\n"
	".globl first_instruction\n"
	".type first_instruction, @function\n"
	"first_instruction:\n"
	"	.cfi_startproc\n"
	"	ud2\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size first_instruction, . - first_instruction\n"
	".globl own_restorer\n"
	".type own_restorer, @function\n"
	"own_restorer:\n"
	"	mov $15, %rax\n"
	"	syscall\n"
	".size own_restorer, . - own_restorer\n");

NAMED void handler_leaf(void)
{
	burn(UNIT * 20);
}

NAMED void on_timer(int number)
{
	(void)number;
	handler_leaf();
	NOT_A_TAIL_CALL;
}

NAMED void on_outer(int number)
{
	(void)number;
	raise(SIGUSR2);
	NOT_A_TAIL_CALL;
}

NAMED void on_inner(int number)
{
	(void)number;
	handler_leaf();
	NOT_A_TAIL_CALL;
}

NAMED void on_illegal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	handler_leaf();
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

/* Touches nothing but registers: no frame of its own. */
NAMED void interrupted_leaf(void)
{
	unsigned int x = 1;

	for (unsigned int i = 0; i < UNIT; i++) {
		x = x * 1664525 + 1013904223;
		__asm__ volatile("" : "+r"(x));
	}
}

NAMED void interrupted_caller(void)
{
	for (int i = 0; i < 100; i++)
		interrupted_leaf();
	NOT_A_TAIL_CALL;
}

static void handle_by_own_restorer(int number)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} action = { on_timer, 0x04000000 /* SA_RESTORER */, own_restorer, 0 };

	if (syscall(SYS_rt_sigaction, number, &action, NULL, sizeof(action.mask)))
		exit(3);
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	if (sigaction(number, &action, NULL))
		exit(3);
}

int main(int argc, char **argv)
{
	const struct itimerval often = { { 0, 3000 }, { 0, 3000 } };
	const char *mode = mode_argument(argc, argv);

	run_for(argc, argv);
	if (!strcmp(mode, "first")) {
		struct sigaction action = { .sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO };

		sigaction(SIGILL, &action, NULL);
		while (!is_over())
			first_instruction();
		return 0;
	}
	if (!strcmp(mode, "alternate")) {
		const stack_t stack = { .ss_sp = malloc(65536), .ss_size = 65536 };

		sigaltstack(&stack, NULL);
		handle(SIGALRM, on_timer, SA_ONSTACK);
	} else if (!strcmp(mode, "nested")) {
		handle(SIGALRM, on_outer, 0);
		handle(SIGUSR2, on_inner, 0);
	} else if (!strcmp(mode, "restorer")) {
		handle_by_own_restorer(SIGALRM);
	} else {
		handle(SIGALRM, on_timer, 0);
	}
	setitimer(ITIMER_REAL, &often, NULL);
	while (!is_over())
		interrupted_caller();
	return 0;
}
