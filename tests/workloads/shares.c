/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shares SECONDS [THREADS]: work_sixty, work_thirty and work_ten burn 60, 30 and 10 % of the time,
 * each at the end of a chain of sixteen calls of its own, in every thread.
 *
 * Whatever the machine does in between, the shares hold: the three take turns about every 200 us,
 * with the same instructions 6, 3 and 1 times. No two rounds need to have the same length: with
 * equal ones, a sampling period that is a multiple of theirs would find the program in the same
 * place each time.
 */
#include <pthread.h>

#include "burn.h"

#define SHORTEST_UNIT 10000
#define LONGEST_UNIT  30000

static double end_time;

#define CHAIN(name, units)                                                                         \
	NAMED void work_##name(unsigned int unit)                                                  \
	{                                                                                          \
		burn((units)*unit);                                                                \
	}                                                                                          \
	NAMED void chain_##name(int depth, unsigned int unit)                                      \
	{                                                                                          \
		if (depth > 0)                                                                     \
			chain_##name(depth - 1, unit);                                             \
		else                                                                               \
			work_##name(unit);                                                         \
		NOT_A_TAIL_CALL;                                                                   \
	}

void work_sixty(unsigned int unit), chain_sixty(int depth, unsigned int unit);
void work_thirty(unsigned int unit), chain_thirty(int depth, unsigned int unit);
void work_ten(unsigned int unit), chain_ten(int depth, unsigned int unit);
void *thread_main(void *argument);

CHAIN(sixty, 6)
CHAIN(thirty, 3)
CHAIN(ten, 1)

NAMED void *thread_main(void *argument)
{
	unsigned int random = 1;

	while (now_seconds() < end_time) {
		random = random * 1664525 + 1013904223;
		unsigned int unit =
			SHORTEST_UNIT + (random >> 16) % (LONGEST_UNIT - SHORTEST_UNIT + 1);

		chain_sixty(15, unit);
		chain_thirty(15, unit);
		chain_ten(15, unit);
	}
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int n = argc > 2 ? atoi(argv[2]) : 1;

	end_time = now_seconds() + seconds_argument(argc, argv, 1, 10);
	if (n < 1 || n > 64)
		return 2;
	for (int i = 1; i < n; i++)
		if (pthread_create(&threads[i], NULL, thread_main, NULL))
			return 1;
	thread_main(NULL);
	for (int i = 1; i < n; i++)
		pthread_join(threads[i], NULL);
	print_usage();
	return 0;
}
