/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One growing array of content, one array of where each id begins, one open-addressing hash of
 * ids. The hash is at most half full. Content is at most 4 GiB.
 */
#include "base/intern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define ALIGNMENT 8

struct item {
	uint32_t offset; /* in units of ALIGNMENT */
	uint32_t size;
	uint32_t hash;
};

struct intern {
	char *content;
	size_t used, allocated;
	struct item *items; /* items[id - 1] */
	uint32_t count, items_allocated;
	uint32_t *slots; /* ids, 0 = free; NULL = sealed */
	uint32_t slots_mask;
};

struct intern *intern_new(void)
{
	struct intern *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->slots_mask = 63;
	t->slots = calloc(t->slots_mask + 1, sizeof(*t->slots));
	if (!t->slots)
		return intern_free(t);
	return t;
}

struct intern *intern_free(struct intern *t)
{
	if (!t)
		return NULL;
	free(t->content);
	free(t->items);
	free(t->slots);
	free(t);
	return NULL;
}

static bool grow_slots(struct intern *t)
{
	uint32_t mask = t->slots_mask * 2 + 1;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t id = 1; id <= t->count; id++) {
		uint32_t i = t->items[id - 1].hash & mask;

		while (slots[i])
			i = (i + 1) & mask;
		slots[i] = id;
	}
	free(t->slots);
	t->slots = slots;
	t->slots_mask = mask;
	return true;
}

static bool grow_items(struct intern *t)
{
	uint32_t n = t->items_allocated ? t->items_allocated * 2 : 64;
	struct item *items = reallocarray(t->items, n, sizeof(*items));

	if (!items)
		return false;
	t->items = items;
	t->items_allocated = n;
	return true;
}

static bool grow_content(struct intern *t, size_t need)
{
	size_t n = t->allocated ? t->allocated : 1024;
	char *content;

	while (n < need)
		n *= 2;
	if (n > (size_t)UINT32_MAX * ALIGNMENT)
		return false;
	content = realloc(t->content, n);
	if (!content)
		return false;
	t->content = content;
	t->allocated = n;
	return true;
}

static uint32_t add(struct intern *t, const void *data, size_t size, uint32_t hash)
{
	size_t padded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

	if (t->count >= t->items_allocated && !grow_items(t))
		return 0;
	if (t->used + padded > t->allocated && !grow_content(t, t->used + padded))
		return 0;
	if (size)
		memcpy(t->content + t->used, data, size);
	t->items[t->count++] = (struct item){
		.offset = (uint32_t)(t->used / ALIGNMENT),
		.size = (uint32_t)size,
		.hash = hash,
	};
	t->used += padded;
	return t->count;
}

/* Where the id of these bytes is, or the free slot where it would be. */
static uint32_t *find_slot(const struct intern *t, const void *data, size_t size, uint32_t hash)
{
	uint32_t i;

	for (i = hash & t->slots_mask; t->slots[i]; i = (i + 1) & t->slots_mask) {
		const struct item *item = &t->items[t->slots[i] - 1];

		if (item->hash == hash && item->size == size &&
		    memcmp(t->content + (size_t)item->offset * ALIGNMENT, data, size) == 0)
			break;
	}
	return &t->slots[i];
}

uint32_t intern_bytes(struct intern *t, const void *data, size_t size)
{
	uint32_t hash = hash_bytes(data, size);
	uint32_t *slot;

	if (size > UINT32_MAX - ALIGNMENT || !t->slots)
		return 0;
	if ((t->count + 1) * 2ULL > t->slots_mask && !grow_slots(t))
		return 0;
	slot = find_slot(t, data, size, hash);
	if (!*slot)
		*slot = add(t, data, size, hash);
	return *slot;
}

uint32_t intern_find(const struct intern *t, const void *data, size_t size)
{
	return t->slots ? *find_slot(t, data, size, hash_bytes(data, size)) : 0;
}

uint32_t intern_string(struct intern *t, const char *s)
{
	return intern_bytes(t, s, strlen(s) + 1);
}

const void *intern_get(const struct intern *t, uint32_t id, size_t *ret_size)
{
	const struct item *item = &t->items[id - 1];

	if (ret_size)
		*ret_size = item->size;
	return t->content + (size_t)item->offset * ALIGNMENT;
}

void *intern_pointer(const struct intern *t, uint32_t id)
{
	void *pointer;

	memcpy(&pointer, intern_get(t, id, NULL), sizeof(pointer));
	return pointer;
}

/* realloc() to 0 bytes would free. */
static void *shrink(void *memory, size_t size)
{
	void *smaller = size ? realloc(memory, size) : NULL;

	return smaller ? smaller : memory;
}

void intern_seal(struct intern *t)
{
	free(t->slots);
	t->slots = NULL;
	t->content = shrink(t->content, t->used);
	t->items = shrink(t->items, t->count * sizeof(*t->items));
	if (t->count) {
		t->allocated = t->used;
		t->items_allocated = t->count;
	}
}

uint32_t intern_count(const struct intern *t)
{
	return t->count;
}

size_t intern_memory(const struct intern *t)
{
	return sizeof(*t) + t->allocated + t->items_allocated * sizeof(*t->items) +
	       (t->slots ? ((size_t)t->slots_mask + 1) * sizeof(*t->slots) : 0);
}
