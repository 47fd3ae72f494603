/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moved SECONDS MODE: calls code that is not where its file was mapped.
 *
 *   move    the page of the file, moved elsewhere by mremap()
 *   copy    a copy of it in memory that belongs to no file
 *   cover   the same, in place of the page: as programs do that put their text into huge pages
 */
#include <string.h>
#include <sys/mman.h>

#include "frames.h"

#define PAGE	 4096UL
#define IN_MOVED __attribute__((section(".moved")))

void moved_leaf(void), moved_middle(void), call_moved(char *from, const char *place);

IN_MOVED __attribute__((aligned(4096))) NAMED void moved_leaf(void)
{
	burn(UNIT);
}

IN_MOVED NAMED void moved_middle(void)
{
	moved_leaf();
	NOT_A_TAIL_CALL;
}

NAMED void call_moved(char *from, const char *place)
{
	union {
		const void *object;
		void (*function)(void);
	} entry = { place + ((char *)moved_middle - from) };

	entry.function();
	NOT_A_TAIL_CALL;
}

static char *memory(char *at, int flags)
{
	char *place =
		mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (place == MAP_FAILED)
		exit(3);
	return place;
}

static char *put(char *from, const char *mode)
{
	static char copy[PAGE];
	char *place;

	if (!strcmp(mode, "move")) {
		place = mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory(NULL, 0));
		if (place == MAP_FAILED)
			exit(3);
		return place;
	}
	memcpy(copy, from, PAGE);
	place = strcmp(mode, "cover") ? memory(NULL, 0) : memory(from, MAP_FIXED);
	memcpy(place, copy, PAGE);
	mprotect(place, PAGE, PROT_READ | PROT_EXEC);
	return place;
}

int main(int argc, char **argv)
{
	char *from = (char *)moved_leaf, *place;

	run_for(argc, argv);
	if ((unsigned long)from % PAGE || moved_middle < moved_leaf)
		return 4;
	place = put(from, mode_argument(argc, argv));
	while (!is_over())
		call_moved(from, place);
	/* What else was in that page may be needed by exit(). */
	_exit(0);
}
