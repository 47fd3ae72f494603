/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hole SECONDS MODE: works while pages of its stack, those of its callers, cannot be read.
 *
 *   protect   they are protected
 *   drop      they are in a file, and mapped no more: the next access gets them again
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "frames.h"

#define PAGE  4096UL
#define DEPTH 24

#define STACK_BYTES (256 * PAGE)

void hole_leaf(unsigned long outer), hole_deep(int depth, unsigned long outer);
void *hole_thread(void *argument);

static const char *mode;

static unsigned long page_of(unsigned long address)
{
	return address & ~(PAGE - 1);
}

/* A stack whose content outlives its mapping. */
static void *in_file(void)
{
	int fd = memfd_create("stack", MFD_CLOEXEC);
	void *stack = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, STACK_BYTES) == 0)
		stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stack == MAP_FAILED)
		exit(3);
	return stack;
}

static void hide(void *from, size_t size)
{
	if (!strcmp(mode, "protect"))
		mprotect(from, size, PROT_NONE);
	else
		madvise(from, size, MADV_DONTNEED);
}

/* The pages between its own frame and the thread's, which the kernel and the C library need. */
NAMED void hole_leaf(unsigned long outer)
{
	unsigned long from = page_of((unsigned long)__builtin_frame_address(0)) + 3 * PAGE;
	unsigned long size = page_of(outer) - from;

	hide((void *)from, size);
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
	pthread_attr_t attributes;
	pthread_t thread;

	run_for(argc, argv);
	mode = mode_argument(argc, argv);
	pthread_attr_init(&attributes);
	if (!strcmp(mode, "drop"))
		pthread_attr_setstack(&attributes, in_file(), STACK_BYTES);
	if (pthread_create(&thread, &attributes, hole_thread, NULL))
		return 3;
	pthread_join(thread, NULL);
	return 0;
}
