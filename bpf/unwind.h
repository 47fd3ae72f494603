/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unwinds the user stack of the current task, one frame per call of unwind_step().
 *
 * The state holds nothing of a process beyond one stack: each address is looked up in the mappings
 * as they are now, so fork, exec, dlopen and pid reuse leave nothing stale. From a frame to its
 * caller leads the rule of the address in its file (tables.h, unwind_rows.h); code without rules is
 * stepped over by guessing, which code that has some leaves again.
 *
 * How the answer can be wrong: a guess takes a word on the stack for a return address if it points
 * to executable memory, and a register for a frame pointer if it points up the stack. Code that
 * uses that register for anything else can hide its callers or, rarely, show one that was not
 * there; that is why such frames carry ABI_FRAME_GUESSED. What unwind_rows.h says of itself holds
 * too.
 */
#pragma once

#include "env.h"
#include "files.h"
#include "tables.h"
#include "vma.h"

/* Stacks alternate between a program and a few libraries; a look here saves a walk. Power of 2. */
#define UNWIND_VIEWS 4

#define UNWIND_VIEW_EXEC 1u

/* What is kept of a mapping. Empty while end is 0. */
struct unwind_view {
	u64 start, end;
	u64 offset;  /* of start, in the file; bytes */
	u32 file_id; /* ABI_FILE_ID_NONE: no file, or none with an id */
	u32 flags;   /* UNWIND_VIEW_ */
	struct tables_file tables;
};

struct unwind_walk {
	struct unwind_frame frame;
	struct files_client client;
	u64 mm;	       /* address of the task's mm_struct */
	u64 root;      /* of its tree of mappings */
	u64 vdso;      /* where it is mapped, 0 = nowhere */
	u64 word;      /* the frame found by the last step, see abi.h */
	bool found;    /* the last step found one */
	bool guessed;  /* the frame was found by a guess */
	bool slices;   /* stop where a file's rules are not loaded; else guess there */
	bool unloaded; /* guessed there: what goes wrong after that is for want of the rules */
	u8 next_view;  /* which is to be replaced next */
	u32 missing;   /* the file whose rules a slice is sent for the want of */
	u32 guesses;   /* frames found by one */
	u32 vma_walks; /* so far, since unwind_begin() */
	u32 vma_walks_failed;
	struct unwind_view views[UNWIND_VIEWS];
	u64 node[VMA_NODE_WORDS]; /* scratch of the walk */
};

/* Registers, who it is and `slices` have been filled in; forgets everything of the stack before. */
ENV_INLINE void unwind_begin(struct unwind_walk *w)
{
	u32 i;

	w->found = false;
	w->guessed = false;
	w->unloaded = false;
	w->next_view = 0;
	w->guesses = 0;
	w->vma_walks = 0;
	w->vma_walks_failed = 0;
	for (i = 0; i < UNWIND_VIEWS; i++)
		w->views[i].end = 0;
}

/* Puts the mapping of @addr into a view. Returns which, or -errno. */
ENV_INLINE int unwind_map_inline(struct unwind_walk *w, u64 addr)
{
	u32 slot = w->next_view % UNWIND_VIEWS;
	struct unwind_view *view = &w->views[slot];
	struct vma vma = {};
	int err;

	w->vma_walks++;
	err = vma_walk(w->node, w->mm, w->root, addr, &vma);
	if (err) {
		w->vma_walks_failed += err == -EFAULT;
		return err;
	}
	view->start = vma.start;
	view->end = vma.end;
	view->offset = vma.offset;
	view->file_id = ABI_FILE_ID_NONE;
	view->flags = vma.flags & VMA_VM_EXEC ? UNWIND_VIEW_EXEC : 0;
	view->tables.state = TABLES_NONE;
	view->tables.n_pages = 0;
	if (w->vdso && w->vdso == vma.start && !vma.file) {
		view->offset = 0;
		view->file_id = ABI_FILE_ID_VDSO;
	} else if (vma.file && view->flags & UNWIND_VIEW_EXEC) {
		view->file_id = files_id(&vma, &w->client);
	}
	if (view->file_id != ABI_FILE_ID_NONE)
		tables_find(view->file_id, &view->tables);
	w->next_view = slot + 1;
	return slot;
}

/*
 * These two as global functions: the verifier looks at each once, however often it is called. As
 * static functions, the loop over the frames would exceed a million instructions.
 */
int unwind_map(struct unwind_walk *w, u64 addr);
int unwind_step(struct unwind_walk *w);

ENV_INLINE int unwind_find_view(struct unwind_walk *w, u64 addr)
{
	u32 i;

	for (i = 0; i < UNWIND_VIEWS; i++) {
		if (addr >= w->views[i].start && addr < w->views[i].end)
			return i;
	}
	return unwind_map(w, addr);
}

ENV_INLINE u64 unwind_word(const struct unwind_view *view, u64 addr, bool guessed)
{
	u64 offset = addr - view->start + view->offset;
	u64 flags = guessed ? ABI_FRAME_GUESSED : 0;

	if (view->file_id == ABI_FILE_ID_NONE || offset > ABI_FRAME_OFFSET_MASK)
		return ((u64)ABI_FRAME_ADDRESS << ABI_FRAME_KIND_SHIFT) | flags |
		       (addr & ABI_FRAME_ADDRESS_MASK);
	return ((u64)ABI_FRAME_FILE << ABI_FRAME_KIND_SHIFT) | flags |
	       ((u64)view->file_id << ABI_FRAME_FILE_SHIFT) | offset;
}

/* Which view has the code at @addr; returns UNWIND_GO_ON, or the ending where there is no code. */
ENV_INLINE int unwind_find_code(struct unwind_walk *w, u64 addr, u32 *ret_view)
{
	int i = unwind_find_view(w, addr);

	if (i < 0)
		return i == -ENOENT ? ABI_STACK_no_mapping : ABI_STACK_internal;
	*ret_view = i % UNWIND_VIEWS;
	return w->views[*ret_view].flags & UNWIND_VIEW_EXEC ? UNWIND_GO_ON
							    : ABI_STACK_not_executable;
}

/*
 * The caller of code without a rule. Where the file has rules but none for this code, it is
 * probably assembler that does not touch the stack, if it is what was interrupted.
 */
ENV_INLINE int unwind_guess(struct unwind_walk *w, u32 state)
{
	u64 pc = 0;
	u32 view;

	w->guessed = true;
	w->unloaded |= state == TABLES_UNBOUND;
	if (state == TABLES_RULES && w->frame.valid == UNWIND_VALID_ALL &&
	    !unwind_peek_leaf(&w->frame, &pc) && pc && !unwind_find_code(w, pc - 1, &view))
		return unwind_guess_leaf(&w->frame, pc);
	return unwind_frame_pointer(&w->frame, 0);
}

/*
 * The caller that a rule has found for interrupted code, if it is one, see unwind_take_back(); @end
 * is what the rule said. The code lies in [@start, @stop).
 */
ENV_INLINE int unwind_check(struct unwind_walk *w, const struct unwind_before *before, u64 start,
			    u64 stop, int end)
{
	u64 pc = 0;
	u32 view;

	if (end == UNWIND_GO_ON)
		end = unwind_find_code(w, unwind_lookup_pc(&w->frame), &view);
	if (!unwind_leads_nowhere(end))
		return end;
	unwind_take_back(&w->frame, before);
	if (unwind_peek_leaf(&w->frame, &pc) || pc <= start || pc > stop)
		return end;
	w->guessed = true;
	return unwind_guess_leaf(&w->frame, pc);
}

/* Once there is no room for a slice, the stack is walked to its end without. */
ENV_INLINE bool unwind_stops_for_slice(struct unwind_walk *w)
{
	if (w->slices && !env_slice_room()) {
		env_count(ABI_COUNTER_slices_lost_ring_full, 1);
		w->slices = false;
	}
	return w->slices;
}

/*
 * Names the frame (w->found, w->word) and makes its caller the frame. Returns UNWIND_GO_ON or the
 * ending; the last frame and the ending may come together. ABI_STACK_no_table comes only while
 * slices are wanted (w->slices), to be answered by one.
 */
ENV_INLINE int unwind_step_inline(struct unwind_walk *w)
{
	u64 addr = unwind_lookup_pc(&w->frame);
	const struct unwind_rule *rule;
	const struct unwind_view *view;
	struct unwind_before before;
	u64 start, stop;
	bool checked;
	u32 state, i;
	int end;

	w->found = false;
	w->word = 0;
	end = unwind_find_code(w, addr, &i);
	if (end)
		return end;
	view = &w->views[i % UNWIND_VIEWS];
	state = view->tables.state;
	if (state == TABLES_UNBOUND && unwind_stops_for_slice(w)) {
		w->missing = view->file_id;
		return ABI_STACK_no_table;
	}
	rule = tables_rule(&view->tables, addr - view->start + view->offset);
	if (!rule)
		return ABI_STACK_internal;
	/* A trampoline is not called: it is at the very address that the handler returns to. */
	w->word =
		unwind_word(view, rule->cfa == UNWIND_CFA_SIGNAL ? w->frame.pc : addr, w->guessed);
	w->guesses += w->guessed;
	w->found = true;
	start = view->start;
	stop = view->end;
	unwind_keep(&w->frame, &before);
	checked = unwind_is_checked(&w->frame, rule);
	end = unwind_apply(&w->frame, rule);
	if (end == ABI_STACK_no_rule)
		return unwind_guess(w, state);
	w->guessed = false;
	return checked ? unwind_check(w, &before, start, stop, end) : end;
}

/*
 * Walks the whole stack: writes at most ABI_MAX_USER_FRAMES words to @frames, from index @first on;
 * @mask + 1 is the length of @frames, a power of two. Returns the ending; ABI_STACK_no_table asks
 * for a slice only if w->slices is still set.
 */
ENV_INLINE int unwind_stack(struct unwind_walk *w, u64 *frames, u32 first, u32 mask, u32 *ret_count)
{
	int end = UNWIND_GO_ON;
	u32 i;

	/*
	 * Each step but the last finds a frame, so the frames are counted by i alone: with a second
	 * counter the verifier would follow every combination of the two.
	 */
	ENV_LOOP
	for (i = 0; i < ABI_MAX_USER_FRAMES; i++) {
		end = unwind_step(w);
		frames[(first + i) & mask] = w->word;
		if (end != UNWIND_GO_ON) {
			i += w->found;
			break;
		}
	}
	*ret_count = i;
	if (end == UNWIND_GO_ON)
		return ABI_STACK_too_deep;
	return w->unloaded && end != ABI_STACK_complete ? ABI_STACK_no_table : end;
}
