/* SPDX-License-Identifier: Apache-2.0 */
#include "process/shared.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct item {
	struct shared_set *set; /* NULL once the set is gone */
	uint32_t refs;
	UT_hash_handle hh;
	struct shared shared; /* must be last */
};

struct shared_set {
	struct item *items;
	size_t memory;
};

static struct item *item_of(struct shared *s)
{
	return (struct item *)((char *)s - offsetof(struct item, shared));
}

static size_t item_memory(const struct item *item)
{
	return sizeof(*item) + item->shared.size + 1;
}

struct shared_set *shared_set_new(void)
{
	return calloc(1, sizeof(struct shared_set));
}

struct shared_set *shared_set_free(struct shared_set *set)
{
	struct item *item, *next = NULL;

	if (!set)
		return NULL;
	HASH_ITER(hh, set->items, item, next) {
		HASH_DEL(set->items, item);
		item->set = NULL;
	}
	free(set);
	return NULL;
}

size_t shared_set_memory(const struct shared_set *set)
{
	return sizeof(*set) + set->memory + HASH_OVERHEAD(hh, set->items);
}

static struct item *item_new(struct shared_set *set, const void *data, size_t size)
{
	struct item *item = malloc(sizeof(*item) + size + 1);

	if (!item)
		return NULL;
	item->set = set;
	item->refs = 1;
	item->shared.size = (uint32_t)size;
	memcpy(item->shared.data, data, size);
	item->shared.data[size] = '\0';
	return item;
}

struct shared *shared_get(struct shared_set *set, const void *data, size_t size)
{
	struct item *item;

	if (size >= UINT32_MAX)
		return NULL;
	HASH_FIND(hh, set->items, data, size, item);
	if (item)
		return shared_ref(&item->shared);
	item = item_new(set, data, size);
	if (!item)
		return NULL;
	HASH_ADD_KEYPTR(hh, set->items, item->shared.data, size, item);
	if (!item->hh.tbl) {
		free(item);
		return NULL;
	}
	set->memory += item_memory(item);
	return &item->shared;
}

struct shared *shared_ref(struct shared *s)
{
	if (s)
		item_of(s)->refs++;
	return s;
}

struct shared *shared_unref(struct shared *s)
{
	struct item *item;

	if (!s)
		return NULL;
	item = item_of(s);
	if (--item->refs > 0)
		return NULL;
	if (item->set) {
		item->set->memory -= item_memory(item);
		HASH_DEL(item->set->items, item);
	}
	free(item);
	return NULL;
}
