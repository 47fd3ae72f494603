/* SPDX-License-Identifier: Apache-2.0 */
/* brief MILLISECONDS: a process that is over before anybody could look at it in /proc. */
#include "burn.h"

void brief_leaf(double seconds), brief_work(double seconds);

NAMED void brief_leaf(double seconds)
{
	/* From now on: on a slow machine starting alone takes longer than all of it should. */
	double until = (double)cpu_used() + seconds * 1e9;

	while ((double)cpu_used() < until)
		burn(20000);
}

NAMED void brief_work(double seconds)
{
	brief_leaf(seconds);
	NOT_A_TAIL_CALL;
}

int main(int argc, char **argv)
{
	brief_work(seconds_argument(argc, argv, 1, 5) / 1000);
	return 0;
}
