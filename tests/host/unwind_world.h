/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process to unwind: program, library, vdso, JIT, data and a stack. To be included by one file of
 * a test program: it defines what unwind.h leaves to the program.
 */
#pragma once

#include "unwind.h"

#include "address_space.h"

/* After <cmocka.h>. */

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

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	(void)state;
	world_reset();
	return 0;
}

/* Every four words a frame { frame pointer of the caller, return address }; the last one's frame
 * pointer is @outermost. */
static inline void push_frames(size_t n, u64 (*address)(size_t i), u64 outermost)
{
	size_t i;

	for (i = 0; i < n; i++) {
		stack[i * 4 + 2] = i + 1 < n ? STACK + (i + 1) * 32 + 16 : outermost;
		stack[i * 4 + 3] = address(i);
	}
	u.frame.regs[UNWIND_RSP] = STACK;
	u.frame.regs[UNWIND_RBP] = STACK + 16;
}

static inline u64 alternating(size_t i)
{
	return (i % 2 ? LIBRARY : PROGRAM) + 0x100 + i;
}

static inline int run(u64 pc)
{
	u.frame.pc = pc;
	u.frame.flags = 0;
	u.frame.valid = UNWIND_VALID_ALL;
	unwind_begin(&u);
	return unwind_stack(&u, frames, 0, MASK, &n_frames);
}

static inline u64 file_frame(u32 id, u64 offset, bool guessed)
{
	return (u64)id << ABI_FRAME_FILE_SHIFT | offset | (guessed ? ABI_FRAME_GUESSED : 0);
}

/* The ids that a program, and a library that is seen after it, get. */
#define PROGRAM_ID 16
#define LIBRARY_ID 17

static inline void bind(u32 id, u32 page, u32 first_page, u32 n_pages)
{
	world.unwind_files[id % WORLD_SLOTS] = (struct unwind_file){
		.file_id = id, .page = page, .first_page = first_page, .n_pages = n_pages
	};
}

/* It is known of both files that they have no rules. */
static inline void bind_without_rules(void)
{
	bind(PROGRAM_ID, 0, 0, 0);
	bind(LIBRARY_ID, 0, 0, 0);
}

static inline void expect_end(u64 pc, int end, u32 count)
{
	assert_int_equal(run(pc), end);
	assert_int_equal(n_frames, count);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
