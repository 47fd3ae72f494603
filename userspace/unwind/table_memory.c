/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table_memory.h"

#include <errno.h>
#include <stdlib.h>

struct table_memory {
	struct unwind_file *files;
	struct unwind_page *pages;
	struct unwind_rule *rules;
	struct unwind_segment *segments[UNWIND_MAX_SEGMENTS];
};

struct table_memory *table_memory_new(void)
{
	struct table_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->files = calloc(UNWIND_FILE_SLOTS, sizeof(*m->files));
	m->pages = calloc(UNWIND_MAX_PAGES, sizeof(*m->pages));
	m->rules = calloc(UNWIND_MAX_RULES, sizeof(*m->rules));
	if (!m->files || !m->pages || !m->rules)
		return table_memory_free(m);
	return m;
}

struct table_memory *table_memory_free(struct table_memory *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < UNWIND_MAX_SEGMENTS; i++)
		free(m->segments[i]);
	free(m->files);
	free(m->pages);
	free(m->rules);
	free(m);
	return NULL;
}

static int add_segment(void *userdata, uint32_t index, struct unwind_segment **ret)
{
	struct table_memory *m = userdata;

	if (index >= UNWIND_MAX_SEGMENTS || m->segments[index])
		return -EINVAL;
	m->segments[index] = calloc(1, sizeof(*m->segments[index]));
	if (!m->segments[index])
		return -ENOMEM;
	*ret = m->segments[index];
	return 0;
}

/* There are none but the caller. */
static void wait_for_readers(void *userdata)
{
	(void)userdata;
}

struct table_store_memory table_memory_get(struct table_memory *m)
{
	return (struct table_store_memory){
		.files = m->files,
		.pages = m->pages,
		.rules = m->rules,
		.add_segment = add_segment,
		.wait_for_readers = wait_for_readers,
		.userdata = m,
	};
}
