/* SPDX-License-Identifier: Apache-2.0 */
#include "process/executable.h"

#include <stdlib.h>

#include "process/executable_object.h"

struct executable *executable_ref(struct executable *x)
{
	x->refs++;
	return x;
}

struct executable *executable_unref(struct executable *x)
{
	if (!x || --x->refs > 0)
		return NULL;
	if (x->lines_free)
		x->lines_free(x->lines);
	if (x->names_free)
		x->names_free(x->names);
	executable_unref(x->same); /* which is readable, and so has none itself */
	free(x->path);
	free(x->segments);
	free(x);
	return NULL;
}

const struct executable_segment *executable_segment_of(const struct executable *x, uint64_t offset)
{
	for (uint32_t i = 0; i < x->n_segments; i++) {
		const struct executable_segment *s = &x->segments[i];

		if (offset >= s->offset && offset - s->offset < s->size)
			return s;
	}
	return NULL;
}

uint64_t executable_address(const struct executable *x, uint64_t offset)
{
	const struct executable_segment *s = executable_segment_of(x, offset);

	return s ? offset - s->offset + s->address : offset;
}
