/* SPDX-License-Identifier: Apache-2.0 */
/* Go's function table: made by hand in each version's layout, and damaged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "bytes.h"
#include "elf/pclntab.h"

#define TEXT 0x401000ULL

static void align(struct bytes *b)
{
	b->n = (b->n + 7) & ~(size_t)7;
}

/*
 * RSP deltas of a function of 0x40 bytes: 0 for 4, 0x28 for 0x3b, 0 for 1. Values are zigzag
 * differences from -1.
 */
static const uint8_t deltas[16] = { 2, 4, 0x50, 0x3b, 0x4f, 1, 0 };

static const struct {
	const char *name;
	uint8_t flags;
	enum pclntab_kind kind;
} functions[] = {
	{ "main.main", 0, PCLNTAB_PLAIN },
	{ "runtime.goexit.abi0", 0, PCLNTAB_END },
	{ "runtime.systemstack", 0, PCLNTAB_SWITCH },
	{ "runtime.sigreturn", 0, PCLNTAB_SIGNAL },
	{ "runtime.goexited", 0, PCLNTAB_PLAIN },
};

#define N (sizeof(functions) / sizeof(functions[0]))

/* The table of the functions above, 0x40 bytes of code each from TEXT on. */
static struct bytes make(uint32_t magic)
{
	bool relative = magic >= 0xfffffff0 && magic <= 0xfffffff1;
	bool old = magic == 0xfffffffb;
	size_t word = relative ? 4 : 8, header, functab, base;
	size_t names[N], tables;
	struct bytes b = {};

	put(&b, magic, 4);
	put(&b, 0, 2);
	put(&b, 1, 1);
	put(&b, 8, 1);
	put(&b, N, 8);
	header = b.n; /* of the words that 1.2 has not */
	if (!old) {
		put(&b, 0, 8); /* files */
		if (relative)
			put(&b, TEXT, 8);
		b.n += 5 * 8; /* names, units, files, tables, descriptions: below */
	}
	functab = b.n;
	if (old) /* right behind the count, everything else after it */
		b.n += (2 * N + 1) * word;
	base = b.n;
	for (size_t i = 0; i < N; i++) {
		names[i] = b.n - (old ? 0 : base);
		put_text(&b, functions[i].name);
	}
	/* A table must not be at 0, which means that there is none. */
	put(&b, 0, 1);
	tables = b.n - 1;
	memcpy(b.at + b.n, deltas, sizeof(deltas));
	b.n += sizeof(deltas);
	align(&b);
	if (!old) {
		size_t words = header + (relative ? 16 : 8);

		patch(&b, words, base, 8);
		patch(&b, words + 24, tables, 8);
		patch(&b, words + 32, b.n, 8);
		functab = b.n;
		b.n += (2 * N + 1) * word;
		align(&b);
	}
	for (size_t i = 0; i < N; i++) {
		uint64_t entry = (relative ? 0 : TEXT) + 0x40 * i;
		size_t start = b.n;

		patch(&b, functab + 2 * i * word, entry, word);
		patch(&b, functab + (2 * i + 1) * word, start - (old ? 0 : functab), word);
		put(&b, entry, word);
		put(&b, names[i], 4);
		put(&b, 0, 8);
		put(&b, i ? 0 : old ? tables + 1 : 1, 4); /* deltas */
		put(&b, 0, 8);
		put(&b, 0, 8);
		if (magic == 0xfffffff1)
			put(&b, 0, 4);
		put(&b, 0, 1);
		put(&b, functions[i].flags, 1);
		align(&b);
	}
	patch(&b, functab + 2 * N * word, (relative ? 0 : TEXT) + 0x40 * N, word);
	return b;
}

struct rows {
	size_t n;
	uint64_t pc[16];
	struct unwind_rule rule[16];
};

static void add_row(void *userdata, uint64_t pc, const struct unwind_rule *rule)
{
	struct rows *r = userdata;

	assert_true(r->n < 16);
	r->pc[r->n] = pc;
	r->rule[r->n++] = *rule;
}

static void assert_delta(const struct rows *r, size_t i, uint64_t pc, int32_t delta)
{
	assert_int_equal(r->pc[i], TEXT + pc);
	assert_int_equal(r->rule[i].cfa, UNWIND_CFA_REGISTER);
	assert_int_equal(r->rule[i].cfa_reg, UNWIND_RSP);
	assert_int_equal(r->rule[i].cfa_offset, delta + 8);
	assert_int_equal(r->rule[i].bp, delta ? UNWIND_AT_CFA : UNWIND_SAME);
}

static void test_versions(void **state)
{
	static const uint32_t magics[] = { 0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1 };

	(void)state;
	for (size_t m = 0; m < 4; m++) {
		struct bytes b = make(magics[m]);
		struct pclntab_function f;
		struct rows rows = {};
		struct pclntab t;

		assert_int_equal(pclntab_read(b.at, b.n, &t), 0);
		assert_int_equal(t.n_functions, N);
		for (uint32_t i = 0; i < N; i++) {
			assert_true(pclntab_function(&t, i, &f));
			assert_int_equal(f.start, TEXT + 0x40 * i);
			assert_int_equal(f.end, TEXT + 0x40 * (i + 1));
			assert_string_equal(pclntab_name(&t, i), functions[i].name);
			assert_int_equal(f.kind, functions[i].kind);
		}
		assert_true(pclntab_function(&t, 0, &f));
		pclntab_rows(&t, &f, add_row, &rows);
		assert_int_equal(rows.n, 3);
		assert_delta(&rows, 0, 0, 0);
		assert_delta(&rows, 1, 4, 0x28);
		assert_delta(&rows, 2, 0x3f, 0);
	}
}

static void test_fixed_rules(void **state)
{
	static const uint8_t kinds[] = { UNWIND_CFA_REGISTER, UNWIND_CFA_END,
					 UNWIND_CFA_FRAME_POINTER, UNWIND_CFA_SIGNAL,
					 UNWIND_CFA_FRAME_POINTER };
	struct bytes b = make(0xfffffff1);
	struct pclntab t;

	(void)state;
	assert_int_equal(pclntab_read(b.at, b.n, &t), 0);
	for (uint32_t i = 0; i < N; i++) {
		struct pclntab_function f;
		struct rows rows = {};

		assert_true(pclntab_function(&t, i, &f));
		pclntab_rows(&t, &f, add_row, &rows);
		assert_int_equal(rows.rule[0].cfa, kinds[i]);
		assert_int_equal(rows.rule[0].flags,
				 f.kind == PCLNTAB_SWITCH ? UNWIND_RULE_STACK_SWITCH : 0);
	}
}

/* A table of deltas that ends early, stands still or goes below 0: frame pointers from there on. */
static void test_bad_deltas(void **state)
{
	static const uint8_t bad[][sizeof(deltas)] = {
		{ 2, 4, 0 },		    /* ends */
		{ 2, 4, 0x50, 0, 0x50, 4 }, /* no code */
		{ 2, 4, 1, 4 },		    /* below the caller */
		{ 2, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
		  0x80 }, /* runs on into other bytes */
		/* 0x28, and 2^63 - 1 more */
		{ 2, 4, 0x50, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct bytes b = make(0xfffffff1);
		struct pclntab_function f;
		struct rows rows = {};
		struct pclntab t;
		uint8_t *at = memmem(b.at, b.n, deltas, sizeof(deltas));

		assert_non_null(at);
		memcpy(at, bad[i], sizeof(bad[i]));
		assert_int_equal(pclntab_read(b.at, b.n, &t), 0);
		assert_true(pclntab_function(&t, 0, &f));
		pclntab_rows(&t, &f, add_row, &rows);
		assert_delta(&rows, 0, 0, 0);
		assert_int_equal(rows.rule[rows.n - 1].cfa, UNWIND_CFA_FRAME_POINTER);
	}
}

static void test_text_from_elsewhere(void **state)
{
	struct bytes b = make(0xfffffff1);
	struct pclntab_function f;
	struct pclntab t;

	(void)state;
	patch(&b, 24, 0, 8); /* the linker left it to the loader */
	assert_int_equal(pclntab_read(b.at, b.n, &t), 0);
	assert_int_equal(t.text, 0);
	t.text = 0x700000;
	assert_true(pclntab_function(&t, 1, &f));
	assert_int_equal(f.start, 0x700040);
}

static void test_refused(void **state)
{
	struct bytes b = make(0xfffffff1);
	struct pclntab t;

	(void)state;
	patch(&b, 0, 0x12345678, 4);
	assert_int_equal(pclntab_read(b.at, b.n, &t), -EBADMSG);
	b = make(0xfffffff1);
	patch(&b, 7, 4, 1); /* 32-bit addresses */
	assert_int_equal(pclntab_read(b.at, b.n, &t), -EBADMSG);
	b = make(0xfffffff1);
	patch(&b, 8, 1 << 20, 8); /* more functions than there is room for */
	assert_int_equal(pclntab_read(b.at, b.n, &t), -EBADMSG);
	b = make(0xfffffff1);
	patch(&b, 64, ~0ULL, 8); /* functions beyond the end */
	assert_int_equal(pclntab_read(b.at, b.n, &t), -EBADMSG);
}

/* Any byte changed, or cut off anywhere: an answer, and no access outside. */
static void test_damage(void **state)
{
	struct bytes whole = make(0xfffffff1);

	(void)state;
	for (size_t i = 0; i < 2 * whole.n; i++) {
		size_t n = i < whole.n ? whole.n : i - whole.n;
		uint8_t *copy = malloc(n + !n);
		struct pclntab_function f;
		struct pclntab t;

		assert_non_null(copy);
		memcpy(copy, whole.at, n);
		if (i < whole.n)
			copy[i] ^= 0xff;
		if (!pclntab_read(copy, n, &t)) {
			for (uint32_t k = 0; k < t.n_functions; k++) {
				struct rows rows = {};

				if (pclntab_function(&t, k, &f))
					pclntab_rows(&t, &f, add_row, &rows);
			}
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),   cmocka_unit_test(test_fixed_rules),
		cmocka_unit_test(test_bad_deltas), cmocka_unit_test(test_text_from_elsewhere),
		cmocka_unit_test(test_refused),	   cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
