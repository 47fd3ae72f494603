/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tails SECONDS MODE: tail: tail_outer() calls tail_jump(), which jumps to tail_leaf(). shrink:
 * works in a part of a function that comes before its prologue.
 */
#include <string.h>

#include "frames.h"

void tail_leaf(unsigned int rounds), tail_jump(unsigned int rounds),
	tail_outer(unsigned int rounds);
int shrink_wrapped(unsigned int rounds, int deep), shrink_caller(unsigned int rounds);

NAMED void tail_leaf(unsigned int rounds)
{
	burn(rounds);
}

NAMED void tail_jump(unsigned int rounds)
{
	tail_leaf(rounds + 1);
}

NAMED void tail_outer(unsigned int rounds)
{
	tail_jump(rounds);
	NOT_A_TAIL_CALL;
}

NAMED int shrink_wrapped(unsigned int rounds, int deep)
{
	if (!deep) {
		burn(rounds);
		return 1;
	}
	int x = shrink_caller(rounds), y = shrink_caller(rounds + (unsigned int)x);

	return x * shrink_caller((unsigned int)y) + y;
}

NAMED int shrink_caller(unsigned int rounds)
{
	int x = shrink_wrapped(rounds, rounds == 1);

	NOT_A_TAIL_CALL;
	return x;
}

int main(int argc, char **argv)
{
	int x = 0;

	run_for(argc, argv);
	while (!is_over()) {
		if (!strcmp(mode_argument(argc, argv), "tail"))
			tail_outer(UNIT);
		else
			x += shrink_caller(UNIT);
	}
	return x == 1;
}
