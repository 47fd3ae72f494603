/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The unwinder over a process made here: program, library, vdso, JIT, data and a stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unwind.h"

#include "address_space.h"

#define PROGRAM	     0x555500000000ULL
#define PROGRAM_SIZE (16 * PAGE)
#define LIBRARY	     0x7f0000000000ULL
#define JIT	     0x7f0000100000ULL
#define DATA	     0x7f0000200000ULL
#define VDSO	     0x7fff00000000ULL
#define STACK	     0x7ffe00000000ULL
#define STACK_WORDS  1024
#define MASK	     511

static u64 stack[STACK_WORDS];
static u64 frames[MASK + 1];
static struct unwind_walk u;
static struct unwind_segment rows; /* 1 MiB: not in the world, which is cleared often */
static struct mm_struct *mm;
static u32 n_frames;

int unwind_map(struct unwind_walk *w, u64 addr)
{
	return unwind_map_inline(w, addr);
}

int unwind_step(struct unwind_walk *w)
{
	return unwind_step_inline(w);
}

static int setup(void **state)
{
	struct vm_area_struct *vmas[6];
	u64 exec = VMA_VM_EXEC | 1;

	(void)state;
	world_reset();
	mm = NEW(struct mm_struct);
	vmas[0] = new_vma(mm, PROGRAM, PROGRAM + PROGRAM_SIZE, exec, new_file(11, "prog"), PAGE);
	vmas[1] = new_vma(mm, LIBRARY, LIBRARY + 16 * PAGE, exec, new_file(12, "lib.so"), 0);
	vmas[2] = new_vma(mm, JIT, JIT + PAGE, exec, NULL, JIT);
	vmas[3] = new_vma(mm, DATA, DATA + PAGE, 3, NULL, DATA);
	vmas[4] = new_vma(mm, STACK, STACK + sizeof(stack), 3, NULL, STACK);
	vmas[5] = new_vma(mm, VDSO, VDSO + PAGE, exec, NULL, VDSO);
	memset(&u, 0, sizeof(u));
	memset(stack, 0, sizeof(stack));
	memset(frames, 0xee, sizeof(frames));
	u.mm = (u64)(uintptr_t)mm;
	u.root = build_tree(vmas, 6);
	u.vdso = VDSO;
	u.client = (struct files_client){ .time = 5, .start_boottime = 6, .tgid = 42 };
	world.stack = (const unsigned char *)stack;
	world.stack_start = STACK;
	world.stack_size = sizeof(stack);
	world.unwind_segment = &rows;
	world.slice_room = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_reset();
	return 0;
}

/* Every four words a frame { frame pointer of the caller, return address }; the last one's frame
 * pointer is @outermost. */
static void push_frames(size_t n, u64 (*address)(size_t i), u64 outermost)
{
	size_t i;

	for (i = 0; i < n; i++) {
		stack[i * 4 + 2] = i + 1 < n ? STACK + (i + 1) * 32 + 16 : outermost;
		stack[i * 4 + 3] = address(i);
	}
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = STACK + 16;
}

static u64 alternating(size_t i)
{
	return (i % 2 ? LIBRARY : PROGRAM) + 0x100 + i;
}

static int run(u64 pc)
{
	u.frame.pc = pc;
	u.frame.flags = 0;
	u.frame.valid = UNWIND_VALID_ALL;
	unwind_begin(&u);
	return unwind_stack(&u, frames, 0, MASK, &n_frames);
}

static u64 file_frame(u32 id, u64 offset, bool guessed)
{
	return (u64)id << ABI_FRAME_FILE_SHIFT | offset | (guessed ? ABI_FRAME_GUESSED : 0);
}

static void walks_to_the_end(void **state)
{
	(void)state;
	push_frames(3, alternating, 0);
	assert_int_equal(run(LIBRARY + 0x10), ABI_STACK_complete);
	assert_int_equal(n_frames, 4);
	/* Frame 0 is where it was; the others point into the call before the return address. */
	assert_int_equal(frames[0], file_frame(16, 0x10, false));
	assert_int_equal(frames[1], file_frame(17, PAGE + 0xff, true));
	assert_int_equal(frames[2], file_frame(16, 0x100, true));
	assert_int_equal(frames[3], file_frame(17, PAGE + 0x101, true));
	assert_int_equal(u.vma_walks, 2);
	assert_int_equal(u.vma_walks_failed, 0);
}

static void announces_each_file_once(void **state)
{
	(void)state;
	push_frames(3, alternating, 0);
	run(PROGRAM + 0x10);
	assert_int_equal(world.announced, 2);
	assert_string_equal(world.announcement.name, "lib.so");
	assert_int_equal(world.announcement.record.type, ABI_RECORD_FILE);
	assert_int_equal(world.announcement.record.size, sizeof(world.announcement));
	assert_int_equal(world.announcement.record.time, 5);
	assert_int_equal(world.announcement.key.inode, 12);
	assert_int_equal(world.announcement.key.device, 0x800001);
	assert_int_equal(world.announcement.key.generation, 7);
	assert_int_equal(world.announcement.tgid, 42);
	assert_int_equal(world.announcement.start_boottime, 6);
	assert_int_equal(world.announcement.vm_start, LIBRARY);
	assert_int_equal(world.announcement.file_id, 17);
	u.frame.regs[UNWIND_RBP] = STACK + 16;
	u.frame.regs[UNWIND_RSP] = STACK;
	run(PROGRAM + 0x10);
	assert_int_equal(world.announced, 2);
	assert_int_equal(world.counters[ABI_COUNTER_files_announced], 2);
}

static void usage_is_written_coarsely(void **state)
{
	(void)state;
	run(PROGRAM);
	u.client.time += 1000;
	run(PROGRAM);
	assert_int_equal(world.files[0].file.last_used, 5);
	u.client.time += 2 * FILES_USED_GRAIN_NS;
	run(PROGRAM);
	assert_int_equal(world.files[0].file.last_used, u.client.time);
}

static void address_frame_expected(u64 addr, int counter)
{
	assert_int_equal(n_frames, 1);
	assert_int_equal(frames[0], (u64)ABI_FRAME_ADDRESS << ABI_FRAME_KIND_SHIFT | addr);
	if (counter >= 0)
		assert_int_equal(world.counters[counter], 1);
}

static void a_file_without_id_is_counted(void **state)
{
	(void)state;
	world.ring_full = true;
	run(PROGRAM);
	address_frame_expected(PROGRAM, ABI_COUNTER_files_announce_lost);
	assert_int_equal(world.n_files, 0); /* it will be announced when there is room */
	world.ring_full = false;
	world.insert_error = -E2BIG;
	run(PROGRAM);
	address_frame_expected(PROGRAM, ABI_COUNTER_files_full);
	world.insert_error = -EBUSY;
	run(PROGRAM);
	address_frame_expected(PROGRAM, ABI_COUNTER_files_busy);
	assert_int_equal(world.announced, 0);
	assert_int_equal(world.discarded, 2);
	world.next_id = ABI_FRAME_FILE_MASK + 1;
	run(PROGRAM);
	assert_int_equal(world.counters[ABI_COUNTER_files_full], 2);
	assert_int_equal(world.n_files, 0);
}

static void another_cpu_may_be_faster(void **state)
{
	(void)state;
	world.insert_overtake = true;
	run(PROGRAM + 4);
	assert_int_equal(frames[0], file_frame(77, PAGE + 4, false));
	assert_int_equal(world.announced, 0);
	assert_int_equal(world.discarded, 1);
}

/* The ids that a program, and a library that is seen after it, get. */
#define PROGRAM_ID 16
#define LIBRARY_ID 17

static void bind(u32 id, u32 page, u32 first_page, u32 n_pages)
{
	world.unwind_files[id % WORLD_SLOTS] = (struct unwind_file){
		.file_id = id, .page = page, .first_page = first_page, .n_pages = n_pages
	};
}

/* It is known of both files that they have no rules. */
static void bind_without_rules(void)
{
	bind(PROGRAM_ID, 0, 0, 0);
	bind(LIBRARY_ID, 0, 0, 0);
}

static void jit_and_vdso(void **state)
{
	(void)state;
	assert_int_equal(run(JIT + 8), ABI_STACK_no_frame_pointer);
	address_frame_expected(JIT + 8, -1);
	bind(ABI_FILE_ID_VDSO, 0, 0, 0);
	assert_int_equal(run(VDSO + 8), ABI_STACK_no_frame_pointer);
	assert_int_equal(frames[0], file_frame(ABI_FILE_ID_VDSO, 8, false));
	assert_int_equal(world.announced, 0);
}

static void expect_end(u64 pc, int end, u32 count)
{
	assert_int_equal(run(pc), end);
	assert_int_equal(n_frames, count);
}

static u64 return_address;
static u64 to_return_address(size_t i)
{
	(void)i;
	return return_address;
}

static void every_ending(void **state)
{
	(void)state;
	bind_without_rules();
	expect_end(0x1000, ABI_STACK_no_mapping, 0);
	expect_end(DATA, ABI_STACK_not_executable, 0);
	expect_end(PROGRAM + PROGRAM_SIZE, ABI_STACK_no_mapping, 0);
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = STACK + 1;
	expect_end(PROGRAM, ABI_STACK_bad_frame_pointer, 1);
	u.frame.regs[UNWIND_RBP] = STACK - 8;
	expect_end(PROGRAM, ABI_STACK_bad_frame_pointer, 1);
	u.frame.regs[UNWIND_RBP] = STACK + UNWIND_MAX_GUESSED_FRAME + 8;
	expect_end(PROGRAM, ABI_STACK_bad_frame_pointer, 1);
	u.frame.regs[UNWIND_RBP] = ~7ULL;
	expect_end(PROGRAM, ABI_STACK_bad_frame_pointer, 1);
	u.frame.regs[UNWIND_RBP] = STACK + sizeof(stack) - 8;
	expect_end(PROGRAM, ABI_STACK_unreadable, 1);
	return_address = 0;
	push_frames(1, to_return_address, STACK + 0x200);
	expect_end(PROGRAM, ABI_STACK_bad_frame_pointer, 1);
	return_address = DATA + 0x10;
	push_frames(1, to_return_address, 0);
	expect_end(PROGRAM, ABI_STACK_not_executable, 1);
	return_address = 0xdeadbeef;
	push_frames(1, to_return_address, 0);
	expect_end(PROGRAM, ABI_STACK_no_mapping, 1);
	return_address = ~0ULL;
	push_frames(1, to_return_address, 0);
	expect_end(PROGRAM, ABI_STACK_no_mapping, 1);
}

/* The frame pointer must grow: a ring of two frames would otherwise be walked for ever. */
static void circles_end(void **state)
{
	(void)state;
	bind_without_rules();
	push_frames(2, alternating, STACK + 16);
	assert_int_equal(run(PROGRAM), ABI_STACK_bad_frame_pointer);
	assert_int_equal(n_frames, 3);
}

static void deep_stacks_are_cut(void **state)
{
	(void)state;
	push_frames(ABI_MAX_USER_FRAMES - 1, alternating, 0);
	assert_int_equal(run(PROGRAM), ABI_STACK_complete);
	assert_int_equal(n_frames, ABI_MAX_USER_FRAMES);
	memset(frames, 0xee, sizeof(frames));
	assert_true(STACK_WORDS / 4 >= ABI_MAX_USER_FRAMES);
	push_frames(ABI_MAX_USER_FRAMES, alternating, 0);
	assert_int_equal(run(PROGRAM), ABI_STACK_too_deep);
	assert_int_equal(n_frames, ABI_MAX_USER_FRAMES);
	assert_int_equal(frames[ABI_MAX_USER_FRAMES], 0xeeeeeeeeeeeeeeeeULL);
}

static void damaged_mappings_are_internal(void **state)
{
	(void)state;
	u.mm++;
	assert_int_equal(run(PROGRAM), ABI_STACK_internal);
	assert_int_equal(n_frames, 0);
	assert_int_equal(u.vma_walks_failed, 1);
}

/* Whichever read fails, the stack has a proper ending and no frame that the whole one has not. */
static void every_read_can_fail(void **state)
{
	u64 whole[MASK + 1], reads, n;
	u32 i;

	(void)state;
	push_frames(6, alternating, 0);
	assert_int_equal(run(PROGRAM), ABI_STACK_complete);
	memcpy(whole, frames, sizeof(whole));
	reads = world.reads;
	assert_true(reads > 20);
	for (n = 1; n <= reads; n++) {
		int end;

		setup(NULL);
		push_frames(6, alternating, 0);
		world.fail_at = n;
		end = run(PROGRAM);
		assert_in_range(end, ABI_STACK_complete, ABI_STACK_ENDS_COUNT - 1);
		assert_in_range(n_frames, 0, 7);
		if (end == ABI_STACK_complete)
			assert_int_equal(n_frames, 7);
		for (i = 0; i < n_frames; i++) {
			if (frames[i] >> ABI_FRAME_KIND_SHIFT == ABI_FRAME_FILE &&
			    world.n_files == 2)
				assert_int_equal(frames[i], whole[i]);
		}
		assert_int_equal(frames[n_frames + 1], 0xeeeeeeeeeeeeeeeeULL);
	}
}

static void random_stacks_end(void **state)
{
	u64 seed = 99;
	int round;
	size_t i;

	(void)state;
	for (round = 0; round < 2000; round++) {
		for (i = 0; i < STACK_WORDS; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			stack[i] = seed >> 62 ? STACK + (seed >> 40) % sizeof(stack) / 8 * 8
					      : PROGRAM + (seed >> 50);
		}
		u.frame.regs[UNWIND_RSP] = STACK;
		u.frame.regs[UNWIND_RBP] = STACK + (seed >> 60) * 8;
		assert_in_range(run(PROGRAM), ABI_STACK_complete, ABI_STACK_ENDS_COUNT - 1);
		assert_in_range(n_frames, 1, ABI_MAX_USER_FRAMES);
	}
}

/* --- with tables --- */

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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(walks_to_the_end),
		TEST(announces_each_file_once),
		TEST(usage_is_written_coarsely),
		TEST(a_file_without_id_is_counted),
		TEST(another_cpu_may_be_faster),
		TEST(jit_and_vdso),
		TEST(every_ending),
		TEST(circles_end),
		TEST(deep_stacks_are_cut),
		TEST(damaged_mappings_are_internal),
		TEST(every_read_can_fail),
		TEST(random_stacks_end),
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

	return cmocka_run_group_tests_name("unwind", tests, NULL, NULL);
}
