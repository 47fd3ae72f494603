/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a kernel and of a module that this test compiles: from files that fit, and none without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "elf/relocations.h"
#include "profile/sample.h"
#include "scratch.h"
#include "symbol_image.h"
#include "symbolize/kernel_modules.h"
#include "symbolize/symbolizer.h"

#define STEXT  0xffffffff9a000000ULL
#define ETEXT  (STEXT + 0x40)
#define MODULE 0xffffffffc0000000ULL /* and where its two sections are */
#define COLD   0xffffffffc0000800ULL
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
			       "ffffffffc0000000 t in_module	[mod_a]\n"
			       "ffffffffc0000800 t cold	[mod_a]\n";

static const uint8_t this_kernel[] = { 0xab, 0xcd, 0xef, 0x01 };
static const uint8_t another[] = { 0xab, 0xcd, 0xef, 0x02 };

struct world {
	char root[SCRATCH_SIZE], kallsyms[80], modules[80], notes[80];
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

static const char modules[] = "other 16384 0 - Live 0xffffffffb0000000\n"
			      "mod_a 16384 1 other, Live 0xffffffffc0000000 (E)\n";

static void tell(const struct world *w, const char *what, const void *bytes, size_t size)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/sys/module/mod_a/%s", w->root, what);
	image_write_file(path, bytes, size);
}

/* What the kernel tells of the module, and the file that it was made of. */
static void install_module(const struct world *w, const uint8_t *id)
{
	static const uint8_t head[] = { 4, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0 };
	static const char text[] = "0xffffffffc0000000\n", cold[] = "0xffffffffc0000800\n";
	uint8_t note[sizeof(head) + 4];
	struct utsname name;
	char command[1024];

	memcpy(note, head, sizeof(head));
	memcpy(note + sizeof(head), id, 4);
	tell(w, "notes/.note.gnu.build-id", note, sizeof(note));
	tell(w, "sections/.text", text, strlen(text));
	tell(w, "sections/.text.unlikely", cold, strlen(cold));
	uname(&name);
	snprintf(command, sizeof(command),
		 "cd %s && mkdir -p debug/lib/modules/%s/kernel lib/modules/%s && cp source mod.c "
		 "&& "
		 "echo '__attribute__((cold)) int cold(int x) { return x * seven + 1; }' >> mod.c "
		 "&& "
		 "echo 'kernel/mod-ab.ko:\nkernel/mod-a.ko.xz: kernel/b.ko' "
		 "> lib/modules/%s/modules.dep && cc -g -O2 -fno-pic -c mod.c -o mod.o && "
		 "ld -r --build-id=0xabcdef01 mod.o -o debug/lib/modules/%s/kernel/mod-a.ko",
		 w->root, name.release, name.release, name.release, name.release);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char path[128];

	assert_int_equal(scratch_make(w->root), 0);
	snprintf(path, sizeof(path), "%s/source", w->root);
	image_write_file(path, source, strlen(source));
	snprintf(w->kallsyms, sizeof(w->kallsyms), "%s/kallsyms", w->root);
	image_write_file(w->kallsyms, kallsyms, strlen(kallsyms));
	snprintf(w->modules, sizeof(w->modules), "%s/modules", w->root);
	image_write_file(w->modules, modules, strlen(modules));
	snprintf(w->notes, sizeof(w->notes), "%s/notes", w->root);
	image_write_notes(w->notes, this_kernel);
	assert_int_equal(
		symbolizer_new(&(struct symbolizer_options){ .kallsyms = w->kallsyms,
							     .modules = w->modules,
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
	int r;

	symbolizer_free(w->symbolizer);
	r = scratch_remove(w->root);
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

static void prepare_module(struct world *w)
{
	for (size_t i = 0; i < N; i++)
		w->frames[i] = (struct wanted_frame){
			.frame = { .kind = FRAME_KERNEL,
				   .address = i % 2 ? MODULE + i / 2 : COLD + i / 2 },
		};
	symbolizer_prepare(w->symbolizer, w->frames, N, 0);
}

static void test_module_without_file(void **state)
{
	struct world *w = *state;
	struct symbol s[SYMBOL_MAX_INLINED];

	install(w);
	prepare_module(w);
	assert_int_equal(name(w, MODULE, s), 1);
	assert_string_equal(s->name, "in_module [mod_a]");
	assert_null(s->file);
	assert_int_equal(stats(w).lines_asked, 0);
	assert_int_equal(stats(w).lines_late, 0);
}

static void test_modules_other_build(void **state)
{
	struct world *w = *state;

	install_module(w, another);
	prepare_module(w);
	assert_int_equal(stats(w).lines_asked, 0);
}

static void assert_in_module(struct world *w)
{
	struct symbol s[SYMBOL_MAX_INLINED];
	size_t inlined = 0, in_cold = 0;

	for (size_t i = 0; i < N; i++) {
		uint64_t address = w->frames[i].frame.address;
		size_t n = name(w, address, s);
		const struct symbol *outermost = &s[n - 1];

		assert_string_equal(outermost->name,
				    address < COLD ? "in_module [mod_a]" : "cold [mod_a]");
		if (outermost->line == 0) /* behind its end */
			continue;
		assert_string_equal(strrchr(outermost->file, '/'), "/mod.c");
		assert_int_equal(outermost->start_line, address < COLD ? 6 : 10);
		in_cold += address >= COLD;
		if (n < 2)
			continue;
		assert_int_equal(n, 2);
		assert_string_equal(s[0].name, "inner");
		assert_int_equal(s[0].line, 4);
		assert_int_equal(s[1].line, 8);
		inlined++;
	}
	assert_true(inlined > 3 && in_cold > 3);
}

/* Without a vmlinux, too. Its two sections are at 0 in the file. */
static void test_lines_of_module(void **state)
{
	struct world *w = *state;

	install_module(w, this_kernel);
	prepare_module(w);
	assert_int_equal(stats(w).lines_asked, 1);
	assert_in_module(w);
}

static void test_modules_file_arrives_later(void **state)
{
	struct world *w = *state;

	prepare_module(w);
	install_module(w, this_kernel);
	prepare_module(w);
	assert_int_equal(stats(w).lines_asked, 0);
	symbolizer_debug_file_arrived(w->symbolizer, this_kernel, sizeof(this_kernel));
	prepare_module(w);
	assert_int_equal(stats(w).lines_asked, 1);
	assert_in_module(w);
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

/* Who is loaded, and where, is looked at now and then. */
static void test_modules_come_and_go(void **state)
{
	static const char moved[] = "mod_a 16384 1 - Live 0xffffffffc0000100\n", none[] = "\n";
	struct world *w = *state;
	struct utsname uts;
	const struct vmlinux_search search = { .root = w->root,
					       .release = uts.release,
					       .directories = "/debug" };
	uint64_t now = 1, address;
	struct kernel_modules *k;

	uname(&uts);
	install_module(w, this_kernel);
	assert_int_equal(kernel_modules_new(&search, w->modules, UINT64_MAX / 2, &k), 0);
	assert_null(kernel_modules_of(k, MODULE, now, &address));
	kernel_modules_look(k, now);
	assert_null(kernel_modules_of(k, MODULE, 0, &address));
	assert_non_null(kernel_modules_of(k, MODULE + 1, now, &address));
	assert_int_equal(address % RELOCATABLE_SPACE, 1);
	assert_non_null(kernel_modules_of(k, COLD + 2, 0, &address));
	assert_int_equal(address % RELOCATABLE_SPACE, 2);
	assert_null(kernel_modules_of(k, MODULE - 1, now, &address));
	assert_null(kernel_modules_of(k, COLD - 1, now, &address));
	image_write_file(w->modules, moved, strlen(moved));
	kernel_modules_look(k, now + 1);
	assert_non_null(kernel_modules_of(k, MODULE, 0, &address));
	now += KERNEL_MODULES_REREAD_NS;
	kernel_modules_look(k, now);
	assert_null(kernel_modules_of(k, COLD, 0, &address));
	assert_non_null(kernel_modules_of(k, COLD, now, &address));
	image_write_file(w->modules, none, strlen(none));
	now += KERNEL_MODULES_REREAD_NS;
	kernel_modules_look(k, now);
	assert_null(kernel_modules_of(k, COLD, now, &address));
	kernel_modules_free(k);
}

#define with_world(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(test_lines_and_inlined),   with_world(test_without_vmlinux),
		with_world(test_another_kernels),     with_world(test_arrives_later),
		with_world(test_lines_of_module),     with_world(test_module_without_file),
		with_world(test_modules_other_build), with_world(test_modules_file_arrives_later),
		with_world(test_modules_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
