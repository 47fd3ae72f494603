/* SPDX-License-Identifier: Apache-2.0 */
/* new MILLISECONDS: lives for so much CPU time, in main -> new_middle (3 times) -> new_leaf. */
#include "burn.h"

void new_leaf(uint64_t ns), new_middle(uint64_t ns, int depth);

NAMED void new_leaf(uint64_t ns)
{
	while (cpu_used() < ns)
		burn(20000);
}

NAMED void new_middle(uint64_t ns, int depth)
{
	if (depth > 1)
		new_middle(ns, depth - 1);
	else
		new_leaf(ns);
	NOT_A_TAIL_CALL;
}

int main(int argc, char **argv)
{
	new_middle(1000000 * (uint64_t)(argc > 1 ? atoi(argv[1]) : 20), 3);
	return 0;
}
