/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames SECONDS [DEPTH]: main -> outer -> middle (DEPTH times, 5) -> leaf. Built with frame
 * pointers and without, by several compilers, linked in every way.
 */
#include "frames.h"

unsigned int leaf(unsigned int rounds), middle(int depth), outer(int depth);

NAMED unsigned int leaf(unsigned int rounds)
{
	unsigned int x = rounds;

	for (unsigned int i = 0; i < rounds; i++) {
		x = x * 1664525 + 1013904223;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

NAMED unsigned int middle(int depth)
{
	unsigned int x = depth > 1 ? middle(depth - 1) : leaf(UNIT);

	NOT_A_TAIL_CALL;
	return x + (unsigned int)depth;
}

NAMED unsigned int outer(int depth)
{
	unsigned int x = middle(depth);

	NOT_A_TAIL_CALL;
	return x ^ 1;
}

int main(int argc, char **argv)
{
	unsigned int x = 0;

	run_for(argc, argv);
	while (!is_over())
		x += outer(argc > 2 ? atoi(argv[2]) : 5);
	return x == 1;
}
