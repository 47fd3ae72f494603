/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mixed SECONDS: one stack of functions from two objects, with_frame_pointer() and
 * without_frame_pointer() in turns, and a leaf. Compiled twice, with WITH set and not.
 */
#include "frames.h"

unsigned int with_frame_pointer(int depth), without_frame_pointer(int depth);
void mixed_leaf(void);

#ifdef WITH
NAMED unsigned int with_frame_pointer(int depth)
{
	unsigned int x = depth > 1 ? without_frame_pointer(depth - 1) : 0;

	NOT_A_TAIL_CALL;
	return x + 3;
}

int main(int argc, char **argv)
{
	unsigned int x = 0;

	run_for(argc, argv);
	while (!is_over())
		x += with_frame_pointer(6);
	return x == 1;
}
#else
NAMED void mixed_leaf(void)
{
	burn(UNIT);
	NOT_A_TAIL_CALL;
}

NAMED unsigned int without_frame_pointer(int depth)
{
	unsigned int x = 0;

	if (depth > 1)
		x = with_frame_pointer(depth - 1);
	else
		mixed_leaf();
	NOT_A_TAIL_CALL;
	return x + 5;
}
#endif
