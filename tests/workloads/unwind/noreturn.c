/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noreturn SECONDS: the last instruction of last_call() is a call, so its return address lies in
 * whatever function comes next.
 */
#include "frames.h"

__attribute__((noreturn)) void never_returns(int depth);
__attribute__((noreturn)) void last_call(int depth);

NAMED void never_returns(int depth)
{
	while (!is_over())
		burn(UNIT);
	exit(depth == 77);
}

NAMED void last_call(int depth)
{
	never_returns(depth + 1);
}

/* Another function behind it, whose rule at its start is not that of last_call()'s end. */
int behind(void);
NAMED int behind(void)
{
	return 1;
}

int main(int argc, char **argv)
{
	run_for(argc, argv);
	if (argc > 1)
		last_call(argc);
	return behind();
}
