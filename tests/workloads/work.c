/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work CPU_ROUNDS: a fixed amount of CPU-bound work; prints how long it took, for measuring what a
 * profiler costs others.
 */
#include "burn.h"

void work_fixed(unsigned long rounds);

NAMED void work_fixed(unsigned long rounds)
{
	for (unsigned long i = 0; i < rounds; i++)
		burn(100000);
}

int main(int argc, char **argv)
{
	double start = now_seconds();
	struct timespec cpu;

	work_fixed(argc > 1 ? strtoul(argv[1], NULL, 10) : 10000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("elapsed_ns=%.0f\ncpu_ns=%.0f\n", (now_seconds() - start) * 1e9,
	       (double)cpu.tv_sec * 1e9 + (double)cpu.tv_nsec);
	print_usage();
	return 0;
}
