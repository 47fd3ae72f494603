/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of the small world as profiles: encoded, decoded again, and as the message that is in the
 * file, so that tests can look at all three.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile.pb-c.h"
#include "profile/gunzip.h"
#include "profile_world.h"

#define PERIOD 10101010

struct encoded {
	void *data;
	size_t size;
	struct quality quality;
	struct pprof_profile *profile;
	Perftools__Profiles__Profile *message; /* as it is in the file */
	struct symbolizer symbolizer;
};

static const char *const comments[] = { "profd: version=test", NULL };

static inline uint64_t get_varint(const uint8_t *data, size_t size, size_t *at)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64; shift += 7) {
		assert_true(*at < size);
		value |= (uint64_t)(data[*at] & 0x7f) << shift;
		if (!(data[(*at)++] & 0x80))
			return value;
	}
	fail_msg("a number of more than 64 bits");
	return 0;
}

/* Copies the fields with this number, as they are, one behind the other. Returns their bytes. */
static inline size_t fields_of(const uint8_t *data, size_t size, unsigned int number, uint8_t *to)
{
	size_t at = 0, n = 0;

	while (at < size) {
		size_t first = at;
		uint64_t tag = get_varint(data, size, &at);
		uint64_t value = get_varint(data, size, &at);

		assert_true((tag & 7) == 0 || (tag & 7) == 2);
		at += (tag & 7) == 2 ? value : 0;
		assert_true(at <= size);
		if (tag >> 3 != number)
			continue;
		memcpy(to + n, data + first, at - first);
		n += at - first;
	}
	return n;
}

/* Each field is written byte for byte as protobuf-c writes it; only their order is our own. */
static inline void compare_with_protobuf_c(const Perftools__Profiles__Profile *message,
					   const uint8_t *raw, size_t size)
{
	_cleanup_free_ uint8_t *packed = malloc(size), *ours = malloc(size), *its = malloc(size);

	assert_int_equal(perftools__profiles__profile__get_packed_size(message), size);
	perftools__profiles__profile__pack(message, packed);
	for (unsigned int number = 0; number < 32; number++) {
		size_t n = fields_of(raw, size, number, ours);

		assert_int_equal(fields_of(packed, size, number, its), n);
		assert_memory_equal(ours, its, n);
	}
}

static inline struct encoded encode_with(struct window *const *windows, size_t n,
					 const struct pprof_options *o)
{
	struct encoded e = { .symbolizer = { .kernel_start = WORLD_KERNEL_START,
					     .kernel_end = WORLD_KERNEL_END } };
	_cleanup_free_ void *raw = NULL;
	size_t size;

	assert_int_equal(pprof_encode(windows, n, o, &e.symbolizer, &e.data, &e.size, &e.quality),
			 0);
	assert_int_equal(pprof_decode(e.data, e.size, &e.profile), 0);
	assert_int_equal(gunzip(e.data, e.size, 1 << 30, &raw, &size), 0);
	e.message = perftools__profiles__profile__unpack(NULL, size, raw);
	assert_non_null(e.message);
	compare_with_protobuf_c(e.message, raw, size);
	return e;
}

static inline struct encoded encode(struct window *const *windows, size_t n, uint8_t kind,
				    const struct selection *selection)
{
	const struct pprof_options o = { .kind = kind,
					 .selection = selection,
					 .period = PERIOD,
					 .time = 1700000000000000000,
					 .duration = 10000000000,
					 .comments = comments };

	return encode_with(windows, n, &o);
}

static inline void encoded_done(struct encoded *e)
{
	free(e->data);
	pprof_profile_free(e->profile);
	perftools__profiles__profile__free_unpacked(e->message, NULL);
}

static inline struct encoded encode_one(struct window *w, const struct selection *selection)
{
	return encode(&w, 1, ABI_KIND_CPU, selection);
}

static inline void add(struct window *w, size_t process, uint8_t end, const struct frame *frames,
		       size_t n)
{
	const struct sample s = { .kind = ABI_KIND_CPU,
				  .user_end = end,
				  .tid = world_processes[process].tgid + 1,
				  .count = 1,
				  .value = PERIOD,
				  .process = &world_processes[process],
				  .n_frames = n,
				  .frames = frames };

	assert_int_equal(window_add(w, &s), 0);
}

static const struct frame app_frame = { .kind = FRAME_FILE,
					.executable = &world_app,
					.address = 0x1050 };
static const struct frame library_frame = { .kind = FRAME_FILE,
					    .executable = &world_library,
					    .address = 0x26100 };

static inline const struct pprof_location *location(const struct encoded *e, uint32_t sample,
						    uint32_t i)
{
	return &e->profile->locations[e->profile->samples[sample].locations[i]];
}

static inline const char *name(const struct encoded *e, uint32_t sample, uint32_t i, uint32_t line)
{
	return e->profile->functions[location(e, sample, i)->lines[line].function].name;
}

static inline const struct pprof_mapping *mapping(const struct encoded *e, uint32_t sample,
						  uint32_t i)
{
	return &e->profile->mappings[location(e, sample, i)->mapping];
}

static inline const struct pprof_label *label(const struct pprof_sample *s, const char *key)
{
	for (uint32_t i = 0; i < s->n_labels; i++)
		if (strcmp(s->labels[i].key, key) == 0)
			return &s->labels[i];
	return NULL;
}

static inline bool has_comment(const struct encoded *e, const char *text)
{
	for (uint32_t i = 0; i < e->profile->n_comments; i++)
		if (strcmp(e->profile->comments[i], text) == 0)
			return true;
	return false;
}

/* Clients that go by build ids take them for one file that is mapped in two ways. */
static inline bool are_the_same_place(const Perftools__Profiles__Profile *m, size_t i, size_t k)
{
	const Perftools__Profiles__Mapping *a = m->mapping[i], *b = m->mapping[k];

	return m->string_table[a->build_id][0] && a->build_id == b->build_id &&
	       a->memory_start == b->memory_start && a->file_offset == b->file_offset;
}

/* What readers demand of any profile. */
static inline void check_rules(const struct encoded *e)
{
	const Perftools__Profiles__Profile *m = e->message;

	assert_string_equal(m->string_table[0], "");
	assert_non_null(m->period_type);
	assert_true(m->time_nanos != 0);
	for (size_t i = 0; i < m->n_mapping; i++) {
		assert_int_equal(m->mapping[i]->id, i + 1);
		assert_true(m->mapping[i]->has_functions);
		assert_true(m->mapping[i]->memory_start < m->mapping[i]->memory_limit);
		for (size_t k = 0; k < i; k++)
			assert_false(are_the_same_place(m, i, k));
	}
	for (size_t i = 0; i < m->n_function; i++)
		assert_int_equal(m->function[i]->id, i + 1);
	for (size_t i = 0; i < m->n_location; i++) {
		const Perftools__Profiles__Location *l = m->location[i];
		const Perftools__Profiles__Mapping *in;

		assert_int_equal(l->id, i + 1);
		assert_true(l->n_line >= 1);
		assert_true(l->address != 0);
		assert_true(l->mapping_id >= 1 && l->mapping_id <= m->n_mapping);
		in = m->mapping[l->mapping_id - 1];
		assert_true(l->address >= in->memory_start && l->address < in->memory_limit);
	}
	for (size_t i = 0; i < m->n_sample; i++) {
		assert_true(m->sample[i]->n_location_id >= 1);
		assert_int_equal(m->sample[i]->n_value, m->n_sample_type);
		for (size_t j = 0; j < m->sample[i]->n_label; j++)
			assert_true(m->sample[i]->label[j]->str ||
				    m->sample[i]->label[j]->num_unit);
	}
}
