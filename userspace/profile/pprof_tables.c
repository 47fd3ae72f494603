/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/pprof_tables.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "base/utf8.h"

int pprof_tables_init(struct pprof_tables *t)
{
	*t = (struct pprof_tables){
		.strings = intern_new(),
		.functions = intern_new(),
		.mappings = intern_new(),
		.locations = intern_new(),
	};
	if (!t->strings || !t->functions || !t->mappings || !t->locations)
		return -ENOMEM;
	/* The format wants the empty string to be the first one. */
	return intern_string(t->strings, "") ? 0 : -ENOMEM;
}

void pprof_tables_done(struct pprof_tables *t)
{
	intern_free(t->strings);
	intern_free(t->functions);
	intern_free(t->mappings);
	intern_free(t->locations);
	free(t->details);
	*t = (struct pprof_tables){};
}

int pprof_reserve(void *array, size_t *allocated, size_t n, size_t element_size)
{
	void *old, *bigger;
	size_t size = *allocated ? *allocated * 2 : 64;

	if (n < *allocated)
		return 0;
	if (size <= n)
		size = n + 1;
	memcpy(&old, array, sizeof(old));
	bigger = reallocarray(old, size, element_size);
	if (!bigger)
		return -ENOMEM;
	memset((char *)bigger + *allocated * element_size, 0, (size - *allocated) * element_size);
	memcpy(array, &bigger, sizeof(bigger));
	*allocated = size;
	return 0;
}

uint32_t pprof_tables_string(struct pprof_tables *t, const char *s)
{
	char clean[PATH_MAX];

	if (!s)
		s = "";
	if (!utf8_has_control(s))
		return intern_string(t->strings, s);
	utf8_clean(clean, sizeof(clean), s, strlen(s));
	return intern_string(t->strings, clean);
}

int64_t pprof_tables_index(uint32_t string)
{
	return (int64_t)string - 1;
}

uint32_t pprof_tables_function(struct pprof_tables *t, const struct function_key *key)
{
	return intern_bytes(t->functions, key, sizeof(*key));
}

uint32_t pprof_tables_mapping(struct pprof_tables *t, const struct mapping_key *key)
{
	uint32_t count = intern_count(t->mappings), id;
	struct mapping_key unnamed = *key;

	if (pprof_tables_index(key->build_id) != 0)
		unnamed.file = 0;
	/* Room first: an id without details would be out of bounds later. */
	if (pprof_reserve(&t->details, &t->details_allocated, count, sizeof(*t->details)) < 0)
		return 0;
	id = intern_bytes(t->mappings, &unnamed, sizeof(unnamed));
	if (id > count)
		t->details[id - 1].file = key->file;
	return id;
}

static bool function_has_file(const struct pprof_tables *t, uint32_t function)
{
	const struct function_key *key = intern_get(t->functions, function, NULL);

	return pprof_tables_index(key->file) != 0;
}

uint32_t pprof_tables_location(struct pprof_tables *t, const struct location_key *key)
{
	struct mapping_details *details = &t->details[key->mapping - 1];

	details->inline_frames |= key->n_lines > 1;
	for (uint32_t i = 0; i < key->n_lines; i++) {
		details->line_numbers |= key->lines[i].line != 0;
		details->filenames |= function_has_file(t, key->lines[i].function);
	}
	return intern_bytes(t->locations, key,
			    offsetof(struct location_key, lines) +
				    key->n_lines * sizeof(key->lines[0]));
}

uint32_t pprof_tables_mapping_of_file(const struct pprof_tables *t, uint32_t file)
{
	uint32_t found = 0;

	for (uint32_t id = 1; id <= intern_count(t->mappings); id++) {
		const struct mapping_key *key = intern_get(t->mappings, id, NULL);

		if (t->details[id - 1].file != file)
			continue;
		if (pprof_tables_index(key->build_id) != 0)
			return id;
		if (!found)
			found = id;
	}
	return found;
}
