/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the unwinding tables of the files it is given, some times each, and prints of each the
 * rows and the least CPU time in ns. CPU time: others that want the CPU do not count, though what
 * they leave of the caches does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "unwind/table_builder.h"

#define TIMES 7

static int build(const char *path, uint32_t *ret_rows, uint64_t *ret_ns)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ struct unwind_table *table = NULL;
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int r;

	if (fd < 0)
		return -errno;
	r = unwind_table_build(fd, -1, &table);
	if (r < 0)
		return r;
	*ret_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	*ret_rows = table->n_rows;
	return 0;
}

int main(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++) {
		uint64_t ns = 0, least = UINT64_MAX;
		uint32_t rows = 0;

		for (int n = 0; n < TIMES; n++) {
			int r = build(argv[i], &rows, &ns);

			if (r < 0) {
				fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
				return EXIT_FAILURE;
			}
			least = MIN(least, ns);
		}
		printf("%s %" PRIu32 " %" PRIu64 "\n", argv[i], rows, least);
	}
	return EXIT_SUCCESS;
}
