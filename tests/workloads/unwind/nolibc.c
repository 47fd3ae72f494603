/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nolibc SECONDS: no C library, and an entry point in assembler without unwinding rules.
 * Ends by a signal's default action, when its timer rings.
 */
unsigned int leaf(unsigned int rounds), outer(unsigned int rounds);
void entry(long *stack);

__asm__(".globl _start\n"
	".type _start, @function\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call entry\n"
	"	ud2\n"
	".size _start, . - _start\n");

__attribute__((noinline)) unsigned int leaf(unsigned int rounds)
{
	unsigned int x = rounds;

	for (unsigned int i = 0; i < rounds; i++) {
		x = x * 1664525 + 1013904223;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

__attribute__((noinline)) unsigned int outer(unsigned int rounds)
{
	unsigned int x = leaf(rounds);

	__asm__ volatile("" ::: "memory");
	return x + 1;
}

void entry(long *stack)
{
	char **arguments = (char **)(stack + 1);
	long seconds = 0, result;

	for (const char *c = stack[0] > 1 ? arguments[1] : "5"; *c >= '0' && *c <= '9'; c++)
		seconds = seconds * 10 + (*c - '0');
	__asm__ volatile("syscall" /* alarm */
			 : "=a"(result)
			 : "0"(37), "D"(seconds)
			 : "rcx", "r11", "memory");
	for (;;)
		outer(50000);
}
