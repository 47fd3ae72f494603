/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "symbolize/kallsyms.h"
#include "symbolize/kernel_names.h"
#include "scratch.h"

DEFINE_CLEANUP(struct kernel_names *, kernel_names_free);
#define _cleanup_kernel_ _cleanup_(kernel_names_freep)

static const char usual[] = "0000000000000000 A fixed_percpu_data\n"
			    "0000000000001000 A cpu_debug_store\n"
			    "ffffffff81000000 T _stext\n"
			    "ffffffff81000000 T startup_64\n"
			    "ffffffff81000040 t __pfx_do_one\n"
			    "ffffffff81000050 T do_one\n"
			    "ffffffff81000100 t local_alias\n"
			    "ffffffff81000100 T __x64_sys_read\n"
			    "ffffffff81000200 W weak_one\n"
			    "ffffffff81e00000 T _etext\n"
			    "ffffffff82000000 D some_data\n"
			    "ffffffff82000100 d other_data\n"
			    "ffffffff82800000 T _sinittext\n"
			    "ffffffffc0300000 t ext4_fill\t[ext4]\n"
			    "ffffffffc0200000 t nf_hook\t[nf_tables]\n"
			    "ffffffffc0200100 t nf_last\t[nf_tables]\n"
			    "ffffffffc0210000 d nf_data\t[nf_tables]\n"
			    "ffffffffc0400000 t bpf_prog_6deef7357e7b4530_sample\t[bpf]\n"
			    "ffffffffc0400080 t bpf_prog_0123456789abcdef_other\t[bpf]\n"
			    "ffffffffc0500000 t ftrace_trampoline\t[__builtin__ftrace]\n";

static char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16], modules[SCRATCH_SIZE + 16];

static void write_text(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void write_file(const char *text)
{
	write_text(path, text);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(scratch_make(directory), 0);
	snprintf(path, sizeof(path), "%s/kallsyms", directory);
	snprintf(modules, sizeof(modules), "%s/modules", directory);
	write_file(usual);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return scratch_remove(directory);
}

static struct kernel_names *names(void)
{
	struct kernel_names *k;

	assert_int_equal(kernel_names_new(path, modules, &k), 0);
	return k;
}

#define assert_kernel(k, address, now, expected)                                                   \
	do {                                                                                       \
		const char *_name = kernel_names_find(k, address, now);                            \
		assert_string_equal(_name ? _name : "nothing", expected);                          \
	} while (0)

static void test_names(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = names();

	(void)state;
	assert_kernel(k, 0xffffffff81000000, 0, "startup_64");
	assert_kernel(k, 0xffffffff81000060, 0, "do_one");
	assert_kernel(k, 0xffffffff81000100, 0, "__x64_sys_read");
	assert_kernel(k, 0xffffffff81000210, 0, "weak_one");
	assert_kernel(k, 0xffffffffc0200050, 0, "nf_hook [nf_tables]");
	assert_kernel(k, 0xffffffffc0300123, 0, "ext4_fill [ext4]");
	/* Between what is code, far behind it, and before it. */
	assert_kernel(k, 0xffffffff81e00010, 0, "nothing");
	assert_kernel(k, 0xffffffff82000010, 0, "nothing");
	assert_kernel(k, 0xffffffffc0211000, 0, "nothing");
	assert_kernel(k, 0xffffffff81a00000, 0, "nothing");
	assert_kernel(k, 0xffffffffc0380000, 0, "nothing");
	assert_kernel(k, 0x1000, 0, "nothing");
	assert_kernel(k, 0, 0, "nothing");
	assert_kernel(k, UINT64_MAX, 0, "nothing");
}

static void test_range(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = names();
	_cleanup_kernel_ struct kernel_names *bare = NULL;
	uint64_t start, end;

	(void)state;
	kernel_names_range(k, 0, &start, &end);
	assert_int_equal(start, 0xffffffff81000000);
	assert_int_equal(end, 0xffffffff81e00000);
	write_file("ffffffff81000040 T b\nffffffff81000010 t a\nffffffffc0000000 t m\t[m]\n");
	bare = names();
	kernel_names_range(bare, 0, &start, &end);
	assert_int_equal(start, 0xffffffff81000010);
	assert_int_equal(end, 0xffffffff81000040);
}

static void test_hidden(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = NULL;
	uint64_t start, end;

	(void)state;
	write_file("0000000000000000 T _stext\n0000000000000000 T do_one\n"
		   "0000000000000000 t nf_hook\t[nf_tables]\n");
	k = names();
	kernel_names_range(k, 0, &start, &end);
	assert_int_equal(start, 0);
	assert_int_equal(end, 0);
	assert_int_equal(kernel_names_count(k), 0);
	assert_kernel(k, 0xffffffff81000060, 0, "nothing");
}

static void test_bad_lines(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = NULL;

	(void)state;
	write_file("\n \nzz T a\nffffffff81000000\nffffffff81000000 T\nffffffff81000000 T \n"
		   "ffffffff81000000 Tx\nffffffff81000010 T good\t[\nffffffff81000020 T end");
	k = names();
	assert_kernel(k, 0xffffffff81000010, 0, "good [");
	assert_kernel(k, 0xffffffff81000020, 0, "end");
	assert_int_equal(kernel_names_count(k), 2);
}

static void test_missing_file(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = NULL, *none = NULL;

	(void)state;
	assert_int_equal(kernel_names_new("/nonexistent/kallsyms", "", &k), 0);
	assert_kernel(k, 0xffffffff81000000, 0, "nothing");
	assert_int_equal(kernel_names_new("", "", &none), 0);
	assert_kernel(none, 0xffffffff81000000, 0, "nothing");
}

/* A BPF program is known from kallsyms, goes, and its place is given to two others. */
static void test_bpf(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = names();

	(void)state;
	assert_kernel(k, 0xffffffffc0400010, 0, "bpf_prog_6deef7357e7b4530_sample [bpf]");
	assert_kernel(k, 0xffffffffc0400080, 0, "bpf_prog_0123456789abcdef_other [bpf]");
	assert_kernel(k, 0xffffffffc0500000, 0, "ftrace_trampoline");
	kernel_names_remove(k, 0xffffffffc0400000);
	/* It went, but its samples are named later. */
	assert_kernel(k, 0xffffffffc0400010, 0, "bpf_prog_6deef7357e7b4530_sample [bpf]");
	kernel_names_add(k, 0xffffffffc0400020, 0x20, "bpf_prog_a");
	kernel_names_add(k, 0xffffffffc0400040, 0x60, "bpf_prog_b");
	assert_kernel(k, 0xffffffffc0400010, 0, "bpf_prog_6deef7357e7b4530_sample [bpf]");
	assert_kernel(k, 0xffffffffc040003f, 0, "bpf_prog_a [bpf]");
	assert_kernel(k, 0xffffffffc0400080, 0, "bpf_prog_b [bpf]");
	assert_kernel(k, 0xffffffffc04000a0, 0, "nothing");
	kernel_names_add(k, 0xffffffffc0400000, 0x1000, "bpf_prog_all");
	assert_kernel(k, 0xffffffffc0400040, 0, "bpf_prog_all [bpf]");
	kernel_names_add(k, UINT64_MAX - 4, 100, "bpf_prog_wraps");
	kernel_names_add(k, 0xffffffffc0600000, 0, "bpf_prog_empty");
	assert_kernel(k, 0xffffffffc0600000, 0, "nothing");
	kernel_names_remove(k, 0x1234);
}

/* kallsyms is read again when the modules are others, and not for every unknown address. */
static void test_modules_come_and_go(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = NULL;
	uint64_t now = 5 * KERNEL_NAMES_REREAD_NS;

	(void)state;
	write_text(modules, "nf_tables 4096 1 ext4, Live 0xffffffffc0200000\n");
	k = names();
	assert_kernel(k, 0xffffffffc0700000, now, "nothing");
	write_file("ffffffffc0700000 t late\t[late]\nffffffffc0400000 t bpf_prog_new\t[bpf]\n");
	/* Used by others and more often: the same modules. */
	write_text(modules, "nf_tables 4096 7 a,b, Live 0xffffffffc0200000\n");
	now += KERNEL_NAMES_REREAD_NS;
	assert_kernel(k, 0xffffffffc0700000, now, "nothing");
	write_text(modules, "late 4096 0 - Live 0xffffffffc0700000\n");
	assert_kernel(k, 0xffffffffc0700000, now + KERNEL_NAMES_REREAD_NS - 1, "nothing");
	now += KERNEL_NAMES_REREAD_NS;
	assert_kernel(k, 0xffffffffc0700000, now, "late [late]");
	assert_kernel(k, 0xffffffffc0400000, now, "bpf_prog_new [bpf]");
	/* Another one at the same addresses: its name is not that of the old one. */
	write_file("ffffffffc0700000 t later\t[later]\n");
	write_text(modules, "later 4096 0 - Live 0xffffffffc0700000\n");
	now += KERNEL_NAMES_REREAD_NS;
	assert_kernel(k, 0xffffffffc0700000, now, "later [later]");
}

static void test_read_again_after_losses(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = names();
	uint64_t now = 5 * KERNEL_NAMES_REREAD_NS;

	(void)state;
	assert_kernel(k, 0xffffffffc0700000, now, "nothing");
	write_file("ffffffffc0700000 t bpf_prog_new\t[bpf]\n");
	now += KERNEL_NAMES_REREAD_NS;
	assert_kernel(k, 0xffffffffc0700000, now, "nothing");
	kernel_names_lost(k);
	assert_kernel(k, 0xffffffffc0700000, now, "nothing");
	now += KERNEL_NAMES_REREAD_NS;
	assert_kernel(k, 0xffffffffc0700000, now, "bpf_prog_new [bpf]");
}

static void test_many_programs(void **state)
{
	_cleanup_kernel_ struct kernel_names *k = names();
	char name[64];

	(void)state;
	for (uint64_t i = 0; i < 70000; i++) {
		snprintf(name, sizeof(name), "bpf_prog_%06llu", (unsigned long long)i);
		kernel_names_add(k, 0xffffffffd0000000 + i * 64, 64, name);
		kernel_names_remove(k, 0xffffffffd0000000 + i * 64);
	}
	/* There is a limit; those that are gone made room. */
	assert_kernel(k, 0xffffffffd0000000 + 69999 * 64, 0, "bpf_prog_069999 [bpf]");
	assert_true(kernel_names_memory(k) < 8 << 20);
}

static void test_compact(void **state)
{
	_cleanup_free_ char *text = malloc(160000 * 48);
	_cleanup_kernel_ struct kernel_names *k = NULL;
	size_t n = 0;

	(void)state;
	for (uint64_t i = 0; i < 160000; i++)
		n += (size_t)sprintf(text + n, "%llx t some_function_%06llu\n",
				     0xffffffff81000000ULL + i * 64, (unsigned long long)i);
	write_file(text);
	k = names();
	assert_kernel(k, 0xffffffff81000000 + 159999 * 64 + 63, 0, "some_function_159999");
	assert_int_equal(kernel_names_count(k), 160000);
	assert_true(kernel_names_memory(k) < 6 << 20);
}

#define with_file(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_file(test_names),
		with_file(test_range),
		with_file(test_hidden),
		with_file(test_bad_lines),
		with_file(test_missing_file),
		with_file(test_bpf),
		with_file(test_modules_come_and_go),
		with_file(test_read_again_after_losses),
		with_file(test_many_programs),
		with_file(test_compact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
