/* SPDX-License-Identifier: Apache-2.0 */
/* Code that nothing describes, and that is recognized: entries, trampolines, stubs, landings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unwind_image.h"

static void test_entry_point(void **state)
{
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	f.header->e_entry = CODE(0x100);
	describe(&f, 0x140, 0x10, 1);
	t = build(&f);
	assert_int_equal(kind_at(t, 0xff), UNWIND_CFA_GAP);
	assert_int_equal(kind_at(t, 0x100), UNWIND_CFA_END);
	assert_int_equal(kind_at(t, 0x13f), UNWIND_CFA_END);
	assert_int_equal(words_at(t, 0x140), 1);
	done(&f, t);

	/* Described code is believed; what is far behind the entry is not part of it. */
	f = new_file();
	f.header->e_entry = CODE(0x148);
	describe(&f, 0x140, 0x10, 1);
	t = build(&f);
	assert_int_equal(words_at(t, 0x148), 1);
	done(&f, t);
	f = new_file();
	f.header->e_entry = CODE(0x148);
	t = build(&f);
	assert_int_equal(kind_at(t, 0x148 + 255), UNWIND_CFA_END);
	assert_int_equal(kind_at(t, 0x148 + 256), UNWIND_CFA_GAP);
	done(&f, t);

	/* The entry of a library is nothing, unless it looks like the start of a process. */
	f = new_file();
	f.header->e_type = ET_DYN;
	f.header->e_entry = CODE(0x100);
	t = build(&f);
	assert_int_equal(kind_at(t, 0x100), UNWIND_CFA_GAP);
	free(t);
	memcpy(f.at + AT(0x100), "\x48\x89\xe7\xe8", 4);
	t = build(&f);
	assert_int_equal(kind_at(t, 0x100), UNWIND_CFA_END);
	done(&f, t);
}

static void test_trampoline(void **state)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x10, 1);
	memcpy(f.at + AT(0x200), code, sizeof(code));
	memcpy(f.at + AT(0x104), code, sizeof(code));	/* described: not looked at */
	memcpy(f.at + AT(0x1fffd), code, sizeof(code)); /* across the pieces that are read */
	t = build(&f);
	assert_int_equal(kind_at(t, 0x1fe), UNWIND_CFA_GAP);
	assert_int_equal(kind_at(t, 0x1ff), UNWIND_CFA_SIGNAL);
	assert_int_equal(kind_at(t, 0x208), UNWIND_CFA_SIGNAL);
	assert_int_equal(kind_at(t, 0x209), UNWIND_CFA_GAP);
	assert_int_equal(words_at(t, 0x104), 1);
	assert_int_equal(kind_at(t, 0x1fffc), UNWIND_CFA_SIGNAL);
	assert_int_equal(t->stats.synthetic, 2);
	done(&f, t);
}

/* What calls main() and the functions of threads in a C library without descriptions. */
static void test_roots(void **state)
{
	static const uint8_t start[] = { 0xff, 0xd3, 0x89, 0xc7, 0xe8, 0, 0, 0, 0 };
	static const uint8_t clone[] = { 0x31, 0xed, 0x5f, 0x41, 0xff, 0xd1, 0x89, 0xc7,
					 0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05, 0xf4 };
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x80, 1);
	memcpy(f.at + AT(0x120), start, sizeof(start)); /* described: not looked at */
	memcpy(f.at + AT(0x200), start, sizeof(start));
	memcpy(f.at + AT(0x241), start + 1, sizeof(start) - 1); /* nothing is called */
	memcpy(f.at + AT(0x300), clone, sizeof(clone));
	for (uint64_t n = 0xfff8; n < 0x40000 - 64;
	     n += 0x10000 - 3) /* across what is read at once */
		memcpy(f.at + AT(n), start, sizeof(start));
	t = build(&f);
	assert_int_equal(words_at(t, 0x122), 1);
	assert_int_equal(kind_at(t, 0x1ff), UNWIND_CFA_GAP);
	for (uint64_t n = 0x200; n < 0x200 + sizeof(start); n++)
		assert_int_equal(kind_at(t, n), UNWIND_CFA_END);
	assert_int_equal(kind_at(t, 0x200 + sizeof(start)), UNWIND_CFA_GAP);
	assert_int_equal(kind_at(t, 0x242), UNWIND_CFA_GAP);
	for (uint64_t n = 0x300; n < 0x300 + sizeof(clone); n++)
		assert_int_equal(kind_at(t, n), UNWIND_CFA_END);
	for (uint64_t n = 0xfff8; n < 0x40000 - 64; n += 0x10000 - 3)
		assert_int_equal(kind_at(t, n), UNWIND_CFA_END);
	assert_int_equal(t->stats.synthetic, 5);
	assert_int_equal(t->stats.overlapping, 0);
	done(&f, t);
}

static void test_stubs(void **state)
{
	static const uint8_t init[] = { 0x48, 0x83, 0xec, 8, 0x90, 0x48, 0x83, 0xc4, 8, 0xc3 };
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	add_section(&f, ".plt", AT(0x400), 0x40, SHF_ALLOC);
	add_section(&f, ".plt.sec", AT(0x500), 0x40, SHF_ALLOC);
	add_section(&f, ".init", AT(0x600), sizeof(init), SHF_ALLOC);
	memcpy(f.at + AT(0x400), "\xff\x35", 2);
	memcpy(f.at + AT(0x600), init, sizeof(init));
	t = build(&f);
	assert_int_equal(words_at(t, 0x400), 1);
	assert_int_equal(words_at(t, 0x406), 2);
	assert_int_equal(kind_at(t, 0x410), UNWIND_CFA_PLT);
	assert_int_equal(unwind_table_find(t, AT(0x43f))->cfa_add, 11);
	assert_int_equal(words_at(t, 0x500), 0);
	assert_int_equal(words_at(t, 0x540), -1);
	assert_int_equal(words_at(t, 0x600), 0);
	assert_int_equal(words_at(t, 0x604), 1);
	assert_int_equal(words_at(t, 0x608), 1);
	assert_int_equal(words_at(t, 0x609), 0);
	free(t);

	memcpy(f.at + AT(0x410), "\xf3\x0f\x1e\xfa", 4);
	t = build(&f);
	assert_int_equal(unwind_table_find(t, AT(0x410))->cfa_add, 9);
	done(&f, t);
}

/* A stretch no longer than padding, if a section says what it is. */
static void test_short_stub(void **state)
{
	static const uint8_t fini[] = { 0x48, 0x83, 0xec, 8, 0x48, 0x83, 0xc4, 8, 0xc3 };
	struct file f = new_file();
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x100, 0x10, 3);
	describe(&f, 0x11c, 0x10, 3);
	memcpy(f.at + AT(0x110), fini, sizeof(fini));
	t = build(&f);
	assert_int_equal(words_at(t, 0x110), 3);
	free(t);
	add_section(&f, ".fini", AT(0x110), sizeof(fini), SHF_ALLOC);
	t = build(&f);
	assert_int_equal(words_at(t, 0x110), 0);
	assert_int_equal(words_at(t, 0x114), 1);
	assert_int_equal(words_at(t, 0x118), 0);
	assert_int_equal(words_at(t, 0x11c), 3);
	done(&f, t);
}

static void test_destructors(void **state)
{
	static const uint8_t code[] = {
		0x80, 0x3d, 0,	  0, 0, 0, 0,	    /* cmpb $0, completed(%rip) */
		0x75, 0x18, 0x55,		    /* jne out; push %rbp */
		0x48, 0x83, 0x3d, 0, 0, 0, 0, 0,    /* cmpq $0, __cxa_finalize(%rip) */
		0x48, 0x89, 0xe5,		    /* mov %rsp, %rbp */
		0xe8, 0,    0,	  0, 0,		    /* call deregister_tm_clones */
		0xc6, 0x05, 0,	  0, 0, 0, 1, 0x5d, /* movb $1, completed(%rip); pop %rbp */
		0xc3, 0xc3,			    /* ret; out: ret */
	};
	struct file f = new_file();
	const struct unwind_rule *rule;
	struct unwind_table *t;

	(void)state;
	describe(&f, 0x80, 0x10, 3);
	memcpy(f.at + AT(0x100), code, sizeof(code));
	t = build(&f);
	assert_int_equal(kind_at(t, 0xff), UNWIND_CFA_GAP);
	assert_int_equal(words_at(t, 0x100), 0);
	assert_int_equal(words_at(t, 0x109), 0);
	for (uint64_t n = 0x10a; n < 0x122; n++) {
		assert_int_equal(words_at(t, n), 1);
		rule = unwind_table_find(t, AT(n));
		assert_int_equal(rule->bp, UNWIND_AT_CFA);
		assert_int_equal(rule->bp_offset, -16);
	}
	assert_int_equal(words_at(t, 0x122), 0);
	assert_int_equal(kind_at(t, 0x123), UNWIND_CFA_GAP);
	free(t);
	/* Without its end nothing is known of it. */
	f.at[AT(0x122)] = 0x90;
	t = build(&f);
	assert_int_equal(kind_at(t, 0x10a), UNWIND_CFA_GAP);
	done(&f, t);
}

/* What precedes the setting of the stack pointer in _Unwind_Resume(), see unwind/table_landing.h.
 */
static void test_landing(void **state)
{
	static const uint8_t code[] = {
		0xe8, 0,    0,	  0,	0,		  /* call uw_install_context_1 */
		0x48, 0x8b, 0xb5, 0xe8, 0xfd, 0xff, 0xff, /* mov -0x218(%rbp), %rsi */
		0x48, 0x8b, 0xbd, 0xe0, 0xfd, 0xff, 0xff, /* mov -0x220(%rbp), %rdi */
		0x48, 0x89, 0x74, 0x15, 0x08,		  /* mov %rsi, 8(%rbp, %rdx, 1) */
		0x48, 0x8b, 0x6d, 0x00,			  /* mov (%rbp), %rbp */
	};
	/* At 0x120: def_cfa rbp 16, rbp at -16; at 0x160 restore rbp, def_cfa rcx 8. */
	static const uint8_t program[] = { 0x60, 0x0c, 6,    16, 0x86, 2, 0x02,
					   0x40, 0xc6, 0x0c, 2,	 8,    0 };
	uint8_t fde[40] = { 36 };
	struct file f = new_file();
	uint32_t back = (uint32_t)(f.cfi + 4);
	uint64_t address = CODE(0x100), size = 0x100;
	const uint64_t begin = 0x160 - sizeof(code);
	struct unwind_table *t;

	(void)state;
	memcpy(fde + 4, &back, 4);
	memcpy(fde + 8, &address, 8);
	memcpy(fde + 16, &size, 8);
	memcpy(fde + 24, program, sizeof(program));
	put(&f, fde, sizeof(fde));
	t = build(&f);
	assert_int_equal(unwind_table_find(t, AT(0x120))->cfa_reg, UNWIND_RBP);
	assert_int_equal(unwind_table_find(t, AT(0x160))->cfa_reg, UNWIND_RCX);
	assert_int_equal(kind_at(t, 0x15f), UNWIND_CFA_REGISTER);
	free(t);
	memcpy(f.at + AT(begin), code, sizeof(code));
	t = build(&f);
	assert_int_equal(kind_at(t, begin - 1), UNWIND_CFA_REGISTER);
	assert_int_equal(kind_at(t, begin), UNWIND_CFA_DEREF);
	assert_int_equal(unwind_table_find(t, AT(begin + 23))->flags, 0);
	assert_int_equal(unwind_table_find(t, AT(begin + 24))->flags, UNWIND_RULE_SIGNAL);
	assert_int_equal(kind_at(t, 0x15f), UNWIND_CFA_DEREF);
	assert_int_equal(unwind_table_find(t, AT(0x160))->cfa_reg, UNWIND_RCX);
	done(&f, t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry_point), cmocka_unit_test(test_trampoline),
		cmocka_unit_test(test_roots),	    cmocka_unit_test(test_stubs),
		cmocka_unit_test(test_short_stub),  cmocka_unit_test(test_destructors),
		cmocka_unit_test(test_landing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
