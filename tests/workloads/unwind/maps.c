/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maps SECONDS MODE: many: 20,000 mappings in the way; storm: a second thread maps and unmaps all
 * the time while the first works.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "frames.h"

#define MAPPINGS 20000
#define PAGE	 4096

void maps_leaf(void), maps_caller(void), storm_leaf(void);
void *storm(void *argument);

NAMED void maps_leaf(void)
{
	burn(UNIT);
}

NAMED void maps_caller(void)
{
	maps_leaf();
	NOT_A_TAIL_CALL;
}

NAMED void storm_leaf(void)
{
	void *all[64];

	for (int i = 0; i < 64; i++)
		all[i] = mmap(NULL, PAGE * (size_t)(1 + i % 3), i % 2 ? PROT_READ : PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 64; i++)
		munmap(all[i], PAGE * (size_t)(1 + i % 3));
}

NAMED void *storm(void *argument)
{
	while (!is_over())
		storm_leaf();
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	run_for(argc, argv);
	if (!strcmp(mode_argument(argc, argv), "many")) {
		char *all = mmap(NULL, (size_t)MAPPINGS * PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		/* Every other page of another kind: none can be merged with its neighbour. */
		for (size_t i = 0; i < MAPPINGS; i += 2)
			mprotect(all + i * PAGE, PAGE, PROT_READ);
	} else if (pthread_create(&thread, NULL, storm, NULL)) {
		return 3;
	}
	while (!is_over())
		maps_caller();
	return 0;
}
