/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unwinds the user stack of the current task, one frame per call of unwind_step().
 *
 * The state holds nothing of a process beyond one stack: each address is looked up in the mappings
 * as they are now, so fork, exec, dlopen and pid reuse leave nothing stale. The step from a frame
 * to its caller is unwind_caller(); today it knows frame pointers.
 *
 * How the answer can be wrong: code compiled without frame pointers uses the register for anything.
 * A value that points up the stack and to a pair of words whose second lies in executable memory is
 * taken for a frame, so such code can hide its callers or, rarely, show one that was not there;
 * that is why those frames carry ABI_FRAME_GUESSED. A function interrupted before it has saved the
 * frame pointer hides its caller.
 */
#pragma once

#include "env.h"
#include "files.h"
#include "vma.h"

/* Stacks alternate between a program and a few libraries; a look here saves a walk. Power of 2. */
#define UNWIND_VIEWS 4

/* No frame is larger: what is farther up belongs to another stack. */
#define UNWIND_MAX_FRAME_SIZE (64ULL << 20)

/* unwind_step() found a frame and there may be more. All other results are endings. */
#define UNWIND_GO_ON ABI_STACK_none

#define UNWIND_VIEW_EXEC 1u

/* What is kept of a mapping. Empty while end is 0. */
struct unwind_view {
	u64 start, end;
	u64 offset;  /* of start, in the file; bytes */
	u32 file_id; /* ABI_FILE_ID_NONE: no file, or none with an id */
	u32 flags;   /* UNWIND_VIEW_ */
};

struct unwind_state {
	struct files_client client;
	u64 mm;	  /* address of the task's mm_struct */
	u64 root; /* of its tree of mappings */
	u64 vdso; /* where it is mapped, 0 = nowhere */
	u64 pc, sp, fp;
	u64 frame;	 /* the frame found by the last step, see abi.h */
	bool found;	 /* the last step found one */
	bool after_call; /* pc is a return address: the instruction before it was executing */
	bool guessed;	 /* pc was found by a frame pointer */
	u8 next_view;	 /* which is to be replaced next */
	u32 vma_walks;	 /* so far, since unwind_begin() */
	u32 vma_walks_failed;
	u32 reserved;
	struct unwind_view views[UNWIND_VIEWS];
	u64 node[VMA_NODE_WORDS]; /* scratch of the walk */
};

/* Registers and who it is have been filled in; forgets everything of the stack before. */
ENV_INLINE void unwind_begin(struct unwind_state *s)
{
	u32 i;

	s->found = false;
	s->guessed = false;
	s->next_view = 0;
	s->vma_walks = 0;
	s->vma_walks_failed = 0;
	for (i = 0; i < UNWIND_VIEWS; i++)
		s->views[i].end = 0;
}

/* Puts the mapping of @addr into a view. */
ENV_INLINE int unwind_map(struct unwind_state *s, u64 addr, u32 *ret_view)
{
	u32 slot = s->next_view % UNWIND_VIEWS;
	struct unwind_view *view = &s->views[slot];
	struct vma vma = {};
	int err;

	s->vma_walks++;
	err = vma_walk(s->node, s->mm, s->root, addr, &vma);
	if (err) {
		s->vma_walks_failed += err == -EFAULT;
		return err;
	}
	view->start = vma.start;
	view->end = vma.end;
	view->offset = vma.offset;
	view->file_id = ABI_FILE_ID_NONE;
	view->flags = vma.flags & VMA_VM_EXEC ? UNWIND_VIEW_EXEC : 0;
	if (s->vdso && s->vdso == vma.start && !vma.file) {
		view->offset = 0;
		view->file_id = ABI_FILE_ID_VDSO;
	} else if (vma.file && view->flags & UNWIND_VIEW_EXEC) {
		view->file_id = files_id(&vma, &s->client);
	}
	s->next_view = slot + 1;
	*ret_view = slot;
	return 0;
}

ENV_INLINE int unwind_find_view(struct unwind_state *s, u64 addr, u32 *ret_view)
{
	u32 i;

	for (i = 0; i < UNWIND_VIEWS; i++) {
		if (addr >= s->views[i].start && addr < s->views[i].end) {
			*ret_view = i;
			return 0;
		}
	}
	return unwind_map(s, addr, ret_view);
}

ENV_INLINE u64 unwind_frame_word(const struct unwind_view *view, u64 addr, bool guessed)
{
	u64 offset = addr - view->start + view->offset;
	u64 flags = guessed ? ABI_FRAME_GUESSED : 0;

	if (view->file_id == ABI_FILE_ID_NONE || offset > ABI_FRAME_OFFSET_MASK)
		return ((u64)ABI_FRAME_ADDRESS << ABI_FRAME_KIND_SHIFT) | flags |
		       (addr & ABI_FRAME_ADDRESS_MASK);
	return ((u64)ABI_FRAME_FILE << ABI_FRAME_KIND_SHIFT) | flags |
	       ((u64)view->file_id << ABI_FRAME_FILE_SHIFT) | offset;
}

/*
 * The frame pointer points to { frame pointer of the caller, return address }. Whether the return
 * address is one is found out by the next step.
 */
ENV_INLINE int unwind_by_frame_pointer(struct unwind_state *s)
{
	u64 saved[2];

	if (!s->fp)
		return ABI_STACK_complete;
	if (s->fp % sizeof(u64) || s->fp < s->sp || s->fp - s->sp > UNWIND_MAX_FRAME_SIZE)
		return ABI_STACK_bad_frame_pointer;
	if (env_read_user(saved, sizeof(saved), s->fp))
		return ABI_STACK_unreadable;
	if (!saved[1])
		return ABI_STACK_complete;
	s->sp = s->fp + sizeof(saved);
	s->fp = saved[0];
	s->pc = saved[1];
	s->after_call = true;
	s->guessed = true;
	return UNWIND_GO_ON;
}

/* From the frame at s->pc, which lies in @view, to its caller. Rules of the file go first here. */
ENV_INLINE int unwind_caller(struct unwind_state *s, const struct unwind_view *view)
{
	(void)view;
	return unwind_by_frame_pointer(s);
}

/*
 * Names the frame at s->pc (s->found, s->frame) and moves the registers to its caller. Returns
 * UNWIND_GO_ON or the ending; the last frame and the ending may come together.
 */
ENV_INLINE int unwind_step_inline(struct unwind_state *s)
{
	u64 addr = s->pc - (s->after_call ? 1 : 0);
	const struct unwind_view *view;
	u32 i = 0;
	int err;

	s->found = false;
	s->frame = 0;
	err = unwind_find_view(s, addr, &i);
	if (err)
		return err == -ENOENT ? ABI_STACK_no_mapping : ABI_STACK_internal;
	view = &s->views[i % UNWIND_VIEWS];
	if (!(view->flags & UNWIND_VIEW_EXEC))
		return ABI_STACK_not_executable;
	s->frame = unwind_frame_word(view, addr, s->guessed);
	s->found = true;
	return unwind_caller(s, view);
}

/*
 * The same as a global function: the verifier looks at it once, however often it is called. As a
 * static function, the loop over the frames would exceed a million instructions.
 */
int unwind_step(struct unwind_state *s);

/*
 * Walks the whole stack: writes at most ABI_MAX_USER_FRAMES words to @frames, from index @first on;
 * @mask + 1 is the length of @frames, a power of two. Returns the ending.
 */
ENV_INLINE int unwind_stack(struct unwind_state *s, u64 *frames, u32 first, u32 mask,
			    u32 *ret_count)
{
	int end = UNWIND_GO_ON;
	u32 i;

	/*
	 * Each step but the last finds a frame, so the frames are counted by i alone: with a second
	 * counter the verifier would follow every combination of the two.
	 */
	ENV_LOOP
	for (i = 0; i < ABI_MAX_USER_FRAMES; i++) {
		end = unwind_step(s);
		frames[(first + i) & mask] = s->frame;
		if (end != UNWIND_GO_ON) {
			i += s->found;
			break;
		}
	}
	*ret_count = i;
	return end == UNWIND_GO_ON ? ABI_STACK_too_deep : end;
}
