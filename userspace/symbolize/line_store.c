/* SPDX-License-Identifier: Apache-2.0 */
/* A hash of addresses, at most half full, and one array of frames. */
#include "symbolize/line_store.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/intern.h"

#define FIRST_SLOTS 64U

struct stored_frame {
	uint32_t name, file; /* strings */
	uint32_t line, column, start_line;
	bool is_exact;
};

struct slot {
	uint64_t address;
	uint32_t first; /* frame */
	uint16_t n;
	bool used;
};

struct line_store {
	struct slot *slots;
	uint32_t mask, n_used;
	struct stored_frame *frames;
	uint32_t n_frames, frames_allocated;
	struct intern *strings;
};

struct line_store *line_store_new(void)
{
	struct line_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->mask = FIRST_SLOTS - 1;
	s->slots = calloc(FIRST_SLOTS, sizeof(*s->slots));
	s->strings = intern_new();
	return s->slots && s->strings ? s : line_store_free(s);
}

struct line_store *line_store_free(struct line_store *s)
{
	if (!s)
		return NULL;
	intern_free(s->strings);
	free(s->slots);
	free(s->frames);
	free(s);
	return NULL;
}

/* Where the address is, or would be. */
static struct slot *slot_of(struct slot *slots, uint32_t mask, uint64_t address)
{
	uint32_t i = (uint32_t)hash_mix(address) & mask;

	while (slots[i].used && slots[i].address != address)
		i = (i + 1) & mask;
	return &slots[i];
}

static int grow_slots(struct line_store *s)
{
	uint32_t mask = s->mask * 2 + 1;
	struct slot *slots;

	if (s->n_used * 2 <= s->mask)
		return 0;
	slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= s->mask; i++)
		if (s->slots[i].used)
			*slot_of(slots, mask, s->slots[i].address) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->mask = mask;
	return 0;
}

static int grow_frames(struct line_store *s, size_t n)
{
	size_t wanted = MAX((size_t)s->frames_allocated * 2, s->n_frames + n);
	struct stored_frame *bigger;

	if (s->n_frames + n <= s->frames_allocated)
		return 0;
	if (wanted > UINT32_MAX)
		return -ENOMEM;
	bigger = reallocarray(s->frames, wanted, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->frames = bigger;
	s->frames_allocated = (uint32_t)wanted;
	return 0;
}

int line_store_put(struct line_store *s, uint64_t address, const struct line_frame *frames,
		   size_t n)
{
	struct slot *slot;

	n = MIN(n, (size_t)LINE_MAX_CHAIN);
	if (grow_slots(s) < 0 || grow_frames(s, n) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct stored_frame *f = &s->frames[s->n_frames + i];

		f->name = intern_string(s->strings, frames[i].name);
		f->file = intern_string(s->strings, frames[i].file);
		f->line = frames[i].line;
		f->column = frames[i].column;
		f->start_line = frames[i].start_line;
		f->is_exact = frames[i].is_exact;
		if (!f->name || !f->file)
			return -ENOMEM;
	}
	slot = slot_of(s->slots, s->mask, address);
	s->n_used += !slot->used;
	*slot = (struct slot){ address, s->n_frames, (uint16_t)n, true };
	s->n_frames += (uint32_t)n;
	return 0;
}

bool line_store_get(const struct line_store *s, uint64_t address, struct line_frame *ret,
		    size_t max, size_t *ret_n)
{
	const struct slot *slot = slot_of(s->slots, s->mask, address);
	size_t n = MIN((size_t)slot->n, max);

	if (!slot->used)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct stored_frame *f = &s->frames[slot->first + i];

		ret[i] = (struct line_frame){
			.name = intern_get(s->strings, f->name, NULL),
			.file = intern_get(s->strings, f->file, NULL),
			.line = f->line,
			.column = f->column,
			.start_line = f->start_line,
			.is_exact = f->is_exact,
		};
	}
	*ret_n = n;
	return true;
}

bool line_store_has(const struct line_store *s, uint64_t address)
{
	return slot_of(s->slots, s->mask, address)->used;
}

size_t line_store_memory(const struct line_store *s)
{
	return sizeof(*s) + ((size_t)s->mask + 1) * sizeof(*s->slots) +
	       s->frames_allocated * sizeof(*s->frames) + intern_memory(s->strings);
}
