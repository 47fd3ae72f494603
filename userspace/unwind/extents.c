/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/extents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/search.h"

static int insert(struct extents *e, size_t at, uint32_t start, uint32_t size)
{
	if (e->n >= e->allocated) {
		size_t bigger = e->allocated ? e->allocated * 2 : 16;
		struct extent *p = reallocarray(e->free, bigger, sizeof(*p));

		if (!p)
			return -ENOMEM;
		e->free = p;
		e->allocated = bigger;
	}
	/* There is room by now. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
	memmove(e->free + at + 1, e->free + at, (e->n - at) * sizeof(*e->free));
	e->free[at] = (struct extent){ start, size };
	e->n++;
	return 0;
}

static void erase(struct extents *e, size_t at)
{
	e->n--;
	memmove(e->free + at, e->free + at + 1, (e->n - at) * sizeof(*e->free));
}

/* The first free stretch that begins at @start or later. */
static size_t position(const struct extents *e, uint32_t start)
{
	return SEARCH(e->n, i, e->free[i].start < start);
}

int extents_give(struct extents *e, uint32_t start, uint32_t size)
{
	size_t at = position(e, start);
	struct extent *before = at > 0 ? &e->free[at - 1] : NULL;
	struct extent *after = at < e->n ? &e->free[at] : NULL;
	int joins_before = before && before->start + before->size == start;
	int joins_after = after && start + size == after->start;

	if (!size)
		return 0;
	if (joins_before && joins_after) {
		before->size += size + after->size;
		erase(e, at);
	} else if (joins_before) {
		before->size += size;
	} else if (joins_after) {
		after->start = start;
		after->size += size;
	} else {
		return insert(e, at, start, size);
	}
	return 0;
}

/* Where in @f a stretch of @size could begin; 0 if it does not fit. */
static int fits(const struct extents *e, const struct extent *f, uint32_t size, uint32_t *ret_start)
{
	uint64_t start = f->start;
	uint64_t end = (uint64_t)f->start + f->size;

	if (e->boundary && start / e->boundary != (start + size - 1) / e->boundary)
		start = (start / e->boundary + 1) * e->boundary;
	if (start + size > end)
		return 0;
	*ret_start = (uint32_t)start;
	return 1;
}

int extents_take(struct extents *e, uint32_t size, uint32_t *ret_start)
{
	if (e->boundary && size > e->boundary)
		return -ENOSPC;
	for (size_t i = 0; i < e->n; i++) {
		struct extent *f = &e->free[i];
		uint32_t start = 0, before, after;

		if (!fits(e, f, size, &start))
			continue;
		before = start - f->start;
		after = f->size - before - size;
		if (before && after) {
			int r = insert(e, i + 1, start + size, after);

			if (r < 0)
				return r;
			e->free[i].size = before;
		} else if (before) {
			f->size = before;
		} else if (after) {
			f->start += size;
			f->size = after;
		} else {
			erase(e, i);
		}
		*ret_start = start;
		return 0;
	}
	return -ENOSPC;
}

void extents_done(struct extents *e)
{
	free(e->free);
	*e = (struct extents){ 0 };
}
