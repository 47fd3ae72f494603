/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain SECONDS [DEPTH]: main -> chain_outer -> chain_middle (DEPTH times, 1) -> chain_leaf, which
 * burns. Built as PIE, at a fixed address, static, and static PIE; see workloads.mk.
 */
#include "burn.h"

void chain_leaf(double seconds), chain_middle(double seconds, int depth),
	chain_outer(double seconds, int depth);

NAMED void chain_leaf(double seconds)
{
	double end = now_seconds() + seconds;

	while (now_seconds() < end)
		burn(100000);
}

NAMED void chain_middle(double seconds, int depth)
{
	if (depth > 1)
		chain_middle(seconds, depth - 1);
	else
		chain_leaf(seconds);
	NOT_A_TAIL_CALL;
}

NAMED void chain_outer(double seconds, int depth)
{
	chain_middle(seconds, depth);
	NOT_A_TAIL_CALL;
}

int main(int argc, char **argv)
{
	chain_outer(seconds_argument(argc, argv, 1, 5), argc > 2 ? atoi(argv[2]) : 1);
	print_usage();
	return 0;
}
