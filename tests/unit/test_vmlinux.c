/* SPDX-License-Identifier: Apache-2.0 */
/* The running kernel's file is found in its places, and only if it is that kernel's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "scratch.h"
#include "symbol_image.h"
#include "symbolize/vmlinux.h"

#define STEXT 0xffffffff9a000000

static const uint8_t this_kernel[] = { 0xab, 0xcd, 0xef, 0x01 };
static const uint8_t another[] = { 0xab, 0xcd, 0xef, 0x02 };
static char root[SCRATCH_SIZE];

static const char *in(const char *path)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return full;
}

static void install(const char *path, const uint8_t *id)
{
	static uint8_t bytes[IMAGE_MAX_BYTES];
	size_t size = image_build(&(struct image){ .build_id = id, .build_id_size = 4 }, bytes);

	image_write_file(in(path), bytes, size);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(scratch_make(root), 0);
	image_write_notes(in("/notes"), this_kernel);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return scratch_remove(root);
}

static int find(uint64_t stext)
{
	char notes[256];
	const struct vmlinux_search search = {
		.root = root, .notes = notes, .release = "6.1.0-test", .directories = "/debug:/more"
	};
	struct vmlinux found;
	int r;

	strcpy(notes, in("/notes"));
	r = vmlinux_open(&search, stext, &found);
	if (r == 0) {
		assert_int_equal(found.slide, stext - IMAGE_TEXT);
		close(found.fd);
	}
	return r;
}

static void test_places(void **state)
{
	static const char *const places[] = {
		"/debug/boot/vmlinux-6.1.0-test",   "/more/lib/modules/6.1.0-test/vmlinux",
		"/boot/vmlinux-6.1.0-test",	    "/lib/modules/6.1.0-test/build/vmlinux",
		"/debug/.build-id/ab/cdef01.debug",
	};

	(void)state;
	assert_int_equal(find(STEXT), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		install(places[i], this_kernel);
		assert_int_equal(find(STEXT), 0);
		assert_int_equal(unlink(in(places[i])), 0);
	}
	assert_int_equal(find(STEXT), -ENOENT);
}

static void test_of_another_kernel(void **state)
{
	(void)state;
	install("/debug/boot/vmlinux-6.1.0-test", another);
	assert_int_equal(find(STEXT), -ENOENT);
	/* The search goes on. */
	install("/boot/vmlinux-6.1.0-test", this_kernel);
	assert_int_equal(find(STEXT), 0);
	image_write_notes(in("/notes"), another);
	assert_int_equal(find(STEXT), 0);
}

static void test_not_to_be_had(void **state)
{
	(void)state;
	install("/boot/vmlinux-6.1.0-test", this_kernel);
	assert_int_equal(find(0), -EACCES);
	image_write_file(in("/boot/vmlinux-6.1.0-test"), "no ELF", 6);
	assert_int_equal(find(STEXT), -ENOENT);
	image_write_file(in("/notes"), "\1\0\0\0", 4);
	assert_int_equal(find(STEXT), -ENOENT);
	assert_int_equal(unlink(in("/notes")), 0);
	assert_int_equal(find(STEXT), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_another_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_to_be_had, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
