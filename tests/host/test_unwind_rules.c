/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The unwinder with tables: rules, slices for files without, guesses, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unwind_world.h"

enum { RULE_GAP, RULE_SP16, RULE_RBP, RULE_END, RULE_SIGNAL, RULE_UNSUPPORTED, RULE_BEYOND = 200 };

static void fill_rules(void)
{
	world.unwind_rules[RULE_SP16] = (struct unwind_rule){ .cfa = UNWIND_CFA_REGISTER,
							      .cfa_reg = UNWIND_RSP,
							      .cfa_offset = 16,
							      .ra = UNWIND_AT_CFA,
							      .sp = UNWIND_AT_CFA,
							      .ra_offset = -8,
							      .burst = 1 };
	world.unwind_rules[RULE_RBP] = (struct unwind_rule){ .cfa = UNWIND_CFA_REGISTER,
							     .cfa_reg = UNWIND_RBP,
							     .cfa_offset = 16,
							     .ra = UNWIND_AT_CFA,
							     .sp = UNWIND_AT_CFA,
							     .bp = UNWIND_AT_CFA,
							     .bp_offset = -16,
							     .ra_offset = -8,
							     .burst = 2 };
	world.unwind_rules[RULE_END].cfa = UNWIND_CFA_END;
	world.unwind_rules[RULE_SIGNAL].cfa = UNWIND_CFA_SIGNAL;
	world.unwind_rules[RULE_UNSUPPORTED].cfa = UNWIND_CFA_UNSUPPORTED;
}

/* One page of the table: rows { pc_low, rule } from index @first of the segment. */
static void fill_page(u32 page, u32 first, const struct unwind_row *from, u32 n)
{
	memcpy(&rows.rows[first], from, n * sizeof(*from));
	world.unwind_pages[page] = (struct unwind_page){ .row = first, .n_rows = n };
}

/*
 * The program is mapped from offset 0x1000 on and has two pages: 0x1000 SP16, 0x2000 RBP, 0x3000
 * END, 0x4000 a signal trampoline, 0x5000 unsupported, 0x6000 a gap; 0x10000 SP16. The library:
 * RBP.
 */
static void fill_tables(void)
{
	static const struct unwind_row first[] = {
		{ 0, RULE_GAP },      { 0x1000, RULE_SP16 },   { 0x2000, RULE_RBP },
		{ 0x3000, RULE_END }, { 0x4000, RULE_SIGNAL }, { 0x5000, RULE_UNSUPPORTED },
		{ 0x6000, RULE_GAP }
	};
	static const struct unwind_row second[] = { { 0, RULE_SP16 } };
	static const struct unwind_row library[] = { { 0, RULE_RBP } };

	fill_rules();
	fill_page(1, 1000, first, sizeof(first) / sizeof(first[0]));
	fill_page(2, 5, second, 1);
	fill_page(3, UNWIND_SEGMENT_ROWS - 1, library, 1);
	bind(PROGRAM_ID, 1, 0, 2);
	bind(LIBRARY_ID, 3, 0, 1);
}

static u64 program_at(u64 offset)
{
	return PROGRAM - PAGE + offset;
}

/* SP16 in the program's second page, RBP in the library, RBP and END in the program. */
static void push_ruled(void)
{
	u64 words[] = { 1, LIBRARY + 0x80,    0, STACK + 64, program_at(0x2100), 0, 0, 0,
			0, program_at(0x3100) };

	memcpy(stack, words, sizeof(words));
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = STACK + 24;
}

static int run_ruled(void)
{
	push_ruled();
	return run(program_at(0x10010));
}

static void rules_lead_to_the_callers(void **state)
{
	(void)state;
	fill_tables();
	u.slices = true;
	assert_int_equal(run_ruled(), ABI_STACK_complete);
	assert_int_equal(n_frames, 4);
	assert_int_equal(frames[0], file_frame(PROGRAM_ID, 0x10010, false));
	assert_int_equal(frames[1], file_frame(LIBRARY_ID, 0x7f, false));
	assert_int_equal(frames[2], file_frame(PROGRAM_ID, 0x20ff, false));
	assert_int_equal(frames[3], file_frame(PROGRAM_ID, 0x30ff, false));
	assert_int_equal(u.guesses, 0);
	assert_int_equal(u.vma_walks, 2);
}

static void unknown_files_stop_for_a_slice(void **state)
{
	(void)state;
	fill_tables();
	u.slices = true;
	world.unwind_files[LIBRARY_ID].file_id = 0;
	assert_int_equal(run_ruled(), ABI_STACK_no_table);
	assert_int_equal(n_frames, 1);
	assert_int_equal(world.announced, 2); /* the library as well */
	/* Another file's slot is as good as none. */
	world.unwind_files[LIBRARY_ID].file_id = LIBRARY_ID + WORLD_SLOTS;
	assert_int_equal(run_ruled(), ABI_STACK_no_table);
	/* One that has no rules is not waited for. */
	bind(LIBRARY_ID, 0, 0, 0);
	assert_int_equal(run_ruled(), ABI_STACK_complete);
	assert_int_equal(u.guesses, 1);
	assert_int_equal(world.counters[ABI_COUNTER_slices_lost_ring_full], 0);
}

/* Without room the library is stepped over by its frame pointer, and its caller is marked. */
static void without_room_the_walk_goes_on(void **state)
{
	(void)state;
	fill_tables();
	world.unwind_files[LIBRARY_ID].file_id = 0;
	world.slice_room = false;
	u.slices = true;
	assert_int_equal(run_ruled(), ABI_STACK_complete);
	assert_int_equal(n_frames, 4);
	assert_int_equal(frames[1], file_frame(LIBRARY_ID, 0x7f, false));
	assert_int_equal(frames[2], file_frame(PROGRAM_ID, 0x20ff, true));
	assert_int_equal(frames[3], file_frame(PROGRAM_ID, 0x30ff, false));
	assert_int_equal(world.counters[ABI_COUNTER_slices_lost_ring_full], 1);
	world.slice_room = true;
	u.slices = false;
	assert_int_equal(run_ruled(), ABI_STACK_complete);
	assert_int_equal(world.counters[ABI_COUNTER_slices_lost_ring_full], 1);
}

/* What a guess in code whose rules are not loaded leads to is not to be believed. */
static void bad_guesses_are_for_want_of_rules(void **state)
{
	(void)state;
	fill_tables();
	world.unwind_files[LIBRARY_ID].file_id = 0;
	world.slice_room = false;
	push_ruled();
	u.slices = true;
	u.frame.regs[UNWIND_RBP] = 3;
	assert_int_equal(run(program_at(0x10010)), ABI_STACK_no_table);
	assert_int_equal(n_frames, 2);
	assert_false(u.slices);
	bind(LIBRARY_ID, 0, 0, 0);
	push_ruled();
	u.frame.regs[UNWIND_RBP] = 3;
	assert_int_equal(run(program_at(0x10010)), ABI_STACK_bad_frame_pointer);
}

/* A frame pointer of 0 is the end where it was saved in a frame; elsewhere it is just a number. */
static void frame_pointer_of_0(void **state)
{
	(void)state;
	bind_without_rules();
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = 0;
	expect_end(PROGRAM, ABI_STACK_no_frame_pointer, 1);
	push_frames(1, alternating, 0);
	expect_end(PROGRAM, ABI_STACK_complete, 2);
	/* A return address of 0 likewise. */
	push_frames(1, alternating, STACK + 0x200);
	stack[0x200 / 8] = STACK + 0x300;
	stack[0x208 / 8] = 0;
	expect_end(PROGRAM, ABI_STACK_complete, 2);
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = STACK + 0x200;
	expect_end(PROGRAM, ABI_STACK_bad_frame_pointer, 1);
}

static void gaps_are_guessed(void **state)
{
	(void)state;
	fill_tables();
	/* Interrupted: what is at the top of the stack, if it is code. */
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = 0;
	stack[0] = program_at(0x3010);
	assert_int_equal(run(program_at(0x6000)), ABI_STACK_complete);
	assert_int_equal(n_frames, 2);
	assert_int_equal(frames[0], file_frame(PROGRAM_ID, 0x6000, false));
	assert_int_equal(frames[1], file_frame(PROGRAM_ID, 0x300f, true));
	/* Else the frame pointer. */
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = STACK + 16;
	stack[0] = DATA;
	stack[3] = program_at(0x3020);
	assert_int_equal(run(program_at(0x6000)), ABI_STACK_complete);
	assert_int_equal(n_frames, 2);
	assert_int_equal(frames[1], file_frame(PROGRAM_ID, 0x301f, true));
	/* A caller has pushed something: only the frame pointer. */
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = 0;
	stack[1] = program_at(0x6010);
	stack[2] = program_at(0x3030);
	assert_int_equal(run(program_at(0x1010)), ABI_STACK_no_frame_pointer);
	assert_int_equal(n_frames, 2);
	/* Before the first page and behind the last one there are no rules. */
	bind(PROGRAM_ID, 1, 1, 1);
	stack[0] = 0;
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = 1;
	expect_end(program_at(0x2000), ABI_STACK_bad_frame_pointer, 1);
	bind(PROGRAM_ID, 1, 0, 1);
	u.frame.regs[UNWIND_RBP] = 1;
	expect_end(program_at(0x10010), ABI_STACK_bad_frame_pointer, 1);
}

/*
 * A subroutine within code that has one rule: that takes the word above the return address for it,
 * which is no code, and the return address is found at the top of the stack all the same.
 */
static void calls_within_a_rule_are_found(void **state)
{
	static const u64 wrong[] = { 0, DATA + 8, 0xdeadbeef };
	u32 i;

	(void)state;
	fill_tables();
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		stack[0] = program_at(0x1810);
		stack[1] = wrong[i];
		stack[2] = program_at(0x3100);
		u.frame.regs[UNWIND_RSP] = STACK;
		u.frame.regs[UNWIND_RBP] = 7;
		assert_int_equal(run(program_at(0x1800)), ABI_STACK_complete);
		assert_int_equal(n_frames, 3);
		assert_int_equal(frames[0], file_frame(PROGRAM_ID, 0x1800, false));
		assert_int_equal(frames[1], file_frame(PROGRAM_ID, 0x180f, true));
		assert_int_equal(frames[2], file_frame(PROGRAM_ID, 0x30ff, false));
		assert_int_equal(u.guesses, 1);
		assert_int_equal(u.frame.regs[UNWIND_RBP], 7);
	}
}

/* Where the top of the stack is no address of the same code, the stack ends as its rule says. */
static void rules_that_lead_nowhere_are_believed(void **state)
{
	static const struct {
		u64 top, caller;
		int end;
	} cases[] = {
		{ 5, 0, ABI_STACK_complete },
		{ LIBRARY + 0x80, 0, ABI_STACK_complete },
		{ PROGRAM, 0, ABI_STACK_complete },
		{ PROGRAM + PROGRAM_SIZE + 1, 0, ABI_STACK_complete },
		{ 5, DATA + 8, ABI_STACK_not_executable },
		{ 5, 0xdeadbeef, ABI_STACK_no_mapping },
	};
	u32 i;

	(void)state;
	fill_tables();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stack[0] = cases[i].top;
		stack[1] = cases[i].caller;
		u.frame.regs[UNWIND_RSP] = STACK;
		expect_end(program_at(0x1800), cases[i].end, 1);
	}
	/* A caller that has called is where its return address says: no other word is tried. */
	push_ruled();
	stack[2] = stack[3] = program_at(0x2200);
	stack[4] = 0;
	expect_end(program_at(0x10010), ABI_STACK_complete, 2);
}

static void signal_frames_are_exact(void **state)
{
	u64 *context = stack + 40 / 8;

	(void)state;
	fill_tables();
	context[15] = STACK + 512;
	context[16] = program_at(0x1000);
	stack[512 / 8 + 1] = program_at(0x3100);
	stack[0] = 0;
	u.frame.regs[UNWIND_RSP] = STACK;
	assert_int_equal(run(program_at(0x4008)), ABI_STACK_complete);
	assert_int_equal(n_frames, 3);
	assert_int_equal(frames[0], file_frame(PROGRAM_ID, 0x4008, false));
	assert_int_equal(frames[1], file_frame(PROGRAM_ID, 0x1000, false));
	assert_int_equal(frames[2], file_frame(PROGRAM_ID, 0x30ff, false));
	/* Come upon by a return, too: the handler returns to its first instruction. */
	stack[511] = program_at(0x4001);
	memcpy(stack + 512, stack, 512);
	u.frame.regs[UNWIND_RSP] = STACK + 510 * 8;
	run(program_at(0x1800));
	assert_int_equal(frames[1], file_frame(PROGRAM_ID, 0x4001, false));
}

static void contradictions_are_internal(void **state)
{
	(void)state;
	fill_tables();
	expect_end(program_at(0x5000), ABI_STACK_unsupported_rule, 1);
	rows.rows[5].rule = RULE_BEYOND;
	expect_end(program_at(0x10000), ABI_STACK_internal, 0);
	world.unwind_pages[2].row = UNWIND_SEGMENT_ROWS;
	expect_end(program_at(0x10000), ABI_STACK_internal, 0);
	bind(PROGRAM_ID, WORLD_PAGES, 0, 2);
	expect_end(program_at(0x2000), ABI_STACK_internal, 0);
}

static void every_read_can_fail_with_rules(void **state)
{
	u64 whole[4], reads, n;

	(void)state;
	fill_tables();
	assert_int_equal(run_ruled(), ABI_STACK_complete);
	memcpy(whole, frames, sizeof(whole));
	reads = world.reads;
	for (n = 1; n <= reads; n++) {
		int end;

		setup(NULL);
		fill_tables();
		world.fail_at = n;
		end = run_ruled();
		assert_in_range(end, ABI_STACK_complete, ABI_STACK_ENDS_COUNT - 1);
		assert_in_range(n_frames, 0, 4);
		assert_true(end != ABI_STACK_complete || n_frames == 4 || world.n_files < 2);
		for (u32 i = 0; i < n_frames && world.n_files == 2; i++)
			assert_int_equal(frames[i] & ~ABI_FRAME_GUESSED, whole[i]);
	}
}

/* Whatever the tables hold, nothing is read outside of them and every stack ends. */
static void random_tables_end(void **state)
{
	u64 seed = 7;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		unsigned char *tables = (unsigned char *)world.unwind_pages;

		fill_tables();
		for (size_t i = 0; i < sizeof(world.unwind_pages) + sizeof(world.unwind_rules);
		     i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			if (!(seed >> 62))
				tables[i] = (unsigned char)(seed >> 40);
		}
		for (size_t i = 0; i < STACK_WORDS; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			stack[i] = seed >> 63 ? STACK + (seed >> 40) % sizeof(stack) / 8 * 8
					      : PROGRAM + (seed >> 47);
		}
		u.frame.regs[UNWIND_RSP] = STACK;
		u.frame.regs[UNWIND_RBP] = STACK + (seed >> 58) * 8;
		assert_in_range(run(program_at(0x1000 + (seed >> 48))), ABI_STACK_complete,
				ABI_STACK_ENDS_COUNT - 1);
		assert_in_range(n_frames, 0, ABI_MAX_USER_FRAMES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rules_lead_to_the_callers),
		TEST(unknown_files_stop_for_a_slice),
		TEST(without_room_the_walk_goes_on),
		TEST(bad_guesses_are_for_want_of_rules),
		TEST(frame_pointer_of_0),
		TEST(gaps_are_guessed),
		TEST(calls_within_a_rule_are_found),
		TEST(rules_that_lead_nowhere_are_believed),
		TEST(signal_frames_are_exact),
		TEST(contradictions_are_internal),
		TEST(every_read_can_fail_with_rules),
		TEST(random_tables_end),
	};

	return cmocka_run_group_tests_name("unwind_rules", tests, NULL, NULL);
}
