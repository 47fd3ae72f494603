/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spin CPU_SECONDS [DELAY]: sleeps DELAY seconds, then uses that much CPU time, however long it
 * takes, and prints what getrusage() says it was.
 */
#include "burn.h"

void spin_user(double seconds);

NAMED void spin_user(double seconds)
{
	while ((double)cpu_used() < seconds * 1e9)
		burn(200000);
}

int main(int argc, char **argv)
{
	double delay = seconds_argument(argc, argv, 2, 0);

	usleep((useconds_t)(delay * 1e6));
	spin_user(seconds_argument(argc, argv, 1, 1));
	print_usage();
	return 0;
}
