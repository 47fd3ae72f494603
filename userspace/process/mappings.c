/* SPDX-License-Identifier: Apache-2.0 */
#include "process/mappings.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

#define DELETED " (deleted)"

struct mappings *mappings_new(struct mappings_account *account)
{
	struct mappings *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->refs = 1;
	m->account = account;
	account->memory += sizeof(*m);
	return m;
}

struct mappings *mappings_ref(struct mappings *m)
{
	if (m)
		m->refs++;
	return m;
}

struct mappings *mappings_unref(struct mappings *m)
{
	if (!m || --m->refs > 0)
		return NULL;
	for (uint32_t i = 0; i < m->n; i++)
		shared_unref(m->items[i].file);
	m->account->mappings -= m->n;
	m->account->memory -= sizeof(*m) + m->allocated * sizeof(*m->items);
	free(m->items);
	free(m);
	return NULL;
}

static int resize(struct mappings *m, uint32_t n)
{
	struct mapping *items = reallocarray(m->items, n, sizeof(*items));

	if (!items)
		return -ENOMEM;
	m->account->memory += n * sizeof(*items);
	m->account->memory -= m->allocated * sizeof(*items);
	m->items = items;
	m->allocated = n;
	return 0;
}

/* Makes *@m a list that nobody else holds. */
static int make_own(struct mappings **m)
{
	struct mappings *copy;

	if ((*m)->refs == 1)
		return 0;
	copy = mappings_new((*m)->account);
	if (!copy)
		return -ENOMEM;
	if ((*m)->n > 0 && resize(copy, (*m)->n + 1) < 0) {
		mappings_unref(copy);
		return -ENOMEM;
	}
	for (copy->n = 0; copy->n < (*m)->n; copy->n++) {
		copy->items[copy->n] = (*m)->items[copy->n];
		shared_ref(copy->items[copy->n].file);
	}
	copy->account->mappings += copy->n;
	mappings_unref(*m);
	*m = copy;
	return 0;
}

/* Removes what lies in [@start, @end); true if anything else there is still visible. */
static bool uncover(struct mappings *m, uint64_t start, uint64_t end)
{
	bool overlaps = false;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		struct mapping *item = &m->items[i];

		if (item->start >= start && item->end <= end) {
			shared_unref(item->file);
			continue;
		}
		overlaps |= item->start < end && start < item->end;
		m->items[kept++] = *item;
	}
	m->account->mappings -= m->n - kept;
	m->n = kept;
	return overlaps;
}

static void drop_older_half(struct mappings *m)
{
	uint32_t n = m->n / 2;

	for (uint32_t i = 0; i < n; i++)
		shared_unref(m->items[i].file);
	memmove(m->items, m->items + n, (m->n - n) * sizeof(*m->items));
	m->n -= n;
	m->account->mappings -= n;
	m->account->dropped += n;
}

int mappings_add(struct mappings **list, const struct mapping *added)
{
	struct mappings *m;
	int r;

	r = make_own(list);
	if (r < 0)
		return r;
	m = *list;
	/* Code without a file is only of interest where it hides a file. */
	if (!uncover(m, added->start, added->end) && !added->file)
		return 0;
	if (m->n >= MAPPINGS_MAX)
		drop_older_half(m);
	if (m->n == m->allocated) {
		r = resize(m, m->allocated ? m->allocated * 2 : 4);
		if (r < 0)
			return r;
	}
	m->items[m->n] = *added;
	shared_ref(added->file);
	m->n++;
	m->account->mappings++;
	return 0;
}

const struct mapping *mappings_find(const struct mappings *m, uint64_t address)
{
	for (uint32_t i = m ? m->n : 0; i > 0; i--) {
		const struct mapping *item = &m->items[i - 1];

		if (address >= item->start && address < item->end)
			return item->file ? item : NULL;
	}
	return NULL;
}

struct shared *mapped_file_get(struct shared_set *set, const char *path, const uint8_t *build_id,
			       uint8_t build_id_size)
{
	union {
		struct mapped_file file;
		char bytes[sizeof(struct mapped_file) + PATH_MAX + 1];
	} key;
	size_t length;

	memset(&key.file, 0, sizeof(key.file));
	length = utf8_copy(key.file.path, PATH_MAX, path);
	if (length > strlen(DELETED) &&
	    strcmp(key.file.path + length - strlen(DELETED), DELETED) == 0) {
		length -= strlen(DELETED);
		key.file.path[length] = '\0';
		key.file.deleted = 1;
	}
	key.file.build_id_size = MIN(build_id_size, sizeof(key.file.build_id));
	if (key.file.build_id_size)
		memcpy(key.file.build_id, build_id, key.file.build_id_size);
	return shared_get(set, &key, offsetof(struct mapped_file, path) + length + 1);
}
