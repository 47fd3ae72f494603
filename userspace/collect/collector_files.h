/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the kernel's table of files from filling up. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct collector_files {
	int map; /* borrowed descriptor */
	uint32_t capacity;
	uint64_t gone; /* ids that were given out and are not in the table (any more) */
};

/*
 * @given: how many ids the kernel side has given out so far. When more than 3/4 of the table are in
 * use, removes the files unused for longest until half of it is, and @max at most. Returns how
 * many ids were written to @ret_ids, or -errno.
 */
int collector_files_evict(struct collector_files *f, uint64_t given, uint32_t *ret_ids, size_t max);
