/* SPDX-License-Identifier: Apache-2.0 */
/* Call frame information made by hand: every form of entry, and every way for one to be damaged. */
#include "elf/eh_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CODE 0x10000ULL

/* --- a section under construction --- */

struct bytes {
	uint8_t at[8192];
	size_t n;
};

static void put(struct bytes *b, const void *data, size_t size)
{
	assert_true(b->n + size <= sizeof(b->at));
	if (size)
		memcpy(b->at + b->n, data, size);
	b->n += size;
}

static void put_u8(struct bytes *b, uint8_t v)
{
	put(b, &v, sizeof(v));
}

static void put_u32(struct bytes *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

static void put_u64(struct bytes *b, uint64_t v)
{
	put(b, &v, sizeof(v));
}

/* Leaves room for a length; end_entry() fills it in. */
static size_t begin_entry(struct bytes *b)
{
	put_u32(b, 0);
	return b->n;
}

static void end_entry(struct bytes *b, size_t begun)
{
	uint32_t length = (uint32_t)(b->n - begun);

	memcpy(b->at + begun - 4, &length, sizeof(length));
}

struct cie {
	uint8_t version;
	const char *augmentation;
	uint8_t data[16]; /* of the augmentation, with its length in front */
	size_t data_size;
	bool debug_frame;
};

/* Absolute 8-byte addresses, code alignment 1, data alignment -8; RSP + 8, RA at CFA - 8. */
static const struct cie plain = { .version = 1, .augmentation = "" };

/* Returns its offset. */
static uint32_t put_cie(struct bytes *b, const struct cie *cie)
{
	static const uint8_t tail[] = { 0x0c, 7, 8, 0x80 | 16, 1 };
	size_t e = begin_entry(b);

	put_u32(b, cie->debug_frame ? 0xffffffff : 0);
	put_u8(b, cie->version);
	put(b, cie->augmentation, strlen(cie->augmentation) + 1);
	if (cie->version == 4) {
		put_u8(b, 8);
		put_u8(b, 0);
	}
	put_u8(b, 1);
	put_u8(b, 0x78);
	put_u8(b, 16);
	put(b, cie->data, cie->data_size);
	put(b, tail, sizeof(tail));
	end_entry(b, e);
	return (uint32_t)e - 4;
}

static void put_fde(struct bytes *b, uint32_t cie, bool debug_frame, uint64_t start, uint64_t size,
		    const void *program, size_t program_size)
{
	size_t e = begin_entry(b);

	put_u32(b, debug_frame ? cie : (uint32_t)b->n - cie);
	put_u64(b, start);
	put_u64(b, size);
	put(b, program, program_size);
	end_entry(b, e);
}

static struct cfi_index read_index(const struct bytes *b, bool debug_frame)
{
	const struct cfi_section s = {
		.data = b->at, .size = b->n, .address = 0x5000, .debug_frame = debug_frame
	};
	struct cfi_index index;

	assert_int_equal(cfi_index_read(&s, &index), 0);
	return index;
}

/* --- the rows of one FDE --- */

struct rows {
	size_t n;
	uint64_t pc[64];
	struct unwind_rule rule[64];
};

static void add_row(void *userdata, uint64_t pc, const struct unwind_rule *rule)
{
	struct rows *r = userdata;

	assert_true(r->n < 64);
	assert_true(!r->n || pc > r->pc[r->n - 1]);
	r->pc[r->n] = pc;
	r->rule[r->n++] = *rule;
}

/* The rows of a function of 0x100 bytes at CODE with this program. */
static struct rows rows_of(const void *program, size_t size)
{
	struct rows rows = {};
	struct bytes b = {};
	struct cfi_index index;

	put_fde(&b, put_cie(&b, &plain), false, CODE, 0x100, program, size);
	index = read_index(&b, false);
	assert_int_equal(index.n_fdes, 1);
	cfi_fde_run(&index, &index.fdes[0], add_row, &rows);
	cfi_index_done(&index);
	return rows;
}

#define ROWS(...)                                                                                  \
	rows_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void assert_cfa(const struct rows *r, size_t i, uint64_t pc, uint8_t reg, int32_t offset)
{
	assert_true(i < r->n);
	assert_int_equal(r->pc[i], CODE + pc);
	assert_int_equal(r->rule[i].cfa, UNWIND_CFA_REGISTER);
	assert_int_equal(r->rule[i].cfa_reg, reg);
	assert_int_equal(r->rule[i].cfa_offset, offset);
}

static void assert_unsupported(const struct rows *r, size_t i, enum unwind_reason reason)
{
	assert_true(i < r->n);
	assert_int_equal(r->rule[i].cfa, UNWIND_CFA_UNSUPPORTED);
	assert_int_equal(r->rule[i].cfa_add, reason);
}

static void test_prologue(void **state)
{
	/* push %rbp; mov %rsp,%rbp; push %rbx; ... ; leave; ret, with the return repeated */
	struct rows r = ROWS(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x41, 0x83, 3, 0x02, 0x20,
			     0x0a, 0x0c, 7, 8, 0x41, 0x0b);

	(void)state;
	assert_int_equal(r.n, 6);
	assert_cfa(&r, 0, 0, UNWIND_RSP, 8);
	assert_int_equal(r.rule[0].burst, 1);
	assert_cfa(&r, 1, 1, UNWIND_RSP, 16);
	assert_int_equal(r.rule[1].bp, UNWIND_AT_CFA);
	assert_int_equal(r.rule[1].bp_offset, -16);
	assert_int_equal(r.rule[1].burst, 2);
	assert_cfa(&r, 2, 4, UNWIND_RBP, 16);
	assert_cfa(&r, 3, 5, UNWIND_RBP, 16);
	assert_int_equal(r.rule[3].bx_offset, -24);
	assert_int_equal(r.rule[3].burst, 3);
	assert_cfa(&r, 4, 0x25, UNWIND_RSP, 8);
	assert_cfa(&r, 5, 0x26, UNWIND_RBP, 16);
}

/* ...; mov %rcx,%rsp; pop %rcx; jmp *%rcx; and on with the body, as GCC ends _Unwind_Resume(). */
static void test_eh_return(void **state)
{
	struct rows r =
		ROWS(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x41, 0x83, 7, 0x02, 0x20, 0x0a, 0xc6,
		     0x0c, 2, 8, 0x43, 0x0d, 7, 0x41, 0x09, 16, 2, 0x0e, 0, 0x45, 0x0b);

	(void)state;
	assert_int_equal(r.n, 8);
	assert_cfa(&r, 3, 5, UNWIND_RBP, 16);
	assert_int_equal(r.rule[3].flags, 0);
	assert_cfa(&r, 4, 0x25, UNWIND_RCX, 8);
	assert_cfa(&r, 5, 0x28, UNWIND_RSP, 8);
	assert_cfa(&r, 6, 0x29, UNWIND_RSP, 0);
	assert_int_equal(r.rule[6].ra, UNWIND_IN_REGISTER | UNWIND_RCX);
	for (size_t i = 4; i < 7; i++) {
		assert_int_equal(r.rule[i].flags, UNWIND_RULE_SIGNAL);
		assert_int_equal(r.rule[i].bp, UNWIND_SAME);
		assert_int_equal(r.rule[i].bx, UNWIND_SAME);
	}
	assert_cfa(&r, 7, 0x2e, UNWIND_RBP, 16);
	assert_memory_equal(&r.rule[7], &r.rule[3], sizeof(r.rule[3]));
}

static void test_advances(void **state)
{
	struct rows r = ROWS(0x02, 4, 0x0e, 16, 0x03, 4, 0, 0x0e, 24, 0x04, 4, 0, 0, 0, 0x0e, 32,
			     /* set_loc, absolute */
			     0x01, 0x20, 0x00, 0x01, 0, 0, 0, 0, 0, 0x0e, 40,
			     /* beyond the end: the rest is not heard */
			     0x02, 0xff, 0x0e, 48);

	(void)state;
	assert_int_equal(r.n, 5);
	assert_cfa(&r, 1, 4, UNWIND_RSP, 16);
	assert_cfa(&r, 2, 8, UNWIND_RSP, 24);
	assert_cfa(&r, 3, 12, UNWIND_RSP, 32);
	assert_cfa(&r, 4, 0x20, UNWIND_RSP, 40);
}

static void test_signed_forms(void **state)
{
	/* def_cfa_sf rsp -2 (= 16); offset_extended_sf rbp 2; then def_cfa_offset_sf -3;
	 * GNU_negative_offset rbx -2 (= +16, above the CFA: no burst); restore_extended rbp */
	struct rows r =
		ROWS(0x12, 7, 0x7e, 0x11, 6, 2, 0x41, 0x13, 0x7d, 0x2f, 3, 2, 0x41, 0x06, 6);

	(void)state;
	assert_int_equal(r.n, 3);
	assert_cfa(&r, 0, 0, UNWIND_RSP, 16);
	assert_int_equal(r.rule[0].bp_offset, -16);
	assert_cfa(&r, 1, 1, UNWIND_RSP, 24);
	assert_int_equal(r.rule[1].bx_offset, 16);
	assert_int_equal(r.rule[1].burst, 0);
	assert_int_equal(r.rule[2].bp, UNWIND_SAME);
}

static void test_cfa_expressions(void **state)
{
	struct rows r = ROWS(/* rsp + 8 + ((rip & 15) >= 11) * 8 */
			     0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22,
			     /* *(rsp + 40) + 8 */
			     0x41, 0x0f, 5, 0x77, 40, 0x06, 0x23, 8,
			     /* *(rbp - 8) */
			     0x41, 0x0f, 3, 0x76, 0x78, 0x06,
			     /* *(rsp + 8 + 8 * r9) + 8 */
			     0x41, 0x0f, 10, 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8,
			     /* rbx + 32 */
			     0x41, 0x0f, 2, 0x73, 32,
			     /* rax * 2 is nothing we know */
			     0x41, 0x0f, 4, 0x70, 0, 0x32, 0x1e);

	(void)state;
	assert_int_equal(r.n, 6);
	assert_int_equal(r.rule[0].cfa, UNWIND_CFA_PLT);
	assert_int_equal(r.rule[0].cfa_add, 11);
	assert_int_equal(r.rule[1].cfa, UNWIND_CFA_DEREF);
	assert_int_equal(r.rule[1].cfa_reg, UNWIND_RSP);
	assert_int_equal(r.rule[1].cfa_offset, 40);
	assert_int_equal(r.rule[1].cfa_add, 8);
	assert_int_equal(r.rule[2].cfa, UNWIND_CFA_DEREF);
	assert_int_equal(r.rule[2].cfa_reg, UNWIND_RBP);
	assert_int_equal(r.rule[2].cfa_offset, -8);
	assert_int_equal(r.rule[3].cfa, UNWIND_CFA_DEREF_R9);
	assert_int_equal(r.rule[3].cfa_offset, 8);
	assert_int_equal(r.rule[3].cfa_add, 8);
	assert_cfa(&r, 4, 4, UNWIND_RBX, 32);
	assert_unsupported(&r, 5, UNWIND_REASON_cfa_expression);
}

static void test_registers_and_expressions(void **state)
{
	struct rows r = ROWS(/* vfork: rip in rdi */
			     0x09, 16, 5,
			     /* longjmp: rsp in r8, rbp in r9 */
			     0x41, 0x09, 7, 8, 0x09, 6, 9,
			     /* a realigned frame: rbp at *(rbp), rbx at *(rbp - 16) */
			     0x41, 0xc0 | 16, 0x06, 7, 0x10, 6, 2, 0x76, 0, 0x10, 3, 2, 0x76, 0x70,
			     /* rbp by an unknown expression, rbx undefined */
			     0x06, 6, 0x41, 0x10, 6, 3, 0x76, 0, 0x06, 0x07, 3,
			     /* rip by an expression; the end of the stack */
			     0x41, 0x16, 16, 2, 0x77, 0, 0x41, 0x07, 16);

	(void)state;
	assert_int_equal(r.n, 6);
	assert_int_equal(r.rule[0].ra, UNWIND_IN_REGISTER | UNWIND_RDI);
	assert_int_equal(r.rule[1].sp, UNWIND_IN_REGISTER | UNWIND_R8);
	assert_int_equal(r.rule[1].bp, UNWIND_IN_REGISTER | UNWIND_R9);
	assert_int_equal(r.rule[2].ra, UNWIND_AT_CFA);
	assert_int_equal(r.rule[2].sp, UNWIND_AT_CFA);
	assert_int_equal(r.rule[3].bp, UNWIND_UNKNOWN);
	assert_int_equal(r.rule[3].bx, UNWIND_UNKNOWN);
	assert_unsupported(&r, 4, UNWIND_REASON_ra_expression);
	assert_int_equal(r.rule[5].cfa, UNWIND_CFA_END);
}

static void test_realigned(void **state)
{
	struct rows r = ROWS(0x0c, 10, 0, 0x41, 0x10, 6, 2, 0x76, 0, 0x41, 0x0f, 3, 0x76, 0x78,
			     0x06, 0x10, 3, 2, 0x76, 0x70);

	(void)state;
	assert_int_equal(r.n, 3);
	assert_cfa(&r, 0, 0, UNWIND_R10, 0);
	assert_int_equal(r.rule[1].bp, UNWIND_AT_FP);
	assert_int_equal(r.rule[1].bp_offset, 0);
	assert_int_equal(r.rule[1].burst, 0);
	assert_int_equal(r.rule[2].cfa, UNWIND_CFA_DEREF);
	assert_int_equal(r.rule[2].bx, UNWIND_AT_FP);
	assert_int_equal(r.rule[2].bx_offset, -16);
}

static void test_what_does_not_fit(void **state)
{
	/* CFA in register 17; offset of 2^31; return address 2^16 below */
	struct rows r = ROWS(0x0c, 17, 8, 0x41, 0x0c, 7, 0x80, 0x80, 0x80, 0x80, 0x08, 0x41, 0x0c,
			     7, 8, 0x05, 16, 0x80, 0x40, 0x41, 0x05, 16, 1, 0x14, 7, 1);

	(void)state;
	assert_int_equal(r.n, 4);
	assert_unsupported(&r, 0, UNWIND_REASON_cfa_register);
	assert_unsupported(&r, 1, UNWIND_REASON_offset);
	assert_unsupported(&r, 2, UNWIND_REASON_offset);
	assert_unsupported(&r, 3, UNWIND_REASON_sp_expression);
}

static void test_broken_programs(void **state)
{
	uint8_t deep[64];
	struct rows r;

	(void)state;
	/* Correct up to where it breaks, then unsupported: an unknown instruction, a cut one, */
	r = ROWS(0x41, 0x0e, 16, 0x41, 0x3f);
	assert_int_equal(r.n, 3);
	assert_cfa(&r, 1, 1, UNWIND_RSP, 16);
	assert_unsupported(&r, 2, UNWIND_REASON_malformed);
	r = ROWS(0x41, 0x0e);
	assert_unsupported(&r, r.n - 1, UNWIND_REASON_malformed);
	/* an expression longer than the program, a state restored that was not remembered, */
	r = ROWS(0x0f, 0x20, 0x77);
	assert_unsupported(&r, 0, UNWIND_REASON_malformed);
	r = ROWS(0x0b);
	assert_unsupported(&r, 0, UNWIND_REASON_malformed);
	/* going back, an endless number, too many remembered. */
	r = ROWS(0x42, 0x01, 0x01, 0x00, 0x01, 0, 0, 0, 0, 0);
	assert_unsupported(&r, r.n - 1, UNWIND_REASON_malformed);
	r = ROWS(0x0e, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01);
	assert_unsupported(&r, 0, UNWIND_REASON_malformed);
	memset(deep, 0x0a, sizeof(deep));
	r = rows_of(deep, sizeof(deep));
	assert_unsupported(&r, 0, UNWIND_REASON_malformed);
	r = rows_of(deep, 16);
	assert_cfa(&r, 0, 0, UNWIND_RSP, 8);
}

static void test_augmentations(void **state)
{
	/* personality by pc-relative 4 bytes, LSDA, FDE pointers pc-relative 4 bytes, signal frame
	 */
	const struct cie full = { .version = 1,
				  .augmentation = "zPLRSB",
				  .data = { 7, 0x9b, 1, 2, 3, 4, 0x1b, 0x1b },
				  .data_size = 8 };
	const struct cie unknown = { .version = 1, .augmentation = "zX", .data_size = 1 };
	const struct cie old = { .version = 1, .augmentation = "eh", .data_size = 8 };
	const struct cie version_9 = { .version = 9, .augmentation = "" };
	struct rows rows = {};
	struct bytes b = {};
	struct cfi_index index;
	uint32_t cie;
	size_t e;

	(void)state;
	cie = put_cie(&b, &full);
	e = begin_entry(&b);
	put_u32(&b, (uint32_t)b.n - cie);
	put_u32(&b, (uint32_t)(CODE - (0x5000 + b.n)));
	put_u32(&b, 0x40);
	put_u8(&b, 4); /* augmentation data: the LSDA */
	put_u32(&b, 0x0e0e0e0e);
	put_u8(&b, 0x41);
	put_u8(&b, 0x0e);
	put_u8(&b, 16);
	end_entry(&b, e);
	put_fde(&b, put_cie(&b, &unknown), false, CODE, 16, NULL, 0);
	put_fde(&b, put_cie(&b, &old), false, CODE, 16, NULL, 0);
	put_fde(&b, put_cie(&b, &version_9), false, CODE, 16, NULL, 0);
	put_fde(&b, 3, false, CODE, 16, NULL, 0); /* no CIE there */

	index = read_index(&b, false);
	assert_int_equal(index.n_fdes, 1);
	assert_int_equal(index.fdes[0].start, CODE);
	assert_int_equal(index.fdes[0].end, CODE + 0x40);
	cfi_fde_run(&index, &index.fdes[0], add_row, &rows);
	assert_int_equal(rows.n, 2);
	assert_cfa(&rows, 1, 1, UNWIND_RSP, 16);
	assert_int_equal(rows.rule[0].flags, UNWIND_RULE_SIGNAL);
	assert_int_equal(index.refused.augmentation, 2);
	assert_int_equal(index.refused.version, 1);
	assert_int_equal(index.refused.cie, 1);
	cfi_index_done(&index);
}

static void test_sigreturn(void **state)
{
	/* As glibc describes __restore_rt: "zRS", CFA = *(rsp + 160), rip at rsp + 168. */
	const struct cie signal = {
		.version = 1, .augmentation = "zRS", .data = { 1, 0x00 }, .data_size = 2
	};
	static const uint8_t program[] = { 0, /* no augmentation data */
					   0x0f, 4,    0x77, 0xa0, 0x01, 0x06, 0x10, 7,	   3,
					   0x77, 0xa0, 0x01, 0x10, 16,	 3,    0x77, 0xa8, 0x01 };
	struct rows rows = {};
	struct bytes b = {};
	struct cfi_index index;

	(void)state;
	put_fde(&b, put_cie(&b, &signal), false, CODE, 10, program, sizeof(program));
	index = read_index(&b, false);
	assert_int_equal(index.n_fdes, 1);
	cfi_fde_run(&index, &index.fdes[0], add_row, &rows);
	assert_int_equal(rows.n, 1);
	assert_int_equal(rows.rule[0].cfa, UNWIND_CFA_SIGNAL);
	cfi_index_done(&index);
}

static void test_useless_entries(void **state)
{
	struct bytes b = {};
	struct cfi_index index;
	uint32_t cie;

	(void)state;
	cie = put_cie(&b, &plain);
	put_fde(&b, cie, false, CODE, 0, NULL, 0);	    /* no code */
	put_fde(&b, cie, false, CODE, ~0ULL - 16, NULL, 0); /* around the end of the world */
	put_fde(&b, cie, false, 0, 16, NULL, 0);	    /* discarded by the linker */
	put_u32(&b, 0);					    /* a terminator in the middle */
	put_fde(&b, cie, false, CODE + 32, 16, NULL, 0);
	put_fde(&b, cie, false, CODE, 16, NULL, 0); /* unsorted, and overlapping is for later */
	put_u32(&b, 4);				    /* only an id: of a CIE without anything */
	put_u32(&b, 0);
	put_u32(&b, 0x1000); /* longer than the section */
	put_u32(&b, 0);
	index = read_index(&b, false);
	assert_int_equal(index.n_fdes, 2);
	assert_int_equal(index.fdes[0].start, CODE + 32);
	assert_int_equal(index.refused.empty, 2);
	assert_int_equal(index.refused.discarded, 1);
	assert_int_equal(index.refused.truncated, 1);
	cfi_index_done(&index);
}

static void test_open_end(void **state)
{
	struct bytes b = {};
	struct cfi_section s = { .data = b.at, .open_end = true };
	struct cfi_index index;
	uint32_t cie;

	(void)state;
	cie = put_cie(&b, &plain);
	put_fde(&b, cie, false, CODE, 16, NULL, 0);
	put_u32(&b, 0);
	put_fde(&b, cie, false, CODE, 16, NULL, 0); /* of something else */
	s.size = b.n;
	assert_int_equal(cfi_index_read(&s, &index), 0);
	assert_int_equal(index.n_fdes, 1);
	cfi_index_done(&index);
}

static void test_debug_frame(void **state)
{
	const struct cie v3 = { .version = 3, .augmentation = "", .debug_frame = true };
	const struct cie v4 = { .version = 4, .augmentation = "", .debug_frame = true };
	struct bytes b = {};
	struct cfi_index index;
	uint32_t later;
	size_t e;

	(void)state;
	/* The CIE of the first comes after it. */
	put_fde(&b, 40, true, CODE, 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(b.n, 40);
	assert_int_equal(put_cie(&b, &v3), 40);
	later = put_cie(&b, &v4);
	put_fde(&b, later, true, CODE + 16, 16, NULL, 0);
	/* 64-bit lengths, and with them 64-bit offsets */
	put_u32(&b, 0xffffffff);
	put_u64(&b, 24);
	put_u64(&b, later);
	put_u64(&b, CODE + 32);
	put_u64(&b, 16);
	e = begin_entry(&b); /* an FDE cut off within its addresses */
	put_u32(&b, later);
	put_u32(&b, 1);
	end_entry(&b, e);
	index = read_index(&b, true);
	assert_int_equal(index.n_cies, 2);
	assert_int_equal(index.n_fdes, 3);
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(index.fdes[i].start, CODE + 16 * i);
	assert_int_equal(index.refused.encoding, 1);
	cfi_index_done(&index);
}

static void test_wide_eh_frame(void **state)
{
	struct bytes b = {};
	struct cfi_index index;
	uint32_t cie;

	(void)state;
	cie = put_cie(&b, &plain);
	put_u32(&b, 0xffffffff);
	put_u64(&b, 20);
	put_u32(&b, (uint32_t)b.n - cie); /* stays at 4 bytes in .eh_frame */
	put_u64(&b, CODE);
	put_u64(&b, 16);
	index = read_index(&b, false);
	assert_int_equal(index.n_fdes, 1);
	cfi_index_done(&index);
}

/* Cut off after every byte, it is still read without reading beyond. */
static void test_truncation(void **state)
{
	static const uint8_t program[] = { 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6 };
	struct bytes b = {};

	(void)state;
	for (int i = 0; i < 3; i++)
		put_fde(&b, put_cie(&b, &plain), false, CODE + 0x100 * (uint64_t)i, 0x100, program,
			sizeof(program));
	for (size_t n = 0; n <= b.n; n++) {
		uint8_t *copy = malloc(n + !n); /* so that the sanitizer sees its end */
		struct cfi_section s = { .data = copy, .size = n };
		struct cfi_index index;

		assert_non_null(copy);
		memcpy(copy, b.at, n);
		assert_int_equal(cfi_index_read(&s, &index), 0);
		assert_true(index.n_fdes <= 3);
		for (size_t i = 0; i < index.n_fdes; i++) {
			struct rows rows = {};

			cfi_fde_run(&index, &index.fdes[i], add_row, &rows);
		}
		if (n == b.n)
			assert_int_equal(index.n_fdes, 3);
		cfi_index_done(&index);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prologue),
		cmocka_unit_test(test_eh_return),
		cmocka_unit_test(test_advances),
		cmocka_unit_test(test_signed_forms),
		cmocka_unit_test(test_cfa_expressions),
		cmocka_unit_test(test_registers_and_expressions),
		cmocka_unit_test(test_realigned),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_broken_programs),
		cmocka_unit_test(test_augmentations),
		cmocka_unit_test(test_sigreturn),
		cmocka_unit_test(test_useless_entries),
		cmocka_unit_test(test_open_end),
		cmocka_unit_test(test_debug_frame),
		cmocka_unit_test(test_wide_eh_frame),
		cmocka_unit_test(test_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
