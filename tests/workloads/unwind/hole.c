/* SPDX-License-Identifier: Apache-2.0 */
/* hole SECONDS: works while pages of its stack, those of its callers, cannot be read. */
#include <pthread.h>
#include <sys/mman.h>

#include "frames.h"

#define PAGE  4096UL
#define DEPTH 24

void hole_leaf(unsigned long outer), hole_deep(int depth, unsigned long outer);
void *hole_thread(void *argument);

static unsigned long page_of(unsigned long address)
{
	return address & ~(PAGE - 1);
}

/* The pages between its own frame and the thread's, which the kernel and the C library need. */
NAMED void hole_leaf(unsigned long outer)
{
	unsigned long from = page_of((unsigned long)__builtin_frame_address(0)) + 3 * PAGE;
	unsigned long size = page_of(outer) - from;

	mprotect((void *)from, size, PROT_NONE);
	for (int i = 0; i < 400; i++)
		burn(UNIT);
	mprotect((void *)from, size, PROT_READ | PROT_WRITE);
}

NAMED void hole_deep(int depth, unsigned long outer)
{
	volatile char room[PAGE / 2];

	room[0] = 1;
	if (depth)
		hole_deep(depth - 1, outer);
	else
		hole_leaf(outer);
	room[0]++;
}

NAMED void *hole_thread(void *argument)
{
	while (!is_over())
		hole_deep(DEPTH, (unsigned long)__builtin_frame_address(0));
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	run_for(argc, argv);
	if (pthread_create(&thread, NULL, hole_thread, NULL))
		return 3;
	pthread_join(thread, NULL);
	return 0;
}
