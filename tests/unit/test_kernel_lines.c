/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a kernel that this test compiles: from a vmlinux that fits, and none without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "profile/sample.h"
#include "symbol_image.h"
#include "symbolize/symbolizer.h"

#define STEXT  0xffffffff9a000000ULL
#define ETEXT  (STEXT + 0x40)
#define MODULE 0xffffffffc0000010ULL
#define N      0x40 /* bytes of text */

static const char source[] = "volatile int seven = 7;\n"
			     "static inline __attribute__((always_inline)) int inner(int x)\n"
			     "{\n"
			     "	return x / seven;\n"
			     "}\n"
			     "int outer(int x)\n"
			     "{\n"
			     "	return inner(x) + 1;\n"
			     "}\n";

static const char kallsyms[] = "ffffffff9a000000 T _stext\n"
			       "ffffffff9a000000 T outer.isra.0\n"
			       "ffffffff9a000040 T _etext\n"
			       "ffffffffc0000000 t in_module	[mod]\n";

static const uint8_t this_kernel[] = { 0xab, 0xcd, 0xef, 0x01 };
static const uint8_t another[] = { 0xab, 0xcd, 0xef, 0x02 };

struct world {
	char root[64], kallsyms[80], notes[80];
	struct symbolizer *symbolizer;
	struct wanted_frame frames[N];
};

/* Installs the kernel as vmlinux, by its build id. */
static void install(const struct world *w)
{
	char command[1024];

	snprintf(
		command, sizeof(command),
		"cd %s && mkdir -p debug/.build-id/ab && cc -g -O2 -ffreestanding -fno-pic -no-pie "
		"-static -nostdlib -fno-asynchronous-unwind-tables -Wl,--build-id=0xabcdef01 "
		"-Wl,-Ttext=0x40000000 -Wl,-e,outer -x c source -o debug/.build-id/ab/cdef01.debug",
		w->root);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char path[128];

	strcpy(w->root, "/tmp/test_kernel_lines.XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(path, sizeof(path), "%s/source", w->root);
	image_write_file(path, source, strlen(source));
	snprintf(w->kallsyms, sizeof(w->kallsyms), "%s/kallsyms", w->root);
	image_write_file(w->kallsyms, kallsyms, strlen(kallsyms));
	snprintf(w->notes, sizeof(w->notes), "%s/notes", w->root);
	image_write_notes(w->notes, this_kernel);
	assert_int_equal(
		symbolizer_new(&(struct symbolizer_options){ .kallsyms = w->kallsyms,
							     .notes = w->notes,
							     .root = w->root,
							     .debug_directories = "/debug" },
			       NULL, &w->symbolizer),
		0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];
	int r;

	symbolizer_free(w->symbolizer);
	snprintf(command, sizeof(command), "rm -r %s", w->root);
	r = system(command);
	free(w);
	return r;
}

/* Every address of the text, as a profile would have it. */
static void prepare(struct world *w)
{
	for (size_t i = 0; i < N; i++)
		w->frames[i] = (struct wanted_frame){
			.frame = { .kind = FRAME_KERNEL, .address = STEXT + i },
		};
	symbolizer_prepare(w->symbolizer, w->frames, N, 0);
}

static size_t name(struct world *w, uint64_t address, struct symbol ret[SYMBOL_MAX_INLINED])
{
	const struct frame frame = { .kind = FRAME_KERNEL, .address = address };

	return symbolizer_frame(w->symbolizer, &frame, NULL, ret, SYMBOL_MAX_INLINED);
}

static struct symbolizer_stats stats(const struct world *w)
{
	struct symbolizer_stats s;

	symbolizer_get_stats(w->symbolizer, &s);
	return s;
}

static void assert_in(const struct symbol *s, const char *function, uint32_t line)
{
	assert_string_equal(s->name, function);
	assert_non_null(s->file);
	assert_string_equal(strrchr(s->file, '/'), "/source");
	assert_int_equal(s->line, line);
}

static void assert_no_lines(struct world *w)
{
	struct symbol s[SYMBOL_MAX_INLINED];

	prepare(w);
	for (uint64_t i = 0; i < N; i++) {
		assert_int_equal(name(w, STEXT + i, s), 1);
		assert_string_equal(s->name, "outer.isra.0");
		assert_null(s->file);
		assert_int_equal(s->line, 0);
	}
	assert_int_equal(stats(w).lines_asked, 0);
	assert_int_equal(stats(w).lines_late, 0);
}

/* The chain is DWARF's, the name of the real function kallsyms'. */
static void test_lines_and_inlined(void **state)
{
	struct world *w = *state;
	struct symbol s[SYMBOL_MAX_INLINED];
	size_t inlined = 0;

	install(w);
	prepare(w);
	assert_int_equal(stats(w).lines_asked, 1);
	for (uint64_t i = 0; i < N; i++) {
		size_t n = name(w, STEXT + i, s);

		assert_string_equal(s[n - 1].name, "outer.isra.0");
		assert_false(s[n - 1].unnamed);
		if (n < 2)
			continue;
		assert_int_equal(n, 2);
		assert_in(&s[0], "inner", 4);
		assert_in(&s[1], "outer.isra.0", 8);
		assert_int_equal(s[1].start_line, 6);
		inlined++;
	}
	assert_true(inlined > 3);
	/* Known by now. */
	prepare(w);
	assert_int_equal(stats(w).lines_asked, 1);
}

static void test_modules_are_not_in_it(void **state)
{
	struct world *w = *state;
	struct wanted_frame wanted = { .frame = { .kind = FRAME_KERNEL, .address = MODULE } };
	struct symbol s[SYMBOL_MAX_INLINED];

	install(w);
	symbolizer_prepare(w->symbolizer, &wanted, 1, 0);
	assert_int_equal(name(w, MODULE, s), 1);
	assert_string_equal(s->name, "in_module [mod]");
	assert_null(s->file);
	assert_int_equal(stats(w).lines_asked, 0);
	assert_int_equal(stats(w).lines_late, 0);
}

static void test_without_vmlinux(void **state)
{
	assert_no_lines(*state);
}

static void test_another_kernels(void **state)
{
	struct world *w = *state;

	install(w);
	image_write_notes(w->notes, another);
	assert_no_lines(w);
}

/* It is not looked for with each profile, but when something has come. */
static void test_arrives_later(void **state)
{
	struct world *w = *state;

	assert_no_lines(w);
	install(w);
	assert_no_lines(w);
	symbolizer_debug_file_arrived(w->symbolizer, this_kernel, sizeof(this_kernel));
	prepare(w);
	assert_int_equal(stats(w).lines_asked, 1);
}

#define with_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(test_lines_and_inlined), with_world(test_modules_are_not_in_it),
		with_world(test_without_vmlinux),   with_world(test_another_kernels),
		with_world(test_arrives_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
