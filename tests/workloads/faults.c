/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults SECONDS: touch_pages takes page faults all the time, so that most samples are in the
 * kernel, called from a user stack that is known.
 */
#include <sys/mman.h>

#include "burn.h"

#define SIZE (8UL << 20)

void touch_pages(volatile char *memory), fault_loop(double seconds);

NAMED void touch_pages(volatile char *memory)
{
	burn(1); /* for its frame */
	for (size_t i = 0; i < SIZE; i += 4096)
		memory[i] = 1;
}

NAMED void fault_loop(double seconds)
{
	double end = now_seconds() + seconds;
	void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	madvise(memory, SIZE, MADV_NOHUGEPAGE);
	while (now_seconds() < end) {
		touch_pages(memory);
		madvise(memory, SIZE, MADV_DONTNEED);
	}
	munmap(memory, SIZE);
}

int main(int argc, char **argv)
{
	fault_loop(seconds_argument(argc, argv, 1, 5));
	print_usage();
	return 0;
}
