/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table_spans.h"
#include "base/cleanup.h"
#include "base/search.h"

#include <errno.h>
#include <stdlib.h>

int spans_add(struct spans *s, const struct elf_image *image, uint64_t address, uint64_t end,
	      enum span_source source, uint32_t number)
{
	const Elf64_Phdr *p = elf_image_text_at(image, address);
	uint64_t start;

	if (!p)
		return -ENOENT;
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 256;
		void *at = reallocarray(s->at, room, sizeof(*s->at));

		if (!at)
			return -ENOMEM;
		s->at = at;
		s->room = room;
	}
	start = address - p->p_vaddr + p->p_offset;
	s->at[s->n++] = (struct span){
		.start = start,
		.end = MIN(start + (end - address), p->p_offset + p->p_filesz),
		.address = address,
		.source = source,
		.number = number,
	};
	s->sorted = false;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

void spans_sort(struct spans *s)
{
	bool sorted = true;

	for (size_t i = 1; i < s->n && sorted; i++)
		sorted = compare(&s->at[i - 1], &s->at[i]) <= 0;
	if (!sorted)
		qsort(s->at, s->n, sizeof(*s->at), compare);
	s->sorted = true;
}

/* The first span that does not begin below @offset. */
static size_t lower_bound(const struct spans *s, uint64_t offset)
{
	return SEARCH(s->n, i, s->at[i].start < offset);
}

/*
 * Spans that begin before the segment and reach into it do not exist, since a span ends with the
 * segment it begins in; segments that overlap in the file are only read twice.
 */
static int each_gap_of(const struct spans *s, const Elf64_Phdr *segment, spans_gap_fn visit,
		       void *userdata)
{
	uint64_t covered = segment->p_offset;
	uint64_t end = segment->p_offset + segment->p_filesz;
	int r = 0;

	for (size_t i = lower_bound(s, covered); !r && covered < end; i++) {
		uint64_t next = i < s->n ? MIN(s->at[i].start, end) : end;

		if (next > covered)
			r = visit(userdata, segment, covered, next);
		if (i == s->n)
			break;
		covered = MAX(covered, s->at[i].end);
	}
	return r;
}

int spans_each_gap(const struct spans *s, const struct elf_image *image, spans_gap_fn visit,
		   void *userdata)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < image->n_segments; i++) {
		const Elf64_Phdr *p = &image->segments[i];

		if (p->p_type == PT_LOAD && p->p_flags & PF_X && p->p_filesz &&
		    p->p_offset + p->p_filesz > p->p_offset)
			r = each_gap_of(s, p, visit, userdata);
	}
	return r;
}
