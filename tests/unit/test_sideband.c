/* SPDX-License-Identifier: Apache-2.0 */
/* Perf side-band records, written by hand as the kernel writes them, and damaged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "process/sideband.h"

struct record {
	uint8_t bytes[512];
	size_t size;
};

static void put(struct record *r, const void *data, size_t size)
{
	assert_true(r->size + size <= sizeof(r->bytes));
	memcpy(r->bytes + r->size, data, size);
	r->size += size;
}

static void put32(struct record *r, uint32_t value)
{
	put(r, &value, sizeof(value));
}

static void put64(struct record *r, uint64_t value)
{
	put(r, &value, sizeof(value));
}

/* A name as the kernel pads it: with a NUL at least, to a multiple of 8. */
static void put_name(struct record *r, const char *name)
{
	put(r, name, strlen(name) + 1);
	while (r->size % 8)
		put(r, "", 1);
}

static struct record begin(uint32_t type, uint16_t misc)
{
	struct record r = { 0 };
	struct perf_event_header h = { .type = type, .misc = misc };

	put(&r, &h, sizeof(h));
	return r;
}

static void end(struct record *r, uint64_t time)
{
	struct perf_event_header h;

	put32(r, 7);
	put32(r, 8);
	put64(r, time);
	memcpy(&h, r->bytes, sizeof(h));
	h.size = (uint16_t)r->size;
	memcpy(r->bytes, &h, sizeof(h));
}

static struct record make_mmap2(bool build_id)
{
	struct record r = begin(PERF_RECORD_MMAP2, build_id ? PERF_RECORD_MISC_MMAP_BUILD_ID : 0);
	uint8_t id[24] = { 20, 0, 0, 0, 0xaa, 0xbb };

	put32(&r, 100);
	put32(&r, 101);
	put64(&r, 0x7f0000001000);
	put64(&r, 0x2000);
	put64(&r, 0x1000);
	put(&r, id, sizeof(id));
	put32(&r, 5);
	put32(&r, 2);
	put_name(&r, "/usr/bin/true");
	end(&r, 5000);
	return r;
}

static struct record make_comm(bool exec)
{
	struct record r = begin(PERF_RECORD_COMM, exec ? PERF_RECORD_MISC_COMM_EXEC : 0);

	put32(&r, 100);
	put32(&r, 100);
	put_name(&r, "true");
	end(&r, 6000);
	return r;
}

static struct record make_task(uint32_t type)
{
	struct record r = begin(type, 0);

	put32(&r, 100);
	put32(&r, 90);
	put32(&r, 103);
	put32(&r, 91);
	put64(&r, 7000);
	end(&r, 7001);
	return r;
}

static struct record make_lost(void)
{
	struct record r = begin(PERF_RECORD_LOST, 0);

	put64(&r, 3);
	put64(&r, 77);
	end(&r, 8000);
	return r;
}

static struct record make_ksymbol(uint16_t flags)
{
	struct record r = begin(PERF_RECORD_KSYMBOL, 0);
	uint16_t type = 1;

	put64(&r, 0xffffffffc0000000);
	put32(&r, 64);
	put(&r, &type, sizeof(type));
	put(&r, &flags, sizeof(flags));
	put_name(&r, "bpf_prog_1");
	end(&r, 9000);
	return r;
}

static void test_mmap2(void **state)
{
	struct record r = make_mmap2(true);
	struct sideband_event e;

	(void)state;
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_MMAP);
	assert_int_equal(e.pid, 100);
	assert_int_equal(e.tid, 101);
	assert_int_equal(e.address, 0x7f0000001000);
	assert_int_equal(e.size, 0x2000);
	assert_int_equal(e.offset, 0x1000);
	assert_int_equal(e.protection, 5);
	assert_int_equal(e.build_id_size, 20);
	assert_int_equal(e.build_id[1], 0xbb);
	assert_string_equal(e.name, "/usr/bin/true");
	assert_int_equal(e.time, 5000);
}

static void test_mmap2_with_inode(void **state)
{
	struct record r = make_mmap2(false);
	struct sideband_event e;

	(void)state;
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.build_id_size, 0);
	assert_string_equal(e.name, "/usr/bin/true");
}

static void test_comm(void **state)
{
	struct record r = make_comm(true);
	struct sideband_event e;

	(void)state;
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_COMM);
	assert_true(e.exec);
	assert_string_equal(e.name, "true");
	r = make_comm(false);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_false(e.exec);
}

static void test_fork_and_exit(void **state)
{
	struct record r = make_task(PERF_RECORD_FORK);
	struct sideband_event e;

	(void)state;
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_FORK);
	assert_int_equal(e.pid, 100);
	assert_int_equal(e.ppid, 90);
	assert_int_equal(e.tid, 103);
	assert_int_equal(e.time, 7001);
	r = make_task(PERF_RECORD_EXIT);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_EXIT);
}

static void test_lost(void **state)
{
	struct record r = make_lost();
	struct sideband_event e;

	(void)state;
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_LOST);
	assert_int_equal(e.lost, 77);
	assert_int_equal(e.time, 8000);
}

static void test_ksymbol(void **state)
{
	struct record r = make_ksymbol(PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER);
	struct sideband_event e;

	(void)state;
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_KSYMBOL);
	assert_int_equal(e.address, 0xffffffffc0000000);
	assert_int_equal(e.size, 64);
	assert_int_equal(e.time, 9000);
	assert_true(e.unregister);
	assert_string_equal(e.name, "bpf_prog_1");
}

/* Others listen too: for each there are bytes at the end that were there before. */
static void test_ksymbol_that_others_had_first(void **state)
{
	struct sideband_event e;

	(void)state;
	for (int listeners = 1; listeners < 4; listeners++) {
		struct record r = make_ksymbol(0);

		for (int i = 0; i < listeners; i++)
			end(&r, i ? UINT64_MAX : 0);
		assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
		assert_int_equal(e.time, 9000);
		assert_string_equal(e.name, "bpf_prog_1");
	}
}

static void test_other_types(void **state)
{
	struct record r = begin(PERF_RECORD_THROTTLE, 0);
	struct sideband_event e;

	(void)state;
	end(&r, 1);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -ENOMSG);
}

/* Every cut of every record, with its size told truly and untruly. */
static void test_cut(void **state)
{
	struct record records[] = {
		make_mmap2(true), make_comm(true), make_task(PERF_RECORD_FORK),
		make_lost(),	  make_ksymbol(0),
	};
	struct sideband_event e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		const struct record *r = &records[i];

		for (size_t size = 0; size < r->size; size++) {
			_cleanup_free_ uint8_t *cut = malloc(size + 1);

			/* An own allocation, so that reading past it is seen. */
			memcpy(cut, r->bytes, size);
			assert_int_equal(sideband_parse(cut, size, &e), -EBADMSG);
		}
	}
}

static void test_name_without_end(void **state)
{
	struct record r = begin(PERF_RECORD_COMM, 0);
	struct sideband_event e;

	(void)state;
	put32(&r, 1);
	put32(&r, 1);
	put(&r, "notended", 8);
	end(&r, 0); /* the NULs of the tail do not count */
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
}

static void test_no_name(void **state)
{
	struct record r = begin(PERF_RECORD_COMM, 0);
	struct sideband_event e;

	(void)state;
	put32(&r, 1);
	put32(&r, 1);
	end(&r, 0);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
}

static void test_contradictions(void **state)
{
	struct record r = make_mmap2(true);
	struct sideband_event e;

	(void)state;
	r.bytes[40] = SIDEBAND_BUILD_ID_MAX + 1;
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
	r = make_mmap2(true);
	memset(r.bytes + 16, 0xff, 8); /* address + size wraps */
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
	r = make_mmap2(true);
	memset(r.bytes + 24, 0, 8); /* empty */
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
	r = make_mmap2(true);
	r.bytes[6] += 8; /* the header says another size */
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
}

/* Random damage: whatever is accepted has its name and build id inside the record. */
static void test_damage(void **state)
{
	struct record whole[] = { make_mmap2(true), make_mmap2(false), make_comm(true),
				  make_task(PERF_RECORD_EXIT), make_ksymbol(0) };
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct record r = whole[hash_mix(++seed) % ARRAY_SIZE(whole)];
		_cleanup_free_ uint8_t *bytes = malloc(r.size);
		struct sideband_event e;

		memcpy(bytes, r.bytes, r.size);
		for (int n = 0; n < 4; n++) {
			uint64_t random = hash_mix(++seed);

			bytes[(random >> 8) % r.size] = (uint8_t)random;
		}
		if (sideband_parse(bytes, r.size, &e) < 0)
			continue;
		assert_in_range(e.build_id_size, 0, SIDEBAND_BUILD_ID_MAX);
		if (e.name) {
			assert_true((const uint8_t *)e.name > bytes);
			assert_true((const uint8_t *)e.name + strlen(e.name) < bytes + r.size);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mmap2),
		cmocka_unit_test(test_mmap2_with_inode),
		cmocka_unit_test(test_comm),
		cmocka_unit_test(test_fork_and_exit),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_ksymbol),
		cmocka_unit_test(test_ksymbol_that_others_had_first),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_name_without_end),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests_name("sideband", tests, NULL, NULL);
}
