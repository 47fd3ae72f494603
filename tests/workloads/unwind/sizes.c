/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sizes SECONDS MODE: frames that are not of a small fixed size.
 *
 *   alloca    size known at run time, by alloca and by an array of variable length
 *   large     300 KB
 *   realign   locals aligned to 64 bytes together with a variable size: gcc keeps the caller's
 * stack pointer in R10 and then in the frame
 */
#include <alloca.h>
#include <string.h>

#include "frames.h"

struct aligned {
	unsigned int words[16];
} __attribute__((aligned(64)));

void sizes_leaf(void *memory), with_alloca(int size, int depth), with_array(int size, int depth),
	with_large(int depth), with_aligned(int size, int depth);

NAMED void sizes_leaf(void *memory)
{
	__asm__ volatile("" : : "r"(memory) : "memory");
	burn(UNIT);
}

NAMED void with_array(int size, int depth)
{
	char array[size + depth];

	memset(array, 1, (size_t)size);
	sizes_leaf(array);
	NOT_A_TAIL_CALL;
}

NAMED void with_alloca(int size, int depth)
{
	char *memory = alloca((size_t)size + 16);

	memset(memory, 1, (size_t)size);
	if (depth > 1)
		with_alloca(size + 24, depth - 1);
	else
		with_array(size, depth);
	__asm__ volatile("" : : "r"(memory) : "memory");
}

NAMED void with_large(int depth)
{
	char memory[300000];

	__asm__ volatile("" : : "r"(memory) : "memory");
	if (depth > 1)
		with_large(depth - 1);
	else
		sizes_leaf(memory);
	__asm__ volatile("" : : "r"(memory) : "memory");
}

NAMED void with_aligned(int size, int depth)
{
	struct aligned local;
	char *memory = alloca((size_t)size + 16);

	memset(&local, depth, sizeof(local));
	memset(memory, 1, (size_t)size);
	if (depth > 1)
		with_aligned(size + 24, depth - 1);
	else
		sizes_leaf(&local);
	__asm__ volatile("" : : "r"(memory), "r"(&local) : "memory");
}

int main(int argc, char **argv)
{
	const char *mode = mode_argument(argc, argv);

	run_for(argc, argv);
	while (!is_over()) {
		if (!strcmp(mode, "large"))
			with_large(3);
		else if (!strcmp(mode, "realign"))
			with_aligned(argc * 40, 3);
		else
			with_alloca(argc * 40, 3);
	}
	return 0;
}
