/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shares SECONDS [THREADS]: work_sixty, work_thirty and work_ten burn 60, 30 and 10 % of the time,
 * each at the end of a chain of sixteen calls of its own, in every thread.
 *
 * Whatever the machine does in between, the shares hold: the three take turns about every 300 us,
 * with the same instructions 6, 3 and 1 times.
 */
#include <pthread.h>

#include "burn.h"

#define UNIT 20000

static double end_time;

#define CHAIN(name, units)                                                                         \
	NAMED void work_##name(void)                                                               \
	{                                                                                          \
		burn((units)*UNIT);                                                                \
	}                                                                                          \
	NAMED void chain_##name(int depth)                                                         \
	{                                                                                          \
		if (depth > 0)                                                                     \
			chain_##name(depth - 1);                                                   \
		else                                                                               \
			work_##name();                                                             \
		NOT_A_TAIL_CALL;                                                                   \
	}

void work_sixty(void), chain_sixty(int depth);
void work_thirty(void), chain_thirty(int depth);
void work_ten(void), chain_ten(int depth);
void *thread_main(void *argument);

CHAIN(sixty, 6)
CHAIN(thirty, 3)
CHAIN(ten, 1)

NAMED void *thread_main(void *argument)
{
	while (now_seconds() < end_time) {
		chain_sixty(15);
		chain_thirty(15);
		chain_ten(15);
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
