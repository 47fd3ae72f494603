/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of other tools, and files that only claim to be profiles. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "profile.pb-c.h"
#include "profile/gunzip.h"
#include "profile/pprof.h"

/* A small profile of another tool, on the stack: any ids, in no order. To be changed by tests. */
struct made {
	Perftools__Profiles__Profile profile;
	Perftools__Profiles__ValueType type, *types[1];
	Perftools__Profiles__Sample sample, *samples[1];
	Perftools__Profiles__Label label, *labels[1];
	Perftools__Profiles__Mapping mapping, *mappings[1];
	Perftools__Profiles__Location location[2], *locations[2];
	Perftools__Profiles__Line line, *lines[1];
	Perftools__Profiles__Function function, *functions[1];
	uint64_t location_ids[2];
	int64_t values[1], comments[1];
	char *strings[5];
};

static void make(struct made *m)
{
	static const char *const strings[] = { "", "cpu", "main", "/bin/x", "bytes" };

	memset(m, 0, sizeof(*m));
	perftools__profiles__profile__init(&m->profile);
	perftools__profiles__value_type__init(&m->type);
	perftools__profiles__sample__init(&m->sample);
	perftools__profiles__label__init(&m->label);
	perftools__profiles__mapping__init(&m->mapping);
	perftools__profiles__location__init(&m->location[0]);
	perftools__profiles__location__init(&m->location[1]);
	perftools__profiles__line__init(&m->line);
	perftools__profiles__function__init(&m->function);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		m->strings[i] = (char *)strings[i];
	m->type.type = 1;
	m->function.id = 1ULL << 63;
	m->function.name = m->function.system_name = 2;
	m->mapping.id = 77;
	m->mapping.memory_limit = 0x1000;
	m->mapping.filename = 3;
	m->line.function_id = m->function.id;
	m->line.line = 12;
	m->lines[0] = &m->line;
	m->location[0].id = 900;
	m->location[0].mapping_id = 77;
	m->location[0].address = 0x123;
	m->location[0].n_line = 1;
	m->location[0].line = m->lines;
	m->location[1].id = 5;
	m->location_ids[0] = 5;
	m->location_ids[1] = 900;
	m->values[0] = -3;
	m->label.key = 4;
	m->label.num = 4096;
	m->label.num_unit = 4;
	m->labels[0] = &m->label;
	m->sample.n_location_id = 2;
	m->sample.location_id = m->location_ids;
	m->sample.n_value = 1;
	m->sample.value = m->values;
	m->sample.n_label = 1;
	m->sample.label = m->labels;
	m->types[0] = &m->type;
	m->samples[0] = &m->sample;
	m->mappings[0] = &m->mapping;
	m->locations[0] = &m->location[0];
	m->locations[1] = &m->location[1];
	m->functions[0] = &m->function;
	m->comments[0] = 2;
	m->profile.n_sample_type = m->profile.n_sample = m->profile.n_mapping = 1;
	m->profile.n_function = m->profile.n_comment = 1;
	m->profile.n_location = 2;
	m->profile.n_string_table = 5;
	m->profile.sample_type = m->types;
	m->profile.sample = m->samples;
	m->profile.mapping = m->mappings;
	m->profile.location = m->locations;
	m->profile.function = m->functions;
	m->profile.string_table = m->strings;
	m->profile.comment = m->comments;
}

static int decode(const struct made *m, struct pprof_profile **ret)
{
	size_t size = perftools__profiles__profile__get_packed_size(&m->profile);
	_cleanup_free_ uint8_t *data = malloc(size);

	perftools__profiles__profile__pack(&m->profile, data);
	return pprof_decode(data, size, ret);
}

static void test_any_ids(void **state)
{
	struct pprof_profile *p;
	struct made m;

	(void)state;
	make(&m);
	assert_int_equal(decode(&m, &p), 0);
	assert_int_equal(p->n_samples, 1);
	assert_int_equal(p->samples[0].values[0], -3);
	assert_int_equal(p->samples[0].n_locations, 2);
	assert_int_equal(p->samples[0].locations[0], 1);
	assert_int_equal(p->samples[0].locations[1], 0);
	assert_int_equal(p->locations[0].mapping, 0);
	assert_int_equal(p->locations[1].mapping, -1);
	assert_int_equal(p->locations[0].lines[0].line, 12);
	assert_string_equal(p->functions[p->locations[0].lines[0].function].name, "main");
	assert_string_equal(p->mappings[0].file, "/bin/x");
	assert_null(p->samples[0].labels[0].string);
	assert_int_equal(p->samples[0].labels[0].number, 4096);
	assert_string_equal(p->samples[0].labels[0].unit, "bytes");
	assert_string_equal(p->types[0], "cpu");
	assert_string_equal(p->comments[0], "main");
	pprof_profile_free(p);
	/* google/pprof takes a mapping that does not exist for none. */
	m.location[0].mapping_id = 4711;
	assert_int_equal(decode(&m, &p), 0);
	assert_int_equal(p->locations[0].mapping, -1);
	pprof_profile_free(p);
}

static void test_contradictions(void **state)
{
	struct pprof_profile *p;
	struct made m;

	(void)state;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		make(&m);                                                                          \
		change;                                                                            \
		assert_int_equal(decode(&m, &p), -EBADMSG);                                        \
	} while (0)
	REFUSED(m.profile.n_string_table = 0);
	REFUSED(m.profile.n_string_table = 4);
	REFUSED(m.strings[0] = (char *)"x");
	REFUSED(m.profile.n_sample_type = 0);
	REFUSED(m.sample.n_value = 0);
	REFUSED(m.location_ids[0] = 6);
	REFUSED(m.location_ids[0] = 0);
	REFUSED(m.location[0].id = 5);
	REFUSED(m.location[0].id = 0);
	REFUSED(m.mapping.id = 0);
	REFUSED(m.function.id = 0);
	REFUSED(m.line.function_id = 1);
	REFUSED(m.line.function_id = 0);
	REFUSED(m.function.name = 5);
	REFUSED(m.function.name = -1);
	REFUSED(m.function.filename = INT64_MAX);
	REFUSED(m.function.system_name = INT64_MIN);
	REFUSED(m.mapping.filename = 5);
	REFUSED(m.mapping.build_id = 5);
	REFUSED(m.type.type = 5);
	REFUSED(m.type.unit = 5);
	REFUSED(m.label.key = 5);
	REFUSED(m.label.str = 5);
	REFUSED(m.label.num_unit = 5);
	REFUSED(m.comments[0] = 5);
#undef REFUSED
}

static size_t compress_bytes(const void *data, size_t size, uint8_t *to, size_t room)
{
	z_stream z = {};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (void *)data;
	z.avail_in = (uInt)size;
	z.next_out = to;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size = room - z.avail_out;
	deflateEnd(&z);
	return size;
}

/* Wherever a file is cut, and whichever byte is wrong: an answer, never a crash. */
static void test_damage(void **state)
{
	uint8_t raw[1024], packed[1024], damaged[1024];
	struct pprof_profile *p;
	size_t raw_size, size;
	struct made m;

	(void)state;
	make(&m);
	raw_size = perftools__profiles__profile__pack(&m.profile, raw);
	size = compress_bytes(raw, raw_size, packed, sizeof(packed));
	assert_int_equal(pprof_decode(packed, size, &p), 0);
	pprof_profile_free(p);
	for (size_t n = 0; n < size; n++)
		assert_int_equal(pprof_decode(packed, n, &p), -EBADMSG);
	for (size_t n = 0; n < raw_size; n++)
		if (pprof_decode(raw, n, &p) == 0)
			pprof_profile_free(p);
	for (size_t i = 0; i < raw_size * 8; i++) {
		memcpy(damaged, raw, raw_size);
		damaged[i / 8] ^= 1 << i % 8;
		if (pprof_decode(damaged, raw_size, &p) == 0)
			pprof_profile_free(p);
	}
	/* Two files behind each other are no profile. */
	memcpy(packed + size, packed, size);
	assert_int_equal(pprof_decode(packed, 2 * size, &p), -EBADMSG);
}

/* What would unpack to more than is allowed is refused, at the limit exactly. */
static void test_unpacked_size(void **state)
{
	static uint8_t zeros[100000];
	uint8_t packed[1024];
	size_t n, size = compress_bytes(zeros, sizeof(zeros), packed, sizeof(packed));
	void *data;

	(void)state;
	assert_int_equal(gunzip(packed, size, sizeof(zeros) - 1, &data, &n), -EFBIG);
	assert_int_equal(gunzip(packed, size, 10, &data, &n), -EFBIG);
	assert_int_equal(gunzip(packed, size, sizeof(zeros), &data, &n), 0);
	assert_int_equal(n, sizeof(zeros));
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_ids),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_unpacked_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
