/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "collect/capture.h"
#include "process/process.h"
#include "process/sideband.h"
#include "scratch.h"
#include "skip.h"

static const struct capture_info info = {
	.sample_frequency = 99,
	.start_time = 12345,
	.wall_minus_monotonic = -77,
	.kernel_release = "6.1.0-test",
	.boot_id = "01234567-89ab-cdef-0123-456789abcdef",
};

static char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16];

static int set_up(void **state)
{
	(void)state;
	if (scratch_make(directory) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/capture", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static struct capture_writer *create(void)
{
	struct capture_writer *w;

	assert_int_equal(capture_create(path, &info, &w, NULL), 0);
	return w;
}

static struct capture_reader *open_capture(void)
{
	struct capture_info got;
	struct capture_reader *r;

	assert_int_equal(capture_open(path, &r, &got, NULL), 0);
	assert_memory_equal(&got, &info, sizeof(info));
	return r;
}

static void test_round_trip(void **state)
{
	struct capture_writer *w = create();
	struct capture_reader *r;
	struct error e;
	const void *data;
	uint32_t type;
	size_t size;
	struct stat st;

	(void)state;
	capture_write(w, CAPTURE_RING, "ring", 4);
	capture_write(w, CAPTURE_DRAIN, "", 0);
	capture_write(w, CAPTURE_SIDEBAND, "sideband", 8);
	assert_int_equal(capture_error(w), 0);
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	r = open_capture();
	assert_int_equal(capture_read(r, &type, &data, &size, &e), 1);
	assert_int_equal(type, CAPTURE_RING);
	assert_int_equal(size, 4);
	assert_memory_equal(data, "ring", 4);
	assert_int_equal(capture_read(r, &type, &data, &size, &e), 1);
	assert_int_equal(type, CAPTURE_DRAIN);
	assert_int_equal(size, 0);
	assert_int_equal(capture_read(r, &type, &data, &size, &e), 1);
	assert_int_equal(type, CAPTURE_SIDEBAND);
	assert_memory_equal(data, "sideband", 8);
	assert_int_equal(capture_read(r, &type, &data, &size, &e), 0);
	assert_int_equal(capture_read(r, &type, &data, &size, &e), 0);
	capture_reader_free(r);
}

static void test_existing_file_is_kept(void **state)
{
	struct capture_writer *w;
	struct error e;

	(void)state;
	capture_close(create());
	assert_int_equal(capture_create(path, &info, &w, &e), -EEXIST);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(capture_create("/nowhere/x", &info, &w, &e), -ENOENT);
}

/* Wherever it is cut: whole chunks first, then the offset of the one that is not whole. */
static void test_cut_anywhere(void **state)
{
	struct capture_writer *w = create();
	size_t start, whole;
	struct stat st;

	(void)state;
	assert_int_equal(capture_close(w), 0);
	stat(path, &st);
	start = (size_t)st.st_size;
	unlink(path);
	w = create();
	capture_write(w, CAPTURE_RING, "0123456789", 10);
	capture_write(w, CAPTURE_RING, "0123", 4);
	assert_int_equal(capture_close(w), 0);
	stat(path, &st);
	whole = (size_t)st.st_size;
	assert_int_equal(whole, start + 8 + 10 + 8 + 4);
	for (size_t size = whole; size-- > 0;) {
		struct capture_info got;
		struct capture_reader *r;
		struct error e = {};
		const void *data;
		uint32_t type;
		size_t chunk, chunks = 0;
		char offset[32];
		int error;

		assert_int_equal(truncate(path, (off_t)size), 0);
		error = capture_open(path, &r, &got, &e);
		if (size < start) {
			assert_int_equal(error, -EBADMSG);
			continue;
		}
		assert_int_equal(error, 0);
		while ((error = capture_read(r, &type, &data, &chunk, &e)) > 0)
			chunks++;
		assert_int_equal(chunks, size >= start + 18);
		if (size == start || size == start + 18) {
			assert_int_equal(error, 0);
		} else {
			snprintf(offset, sizeof(offset), "offset %zu",
				 size > start + 18 ? start + 18 : start);
			assert_int_equal(error, -EBADMSG);
			assert_non_null(strstr(e.text, offset));
		}
		capture_reader_free(r);
	}
}

static void overwrite(off_t offset, const void *data, size_t size)
{
	_cleanup_close_ int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, data, size, offset), size);
}

static void test_damaged(void **state)
{
	struct capture_writer *w = create();
	struct capture_info got;
	struct capture_reader *r;
	struct error e = {};
	const void *data;
	uint32_t type;
	size_t size;
	struct stat st;

	(void)state;
	capture_write(w, CAPTURE_RING, "0123", 4);
	capture_close(w);
	stat(path, &st);
	/* A size that nobody could have written. */
	overwrite(st.st_size - 8, "\xff\xff\xff\x7f", 4);
	r = open_capture();
	assert_int_equal(capture_read(r, &type, &data, &size, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "damaged at offset"));
	capture_reader_free(r);
	/* Version, byte order, magic. */
	overwrite(12, "\x63", 1);
	assert_int_equal(capture_open(path, &r, &got, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "format 99"));
	overwrite(8, "\x01\x02\x03\x04", 4);
	assert_int_equal(capture_open(path, &r, &got, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "byte order"));
	overwrite(0, "X", 1);
	assert_int_equal(capture_open(path, &r, &got, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "not a capture"));
}

static void test_full_disk(void **state)
{
	struct capture_writer *w;
	char big[4096] = {};

	(void)state;
	if (access("/dev/full", W_OK) != 0)
		skip_because("there is no /dev/full");
	/* O_EXCL follows no link, so the descriptor is exchanged below stdio. */
	w = create();
	for (int fd = 3; fd < 20; fd++) {
		char link[64], target[128] = "";

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (readlink(link, target, sizeof(target) - 1) > 0 && strcmp(target, path) == 0) {
			_cleanup_close_ int full = open("/dev/full", O_WRONLY);

			assert_true(dup2(full, fd) == fd);
		}
	}
	for (int i = 0; i < 10; i++)
		capture_write(w, CAPTURE_RING, big, sizeof(big));
	assert_int_equal(capture_error(w), -ENOSPC);
	assert_int_equal(capture_close(w), -ENOSPC);
}

/* The records that stand for what /proc told are such as the kernel writes. */
static void test_process_records(void **state)
{
	const struct process p = { .tgid = 42, .parent = 1, .comm = (char *)"demo" };
	const uint8_t build_id[SIDEBAND_BUILD_ID_MAX] = { 1, 2, 3 };
	struct process_mapping m = { .start = 0x1000,
				     .end = 0x3000,
				     .offset = 0x500,
				     .path = "/usr/bin/demo",
				     .build_id = build_id,
				     .build_id_size = sizeof(build_id) };
	struct capture_writer *w = create();
	struct sideband_event events[4];
	struct capture_reader *r;
	char names[4][32] = {};
	const void *data;
	uint32_t type;
	size_t size;

	(void)state;
	capture_write_process(w, &p, 1000);
	capture_write_mapping(w, 42, &m, 1001);
	m.build_id = NULL;
	capture_write_mapping(w, 42, &m, 1002);
	capture_close(w);
	r = open_capture();
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(capture_read(r, &type, &data, &size, NULL), 1);
		assert_int_equal(type, CAPTURE_SIDEBAND);
		assert_int_equal(sideband_parse(data, size, &events[i]), 0);
		if (events[i].name)
			snprintf(names[i], sizeof(names[i]), "%s", events[i].name);
	}
	assert_int_equal(capture_read(r, &type, &data, &size, NULL), 0);
	capture_reader_free(r);

	assert_int_equal(events[0].type, SIDEBAND_FORK);
	assert_int_equal(events[0].pid, 42);
	assert_int_equal(events[0].tid, 42);
	assert_int_equal(events[0].ppid, 1);
	assert_int_equal(events[0].time, 1000);
	assert_int_equal(events[1].type, SIDEBAND_COMM);
	assert_true(events[1].exec);
	assert_string_equal(names[1], "demo");
	assert_int_equal(events[2].type, SIDEBAND_MMAP);
	assert_int_equal(events[2].address, 0x1000);
	assert_int_equal(events[2].size, 0x2000);
	assert_int_equal(events[2].offset, 0x500);
	assert_int_equal(events[2].build_id_size, sizeof(build_id));
	assert_memory_equal(events[2].build_id, build_id, sizeof(build_id));
	assert_int_equal(events[2].time, 1001);
	assert_string_equal(names[2], "/usr/bin/demo");
	assert_int_equal(events[3].build_id_size, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),	 TEST(test_existing_file_is_kept),
		TEST(test_cut_anywhere), TEST(test_damaged),
		TEST(test_full_disk),	 TEST(test_process_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
