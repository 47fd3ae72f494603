/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readable executables by what mappings tell of them: the build id, the path. Neither names only
 * one: copies of a file may differ in their segments, and a file may be replaced by another.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process/executable_object.h"

/* All of one name, in the order in which they were read. */
struct executable_group {
	struct executable_object *first;
	UT_hash_handle hh;
	size_t size;
	char name[];
};

static struct executable_group *find(struct executable_group *groups, const void *name, size_t size)
{
	struct executable_group *g;

	HASH_FIND(hh, groups, name, size, g);
	return g;
}

/* NULL when out of memory. */
static struct executable_group *find_or_add(struct executable_group **groups, const void *name,
					    size_t size)
{
	struct executable_group *g = find(*groups, name, size);

	if (g)
		return g;
	g = calloc(1, sizeof(*g) + size);
	if (!g)
		return NULL;
	g->size = size;
	memcpy(g->name, name, size);
	HASH_ADD_KEYPTR(hh, *groups, g->name, size, g);
	if (!g->hh.tbl) {
		free(g);
		return NULL;
	}
	return g;
}

static void free_if_empty(struct executable_group **groups, struct executable_group *g)
{
	if (!g || g->first)
		return;
	HASH_DEL(*groups, g);
	free(g);
}

int executable_index_add(struct executable_table *t, struct executable_object *o)
{
	const struct executable_key *key = &o->key;
	const char *path = o->executable.path;

	o->of_path = find_or_add(&t->by_path, path, strlen(path));
	if (o->of_path && key->has_build_id)
		o->of_build_id = find_or_add(&t->by_build_id, key->build_id, key->build_id_size);
	if (!o->of_path || (key->has_build_id && !o->of_build_id)) {
		free_if_empty(&t->by_path, o->of_path);
		o->of_path = NULL;
		return -ENOMEM;
	}
	LL_APPEND2(o->of_path->first, o, next_of_path);
	if (o->of_build_id)
		LL_APPEND2(o->of_build_id->first, o, next_of_build_id);
	return 0;
}

void executable_index_remove(struct executable_table *t, struct executable_object *o)
{
	if (o->of_path)
		LL_DELETE2(o->of_path->first, o, next_of_path);
	if (o->of_build_id)
		LL_DELETE2(o->of_build_id->first, o, next_of_build_id);
	free_if_empty(&t->by_path, o->of_path);
	free_if_empty(&t->by_build_id, o->of_build_id);
	o->of_path = o->of_build_id = NULL;
}

struct executable_object *executable_index_build_id(const struct executable_table *t,
						    const uint8_t *build_id, uint8_t size)
{
	const struct executable_group *g = size ? find(t->by_build_id, build_id, size) : NULL;

	return g ? g->first : NULL;
}

struct executable_object *executable_index_path(const struct executable_table *t, const char *path)
{
	const struct executable_group *g = find(t->by_path, path, strlen(path));

	return g ? g->first : NULL;
}

static size_t memory_of(const struct executable_group *groups)
{
	size_t memory = HASH_OVERHEAD(hh, groups);

	for (const struct executable_group *g = groups; g; g = g->hh.next)
		memory += sizeof(*g) + g->size;
	return memory;
}

size_t executable_index_memory(const struct executable_table *t)
{
	return memory_of(t->by_build_id) + memory_of(t->by_path);
}
