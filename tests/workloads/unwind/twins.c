/* SPDX-License-Identifier: Apache-2.0 */
/*
 * twins SECONDS: two functions that a linker which folds equal code makes one of, which then has
 * both names and the callers of both.
 */
#include "frames.h"

void twin_leaf(void), twin_first(void), twin_second(void), twin_caller(void);

NAMED void twin_leaf(void)
{
	burn(UNIT);
}

NAMED void twin_first(void)
{
	twin_leaf();
	NOT_A_TAIL_CALL;
}

NAMED void twin_second(void)
{
	twin_leaf();
	NOT_A_TAIL_CALL;
}

NAMED void twin_caller(void)
{
	twin_first();
	twin_second();
	NOT_A_TAIL_CALL;
}

int main(int argc, char **argv)
{
	/* Volatile, as the compiler takes it that they are two. */
	void (*volatile first)(void) = twin_first, (*volatile second)(void) = twin_second;

	run_for(argc, argv);
	/* Not folded: not what the test is about. */
	if (first != second)
		return 4;
	while (!is_over())
		twin_caller();
	return 0;
}
