/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The unwinder without rules: frame pointers, files, and every way that a stack can end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unwind_world.h"

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
	};

	return cmocka_run_group_tests_name("unwind", tests, NULL, NULL);
}
