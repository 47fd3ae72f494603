/* SPDX-License-Identifier: Apache-2.0 */
/* What profctl says would give frames their names, with lists of dpkg's form. */
#include <elf.h>
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
#include "profctl/hints.h"
#include "profctl/packages.h"
#include "scratch.h"

static char directory[SCRATCH_SIZE];

static void write_list(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* With the build id 0102030405. */
static void write_elf(const char *path)
{
	const struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
		Elf64_Nhdr note;
		char name[4];
		uint8_t id[8];
	} elf = {
		.header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB },
			    .e_type = ET_DYN,
			    .e_machine = EM_X86_64,
			    .e_phoff = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 1 },
		.segment = { .p_type = PT_NOTE,
			     .p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			     .p_filesz = sizeof(Elf64_Nhdr) + 12,
			     .p_align = 4 },
		.note = { .n_namesz = 4, .n_descsz = 5, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
		.id = { 1, 2, 3, 4, 5 },
	};
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(&elf, sizeof(elf), 1, f), 1);
	fclose(f);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(scratch_make(directory), 0);
	write_list("libfoo1:amd64.list", "/.\n/usr\n/usr/lib/libfoo.so.1\n");
	write_list("libc6:amd64.list", "/lib/x86_64-linux-gnu/libc.so.6\n");
	write_list("libfoo1:amd64.md5sums", "/opt/app\n");
	write_list(".list", "/opt/app\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return scratch_remove(directory);
}

static void test_packages(void **state)
{
	static const char *const paths[] = {
		"/usr/lib/libfoo.so.1", "/opt/app",	      "/usr/lib/x86_64-linux-gnu/libc.so.6",
		"/lib/libfoo.so.1",	"/usr/lib/libfoo.so", ""
	};
	static const char *const expected[] = { "libfoo1", NULL, "libc6", "libfoo1", NULL, NULL };
	char *names[ARRAY_SIZE(paths)];

	(void)state;
	assert_int_equal(packages_find(directory, paths, ARRAY_SIZE(paths), names), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(!names[i], !expected[i]);
		if (names[i])
			assert_string_equal(names[i], expected[i]);
		free(names[i]);
	}
	assert_int_equal(packages_find("/nonexistent", paths, 1, names), -ENOENT);
}

static char *hints_of(const char *text, const struct hints_machine *machine)
{
	_cleanup_free_ char *copy = strdup(text);
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	assert_int_equal(hints_print(f, copy, machine), 0);
	fclose(f);
	return out;
}

static char *hints(const char *text, const char *packages)
{
	const struct hints_machine machine = { .packages = packages, .root = directory };

	return hints_of(text, &machine);
}

static void test_remedies(void **state)
{
	static const char text[] = "state\tunnamed\twhy\tbuild_id\tpath\n"
				   "loaded\t5\tstripped\tab01\t/usr/lib/libfoo.so.1\n"
				   "loaded\t7\tstripped\tab02\t/lib/x86_64-linux-gnu/libc.so.6\n"
				   "loaded\t0\tstripped\tab03\t/usr/lib/named.so\n"
				   "loaded\t4\tstripped\tab04\t/opt/app\n"
				   "loaded\t3\tstripped\t-\t/opt/without\n"
				   "-\t900\tjit_without_map\t-\t/usr/bin/node\n"
				   "loaded\t2\tgone\tab\t/opt/\033gone\n"
				   "short\t1\n";
	_cleanup_free_ char *out = hints(text, directory), *elsewhere = NULL;

	(void)state;
	assert_string_equal(out,
			    "\nFrames without a name, and what would give them one:\n"
			    "  /usr/bin/node: 900 frames, jit_without_map\n"
			    "    start it with --perf-basic-prof\n"
			    "  /lib/x86_64-linux-gnu/libc.so.6: 7 frames, stripped\n"
			    "    install libc6-dbg, or set debuginfod_urls in profd.conf\n"
			    "  /usr/lib/libfoo.so.1: 5 frames, stripped\n"
			    "    install libfoo1-dbgsym, or set debuginfod_urls in profd.conf\n"
			    "  /opt/app: 4 frames, stripped\n"
			    "    build it with symbols, or put its debug file into "
			    "/usr/lib/debug/.build-id, or set debuginfod_urls in profd.conf\n"
			    "  /opt/without: 3 frames, stripped\n"
			    "    build it with symbols\n"
			    "  /opt/?gone: 2 frames, gone\n"
			    "    start the program again while profd runs\n");
	/* Not on Debian. */
	elsewhere = hints("unnamed\twhy\tbuild_id\tpath\n5\tstripped\tab\t/usr/lib/libfoo.so.1\n",
			  "/nonexistent");
	assert_non_null(strstr(elsewhere, ", or set debuginfod_urls in profd.conf\n"));
	assert_null(strstr(elsewhere, "install"));
}

/* A package of this machine is of no use to another file of the same path. */
static void test_file_of_a_container(void **state)
{
	static const char text[] = "unnamed\twhy\tbuild_id\tpath\n"
				   "5\tstripped\tab01\t/libfoo.so.1\n";
	static const char same[] = "unnamed\twhy\tbuild_id\tpath\n"
				   "5\tstripped\t0102030405\t/libfoo.so.1\n";
	_cleanup_free_ char *out = NULL, *of_same = NULL;
	char path[128];

	(void)state;
	write_list("libfoo1:amd64.list", "/libfoo.so.1\n");
	snprintf(path, sizeof(path), "%s/libfoo.so.1", directory);
	write_elf(path);
	out = hints(text, directory);
	assert_non_null(strstr(out, "in a container, install its debug package there"));
	assert_null(strstr(out, "libfoo1"));
	of_same = hints(same, directory);
	assert_non_null(strstr(of_same, "install libfoo1-dbgsym, or set debuginfod_urls"));
}

static void test_with_debuginfod(void **state)
{
	const struct hints_machine machine = { .packages = directory,
					       .root = directory,
					       .has_debuginfod = true };
	_cleanup_free_ char *out =
		hints_of("unnamed\twhy\tbuild_id\tpath\n5\tstripped\tab\t/opt/app\n", &machine);

	(void)state;
	assert_null(strstr(out, "debuginfod_urls"));
	assert_non_null(strstr(out, "; debuginfod has none yet\n"));
}

/* Packages of debug files that are not called as most are. */
static void test_packages_with_other_names(void **state)
{
	static const struct {
		const char *package, *remedy;
	} cases[] = {
		{ "binutils-x86-64-linux-gnu", "install binutils-x86-64-linux-gnu-dbg" },
		{ "libbinutils", "install libbinutils-dbg" },
		{ "openjdk-17-jre-headless", "install openjdk-17-dbg" },
		{ "openjdk-21-jdk", "install openjdk-21-dbg" },
		{ "libgphobos3", "install libgphobos3-dbgsym" },
	};
	char list[128], remedy[128], text[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *out = NULL;

		snprintf(list, sizeof(list), "%s:amd64.list", cases[i].package);
		snprintf(text, sizeof(text), "/opt/case-%zu\n", i);
		write_list(list, text);
		snprintf(text, sizeof(text),
			 "unnamed\twhy\tbuild_id\tpath\n5\tstripped\tab\t/opt/case-%zu\n", i);
		snprintf(remedy, sizeof(remedy), "    %s, or set debuginfod_urls", cases[i].remedy);
		out = hints(text, directory);
		assert_non_null(strstr(out, remedy));
	}
}

static void test_nothing_to_say(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"state\tpath\nloaded\t/a\n",
		"unnamed\twhy\tbuild_id\tpath\n0\t-\tab\t/a\n",
		"unnamed\twhy\tbuild_id\tpath\nx\ty\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_free_ char *out = hints(texts[i], directory);

		assert_string_equal(out, "");
	}
}

/* A machine on which nothing has names: only the worst are told. */
static void test_many(void **state)
{
	_cleanup_free_ char *text = NULL, *out = NULL;
	size_t size, lines = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	fputs("unnamed\twhy\tbuild_id\tpath\n", f);
	for (int i = 1; i <= 1000; i++)
		fprintf(f, "%d\tstripped\tab\t/opt/%d\n", i, i);
	fclose(f);
	out = hints(text, directory);
	for (const char *p = out; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 2 + 2 * HINTS_MAX);
	assert_non_null(strstr(out, "/opt/1000: 1000 frames"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_packages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remedies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packages_with_other_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_of_a_container, setup, teardown),
		cmocka_unit_test_setup_teardown(test_with_debuginfod, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_to_say, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
