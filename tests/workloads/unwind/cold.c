/* SPDX-License-Identifier: Apache-2.0 */
/* cold SECONDS: calls from a part of split_function() that gcc puts away from the rest. */
#include "frames.h"

__attribute__((cold)) int cold_leaf(int x);
int split_function(int x), cold_caller(int x);

NAMED int cold_leaf(int x)
{
	burn(UNIT);
	return x + 1;
}

NAMED int split_function(int x)
{
	volatile int keep[4] = { x, x + 1, x + 2, x + 3 };

	if (__builtin_expect(x > 0, 0)) {
		int y = cold_leaf(keep[1]);

		keep[0] += cold_leaf(y);
	}
	return keep[0] + keep[3];
}

NAMED int cold_caller(int x)
{
	int y = split_function(x);

	NOT_A_TAIL_CALL;
	return y * 2;
}

int main(int argc, char **argv)
{
	int x = 0;

	run_for(argc, argv);
	while (!is_over())
		x += cold_caller(argc);
	return x == 1;
}
