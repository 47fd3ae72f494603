/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf-c takes the bytes apart; here every id and index is followed once, so that whoever reads
 * the result need not check anything. Profiles of other tools may use any ids and any order.
 *
 * The message stays in memory with the result, which borrows its strings. It is about ten times as
 * large as the bytes, but a file made for it gets to fifty, with messages that are empty: the
 * allocator of the message has a budget.
 */
#include "profile/pprof.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profile.pb-c.h"
#include "profile/gunzip.h"

#define UNPACKED_MAX	(1ULL << 30)
#define MEMORY_MAX	(4ULL << 30)
#define MEMORY_PER_BYTE 32
#define MEMORY_LEAST	(1ULL << 20)

/* Where the thing with an id is; sorted by id. */
struct id_position {
	uint64_t id;
	uint32_t position;
};

struct id_table {
	struct id_position *entries;
	size_t n;
};

struct decoded {
	struct pprof_profile profile; /* first: what the caller has a pointer to */
	ProtobufCAllocator allocator;
	size_t budget;
	Perftools__Profiles__Profile *message;
	/* All of a kind in one array each; the profile points into them. */
	struct pprof_line *lines;
	struct pprof_label *labels;
	uint32_t *sample_locations;
	int64_t *values;
	struct id_table mapping_ids, location_ids, function_ids;
};

struct block {
	size_t size;
	max_align_t data[];
};

static void *budget_alloc(void *userdata, size_t size)
{
	struct decoded *d = userdata;
	struct block *block;

	if (size > d->budget || d->budget - size < sizeof(*block))
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = sizeof(*block) + size;
	d->budget -= block->size;
	return block->data;
}

static void budget_free(void *userdata, void *data)
{
	struct decoded *d = userdata;
	struct block *block;

	if (!data)
		return;
	block = (struct block *)((char *)data - offsetof(struct block, data));
	d->budget += block->size;
	free(block);
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = ((const struct id_position *)a)->id;
	uint64_t y = ((const struct id_position *)b)->id;

	return (x > y) - (x < y);
}

static int id_table_finish(struct id_table *t)
{
	qsort(t->entries, t->n, sizeof(*t->entries), compare_ids);
	for (size_t i = 0; i < t->n; i++) {
		if (t->entries[i].id == 0)
			return -EBADMSG;
		if (i > 0 && t->entries[i].id == t->entries[i - 1].id)
			return -EBADMSG;
	}
	return 0;
}

static bool id_table_find(const struct id_table *t, uint64_t id, uint32_t *ret)
{
	const struct id_position key = { .id = id };
	const struct id_position *found;

	/* Ids are usually 1, 2, 3, ... */
	if (id - 1 < t->n && t->entries[id - 1].id == id) {
		*ret = t->entries[id - 1].position;
		return true;
	}
	if (t->n == 0)
		return false;
	found = bsearch(&key, t->entries, t->n, sizeof(key), compare_ids);
	if (!found)
		return false;
	*ret = found->position;
	return true;
}

#define INDEX_IDS(table, list, count)                                                              \
	({                                                                                         \
		(table)->n = (count);                                                              \
		(table)->entries = calloc((count) + 1, sizeof(*(table)->entries));                 \
		for (size_t _i = 0; (table)->entries && _i < (count); _i++)                        \
			(table)->entries[_i] =                                                     \
				(struct id_position){ (list)[_i]->id, (uint32_t)_i };              \
		(table)->entries ? id_table_finish(table) : -ENOMEM;                               \
	})

static int index_ids(struct decoded *d)
{
	const Perftools__Profiles__Profile *m = d->message;
	int r = INDEX_IDS(&d->mapping_ids, m->mapping, m->n_mapping);

	if (r == 0)
		r = INDEX_IDS(&d->location_ids, m->location, m->n_location);
	if (r == 0)
		r = INDEX_IDS(&d->function_ids, m->function, m->n_function);
	return r;
}

/* The string at an index of the string table; false if there is none. */
static bool string_at(const struct decoded *d, int64_t index, const char **ret)
{
	if (index < 0 || (uint64_t)index >= d->message->n_string_table)
		return false;
	*ret = d->message->string_table[index];
	return true;
}

static int allocate(struct decoded *d)
{
	const Perftools__Profiles__Profile *m = d->message;
	struct pprof_profile *p = &d->profile;
	size_t lines = 0, labels = 0, locations = 0;

	if (MAX(MAX(m->n_sample, m->n_location), MAX(m->n_function, m->n_mapping)) > INT32_MAX ||
	    MAX(m->n_comment, m->n_sample_type) > INT32_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < m->n_location; i++)
		lines += m->location[i]->n_line;
	for (size_t i = 0; i < m->n_sample; i++) {
		/* Checked here, so that values is no larger than what was in the file. */
		if (m->sample[i]->n_value != m->n_sample_type)
			return -EBADMSG;
		labels += m->sample[i]->n_label;
		locations += m->sample[i]->n_location_id;
	}
	p->types = calloc(m->n_sample_type + 1, sizeof(*p->types));
	p->units = calloc(m->n_sample_type + 1, sizeof(*p->units));
	p->samples = calloc(m->n_sample + 1, sizeof(*p->samples));
	p->mappings = calloc(m->n_mapping + 1, sizeof(*p->mappings));
	p->locations = calloc(m->n_location + 1, sizeof(*p->locations));
	p->functions = calloc(m->n_function + 1, sizeof(*p->functions));
	p->comments = calloc(m->n_comment + 1, sizeof(*p->comments));
	d->lines = calloc(lines + 1, sizeof(*d->lines));
	d->labels = calloc(labels + 1, sizeof(*d->labels));
	d->sample_locations = calloc(locations + 1, sizeof(*d->sample_locations));
	d->values = calloc(m->n_sample * m->n_sample_type + 1, sizeof(*d->values));
	return p->types && p->units && p->samples && p->mappings && p->locations && p->functions &&
			       p->comments && d->lines && d->labels && d->sample_locations &&
			       d->values
		       ? 0
		       : -ENOMEM;
}

static bool decode_types(struct decoded *d)
{
	const Perftools__Profiles__Profile *m = d->message;
	struct pprof_profile *p = &d->profile;

	if (m->n_sample > 0 && m->n_sample_type == 0)
		return false;
	for (size_t i = 0; i < m->n_sample_type; i++)
		if (!string_at(d, m->sample_type[i]->type, &p->types[i]) ||
		    !string_at(d, m->sample_type[i]->unit, &p->units[i]))
			return false;
	for (size_t i = 0; i < m->n_comment; i++)
		if (!string_at(d, m->comment[i], &p->comments[i]))
			return false;
	p->n_types = (uint32_t)m->n_sample_type;
	p->n_comments = (uint32_t)m->n_comment;
	p->time = m->time_nanos;
	p->duration = m->duration_nanos;
	p->period = m->period;
	return true;
}

static bool decode_mappings(struct decoded *d)
{
	struct pprof_profile *p = &d->profile;

	for (; p->n_mappings < d->message->n_mapping; p->n_mappings++) {
		const Perftools__Profiles__Mapping *m = d->message->mapping[p->n_mappings];
		struct pprof_mapping *to = &p->mappings[p->n_mappings];

		to->start = m->memory_start;
		to->limit = m->memory_limit;
		to->offset = m->file_offset;
		if (!string_at(d, m->filename, &to->file) ||
		    !string_at(d, m->build_id, &to->build_id))
			return false;
	}
	return true;
}

static bool decode_functions(struct decoded *d)
{
	struct pprof_profile *p = &d->profile;

	for (; p->n_functions < d->message->n_function; p->n_functions++) {
		const Perftools__Profiles__Function *f = d->message->function[p->n_functions];
		struct pprof_function *to = &p->functions[p->n_functions];

		if (!string_at(d, f->name, &to->name) ||
		    !string_at(d, f->system_name, &to->system_name) ||
		    !string_at(d, f->filename, &to->file))
			return false;
	}
	return true;
}

static uint32_t to_u32(int64_t number)
{
	return (uint32_t)MIN((uint64_t)MAX(number, (int64_t)0), (uint64_t)UINT32_MAX);
}

static bool decode_locations(struct decoded *d)
{
	struct pprof_profile *p = &d->profile;
	struct pprof_line *line = d->lines;

	for (; p->n_locations < d->message->n_location; p->n_locations++) {
		const Perftools__Profiles__Location *l = d->message->location[p->n_locations];
		struct pprof_location *to = &p->locations[p->n_locations];
		uint32_t mapping;

		to->address = l->address;
		/* As google/pprof: a mapping that does not exist is no mapping. */
		to->mapping = id_table_find(&d->mapping_ids, l->mapping_id, &mapping)
				      ? (int32_t)mapping
				      : -1;
		to->lines = line;
		to->n_lines = (uint32_t)l->n_line;
		for (size_t i = 0; i < l->n_line; i++, line++) {
			if (!id_table_find(&d->function_ids, l->line[i]->function_id,
					   &line->function))
				return false;
			line->line = to_u32(l->line[i]->line);
			line->column = to_u32(l->line[i]->column);
		}
	}
	return true;
}

static bool decode_label(struct decoded *d, const Perftools__Profiles__Label *l,
			 struct pprof_label *to)
{
	if (!string_at(d, l->key, &to->key) || !string_at(d, l->num_unit, &to->unit))
		return false;
	to->number = l->num;
	to->string = NULL;
	return l->str == 0 || string_at(d, l->str, &to->string);
}

static bool decode_samples(struct decoded *d)
{
	struct pprof_profile *p = &d->profile;
	uint32_t *location = d->sample_locations;
	struct pprof_label *label = d->labels;
	int64_t *value = d->values;

	for (; p->n_samples < d->message->n_sample; p->n_samples++) {
		const Perftools__Profiles__Sample *s = d->message->sample[p->n_samples];
		struct pprof_sample *to = &p->samples[p->n_samples];

		to->locations = location;
		to->n_locations = (uint32_t)s->n_location_id;
		for (size_t i = 0; i < s->n_location_id; i++)
			if (!id_table_find(&d->location_ids, s->location_id[i], location++))
				return false;
		to->values = value;
		for (size_t i = 0; i < s->n_value; i++)
			*value++ = s->value[i];
		to->labels = label;
		to->n_labels = (uint32_t)s->n_label;
		for (size_t i = 0; i < s->n_label; i++)
			if (!decode_label(d, s->label[i], label++))
				return false;
	}
	return true;
}

static int decode_message(struct decoded *d)
{
	int r;

	if (d->message->n_string_table == 0 || d->message->string_table[0][0] != '\0')
		return -EBADMSG;
	r = allocate(d);
	if (r == 0)
		r = index_ids(d);
	if (r < 0)
		return r;
	if (!decode_types(d) || !decode_mappings(d) || !decode_functions(d) ||
	    !decode_locations(d) || !decode_samples(d))
		return -EBADMSG;
	return 0;
}

struct pprof_profile *pprof_profile_free(struct pprof_profile *p)
{
	struct decoded *d = (struct decoded *)p;

	if (!d)
		return NULL;
	if (d->message)
		perftools__profiles__profile__free_unpacked(d->message, &d->allocator);
	free(p->types);
	free(p->units);
	free(p->samples);
	free(p->mappings);
	free(p->locations);
	free(p->functions);
	free(p->comments);
	free(d->lines);
	free(d->labels);
	free(d->sample_locations);
	free(d->values);
	free(d->mapping_ids.entries);
	free(d->location_ids.entries);
	free(d->function_ids.entries);
	free(d);
	return NULL;
}

DEFINE_CLEANUP(struct pprof_profile *, pprof_profile_free);

int pprof_decode(const void *data, size_t size, struct pprof_profile **ret)
{
	_cleanup_(pprof_profile_freep)
	struct pprof_profile *profile = NULL;
	_cleanup_free_ void *unpacked = NULL;
	const uint8_t *bytes = data;
	struct decoded *d;
	int r;

	if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
		size_t unpacked_size;

		r = gunzip(data, size, UNPACKED_MAX, &unpacked, &unpacked_size);
		if (r < 0)
			return r == -EFBIG ? -EBADMSG : r;
		bytes = unpacked;
		size = unpacked_size;
	}
	if (size == 0 || size > UNPACKED_MAX)
		return -EBADMSG;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	profile = &d->profile;
	d->budget = MIN(MEMORY_LEAST + size * MEMORY_PER_BYTE, MEMORY_MAX);
	d->allocator = (ProtobufCAllocator){ budget_alloc, budget_free, d };
	d->message = perftools__profiles__profile__unpack(&d->allocator, size, bytes);
	if (!d->message)
		return -EBADMSG;
	r = decode_message(d);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(profile);
	return 0;
}
