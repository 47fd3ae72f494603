/* SPDX-License-Identifier: Apache-2.0 */
/* When an executable is asked about again, without a parser process: a Go program without DWARF. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "elf/line_table.h"
#include "go_image.h"
#include "process/executable.h"
#include "symbolize/executable_lines.h"

#define A	 GO_IMAGE_TEXT
#define B	 (GO_IMAGE_TEXT + GO_IMAGE_FUNCTION)
#define C_CODE	 (GO_IMAGE_TEXT - 0x10)
#define C_BEFORE (GO_IMAGE_TEXT - 0x20)

struct world {
	int fd;
	struct executable executable;
	struct executable_lines_set *set;
	uint64_t now;
};

static int open_world(void *userdata, struct executable *x)
{
	struct world *w = userdata;

	assert_ptr_equal(x, &w->executable);
	return w->fd;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct executable_lines_options o = {
		.open = open_world,
		.userdata = w,
		.debug_directories = "/nowhere",
		.retry_ns = 600 * NS_PER_S,
	};
	uint8_t bytes[GO_IMAGE_BYTES] = {};
	size_t size = go_image_build(
		&(struct go_image){ .version = GO_IMAGE_1_20, .before = 0x100 }, bytes);

	assert_non_null(w);
	w->fd = memfd_create("go", MFD_CLOEXEC);
	assert_true(w->fd >= 0);
	assert_int_equal(fd_write_full(w->fd, bytes, size), 0);
	w->executable = (struct executable){ .path = strdup("/nowhere/go"), .readable = true };
	assert_int_equal(executable_lines_new(&o, &w->set), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	executable_lines_free(w->set);
	assert_null(w->executable.lines);
	free(w->executable.path);
	close(w->fd);
	free(w);
	return 0;
}

static void want(struct world *w, uint64_t first, uint64_t second)
{
	const struct wanted_address wanted[] = { { first, 1 }, { second, 1 } };

	executable_lines_want(w->set, &w->executable, wanted, second ? 2 : 1, 0, ++w->now);
	assert_false(executable_lines_is_busy(w->set));
}

static void assert_found(struct world *w, uint64_t address, const char *name)
{
	struct line_frame frames[4];
	bool late;

	assert_int_equal(
		executable_lines_find(w->set, &w->executable, address, frames, 4, ++w->now, &late),
		name ? 1 : 0);
	assert_false(late);
	if (name)
		assert_string_equal(frames[0].name, name);
}

static uint64_t asked(const struct world *w)
{
	struct executable_lines_stats s;

	executable_lines_get_stats(w->set, &s);
	return s.asked;
}

/* That C's code has no lines says nothing of Go's. */
static void test_code_of_c(void **state)
{
	struct world *w = *state;

	want(w, C_CODE, A);
	assert_found(w, A, "main.main");
	assert_found(w, C_CODE, NULL);
	want(w, B, 0);
	assert_found(w, B, "main.F[...]");
	assert_int_equal(asked(w), 2);
	/* It is known that there is nothing. */
	assert_true(executable_lines_are_settled(&w->executable, C_CODE));
	want(w, C_CODE, 0);
	assert_int_equal(asked(w), 2);
}

static void test_code_of_c_alone(void **state)
{
	struct world *w = *state;

	want(w, C_CODE, 0);
	want(w, A, 0);
	assert_found(w, A, "main.main");
	want(w, C_BEFORE, 0);
	want(w, B, 0);
	assert_found(w, B, "main.F[...]");
	assert_int_equal(asked(w), 4);
}

/* A debug file may have the lines of C. */
static void test_arrival(void **state)
{
	struct world *w = *state;

	want(w, C_CODE, A);
	executable_lines_arrived(w->set);
	assert_false(executable_lines_are_settled(&w->executable, C_CODE));
	want(w, C_CODE, 0);
	assert_int_equal(asked(w), 2);
}

/* A file without any lines is left alone. */
static void test_nothing(void **state)
{
	struct world *w = *state;

	assert_int_equal(ftruncate(w->fd, 64), 0); /* only the header is left */
	want(w, A, 0);
	want(w, B, 0);
	assert_int_equal(asked(w), 1);
	assert_true(executable_lines_are_settled(&w->executable, B));
	executable_lines_arrived(w->set);
	want(w, B, 0);
	assert_int_equal(asked(w), 2);
}

#define with_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(test_code_of_c),
		with_world(test_code_of_c_alone),
		with_world(test_arrival),
		with_world(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
