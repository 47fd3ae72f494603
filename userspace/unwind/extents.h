/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A first-fit allocator of numbers: stretches of a linear space that lies elsewhere (rows and pages
 * of the kernel's unwinding tables). Free stretches are kept sorted and joined, so their number
 * stays small and a linear search will do.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct extent {
	uint32_t start, size;
};

struct extents {
	struct extent *free; /* by start, no two touch */
	size_t n, allocated;
	uint32_t boundary; /* no stretch given away crosses a multiple of it; 0 = may */
};

/* Adds a stretch that was not in it, or gives one back. -ENOMEM (it stays lost) or 0. */
int extents_give(struct extents *e, uint32_t start, uint32_t size);
/* Takes @size > 0 in one piece: 0, -ENOSPC, or -ENOMEM. */
int extents_take(struct extents *e, uint32_t size, uint32_t *ret_start);
void extents_done(struct extents *e);
