/* SPDX-License-Identifier: Apache-2.0 */
/* Any part of a compressed stream is what it was before, in whatever order it is read. */
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
#include "base/hash.h"
#include "elf/elf_image.h"
#include "elf/inflater.h"

#define PLAIN ((size_t)9 << 20) /* several pieces */
#define READS 300

struct stream {
	uint8_t *plain, *packed;
	uLongf packed_size;
	struct elf_image image;
	struct inflater *inflater;
};

static int setup(void **state)
{
	struct stream *s = calloc(1, sizeof(*s));

	s->plain = malloc(PLAIN);
	/* Neither noise nor all the same: blocks of both kinds. */
	for (size_t i = 0; i < PLAIN; i++)
		s->plain[i] = (uint8_t)(hash_mix(i / 7) % ((i >> 20) + 3));
	s->packed_size = compressBound(PLAIN);
	s->packed = malloc(s->packed_size);
	assert_int_equal(compress(s->packed, &s->packed_size, s->plain, PLAIN), Z_OK);
	s->image = (struct elf_image){ .fd = -1, .data = s->packed, .size = s->packed_size };
	assert_int_equal(inflater_new(&s->image, 0, s->packed_size, PLAIN, &s->inflater), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stream *s = *state;

	inflater_free(s->inflater);
	free(s->plain);
	free(s->packed);
	free(s);
	return 0;
}

static void test_reads_anywhere(void **state)
{
	struct stream *s = *state;
	_cleanup_free_ uint8_t *buffer = malloc(PLAIN);

	for (uint64_t i = 0; i < READS; i++) {
		uint64_t offset = hash_mix(i) % PLAIN;
		uint64_t size = hash_mix(i * 3 + 1) % MIN((uint64_t)100000, PLAIN - offset);

		assert_int_equal(inflater_read(s->inflater, buffer, size, offset), 0);
		assert_memory_equal(buffer, s->plain + offset, size);
	}
	assert_int_equal(inflater_read(s->inflater, buffer, PLAIN, 0), 0);
	assert_memory_equal(buffer, s->plain, PLAIN);
	assert_int_equal(inflater_read(s->inflater, buffer, 2, PLAIN - 1), -ENODATA);
}

static void test_damaged_streams(void **state)
{
	struct stream *s = *state;
	struct inflater *f;
	uint8_t byte;

	s->packed[s->packed_size / 2] ^= 0xff;
	assert_int_equal(inflater_read(s->inflater, &byte, 1, PLAIN - 1), -EBADMSG);
	/* It stays so. */
	assert_int_equal(inflater_read(s->inflater, &byte, 1, 0), -EBADMSG);
	/* One that promises more than zlib could keep. */
	assert_int_equal(inflater_new(&s->image, 0, 16, 1 << 20, &f), -EBADMSG);
	assert_int_equal(inflater_new(&s->image, 8, s->packed_size, PLAIN, &f), -EBADMSG);
}

static void test_a_size_that_is_wrong(void **state)
{
	struct stream *s = *state;
	struct inflater *f;
	uint8_t byte;

	assert_int_equal(inflater_new(&s->image, 0, s->packed_size, PLAIN - 1, &f), 0);
	assert_int_equal(inflater_read(f, &byte, 1, 0), -EBADMSG);
	inflater_free(f);
	assert_int_equal(inflater_new(&s->image, 0, s->packed_size, PLAIN + 1, &f), 0);
	assert_int_equal(inflater_read(f, &byte, 1, 0), -EBADMSG);
	inflater_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_size_that_is_wrong, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
