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

static int add_segments(void *userdata, uint32_t first, uint32_t n, struct unwind_segment **ret)
{
	struct table_memory *m = userdata;
	uint32_t i;

	if (first >= UNWIND_MAX_SEGMENTS || n > UNWIND_MAX_SEGMENTS - first)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		/* One that is there was made when there was no memory for the next. */
		if (!m->segments[first + i])
			m->segments[first + i] = calloc(1, sizeof(struct unwind_segment));
		if (!m->segments[first + i])
			return -ENOMEM;
		ret[i] = m->segments[first + i];
	}
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
		.add_segments = add_segments,
		.wait_for_readers = wait_for_readers,
		.userdata = m,
	};
}
