/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwinder.h"
#include "unwind/table.h"

#include <string.h>

struct walk {
	struct unwind_frame frame; /* first: unwind_rows.h knows only this */
	const struct unwinder_source *source;
	struct unwinder_mapping mapping; /* of the frame's pc, and probably of the next */
	bool guessed;			 /* how the frame was found */
};

static int walk_read(struct unwind_frame *frame, void *to, size_t size, uint64_t address)
{
	const struct walk *w = (const struct walk *)frame;

	return w->source->read(w->source->userdata, address, to, size);
}

#define unwind_read_user(frame, to, size, address) walk_read(frame, to, size, address)
#include "unwind_rows.h"

static bool walk_find(const struct walk *w, uint64_t address, struct unwinder_mapping *ret)
{
	if (address >= w->mapping.start && address < w->mapping.end) {
		*ret = w->mapping;
		return true;
	}
	return w->source->find(w->source->userdata, address, ret);
}

static uint64_t frame_word(const struct walk *w, uint64_t address)
{
	uint64_t offset = address - w->mapping.start + w->mapping.offset;
	uint64_t flags = w->guessed ? ABI_FRAME_GUESSED : 0;

	if (w->mapping.file_id == ABI_FILE_ID_NONE || offset > ABI_FRAME_OFFSET_MASK)
		return (uint64_t)ABI_FRAME_ADDRESS << ABI_FRAME_KIND_SHIFT | flags |
		       (address & ABI_FRAME_ADDRESS_MASK);
	return (uint64_t)ABI_FRAME_FILE << ABI_FRAME_KIND_SHIFT | flags |
	       (uint64_t)(w->mapping.file_id & ABI_FRAME_FILE_MASK) << ABI_FRAME_FILE_SHIFT |
	       offset;
}

/* UNWIND_GO_ON, or the ending where there is no code. */
static int find_code(const struct walk *w, uint64_t address, struct unwinder_mapping *ret)
{
	if (!walk_find(w, address, ret))
		return ABI_STACK_no_mapping;
	return ret->executable ? UNWIND_GO_ON : ABI_STACK_not_executable;
}

/*
 * Where the file has rules but none for this code, it is probably assembler that does not touch the
 * stack, if it is what was interrupted. Everything else is tried by frame pointer.
 */
static int guess(struct walk *w, bool has_table)
{
	struct unwinder_mapping mapping;
	__u64 pc;

	w->guessed = true;
	if (has_table && w->frame.valid == UNWIND_VALID_ALL && !unwind_peek_leaf(&w->frame, &pc) &&
	    pc && !find_code(w, pc - 1, &mapping))
		return unwind_guess_leaf(&w->frame, pc);
	return unwind_frame_pointer(&w->frame, 0);
}

/* As unwind_check() of bpf/unwind.h. */
static int check(struct walk *w, const struct unwind_before *before, int end)
{
	struct unwinder_mapping mapping;
	__u64 pc;

	if (end == UNWIND_GO_ON)
		end = find_code(w, unwind_lookup_pc(&w->frame), &mapping);
	if (!unwind_leads_nowhere(end))
		return end;
	unwind_take_back(&w->frame, before);
	if (unwind_peek_leaf(&w->frame, &pc) || pc <= w->mapping.start || pc > w->mapping.end)
		return end;
	w->guessed = true;
	return unwind_guess_leaf(&w->frame, pc);
}

static const struct unwind_rule *find_rule(const struct walk *w, uint64_t address)
{
	uint64_t offset = address - w->mapping.start + w->mapping.offset;

	if (w->source->rule)
		return w->source->rule(w->source->userdata, &w->mapping, offset);
	return w->mapping.table ? unwind_table_find(w->mapping.table, offset) : NULL;
}

/* Names the frame in *@ret_word if *@ret_found, and moves to its caller. */
static int step(struct walk *w, uint64_t *ret_word, bool *ret_found)
{
	static const struct unwind_rule gap;
	uint64_t address = unwind_lookup_pc(&w->frame);
	const struct unwind_rule *rule;
	struct unwind_before before;
	bool has_table, checked;
	int end;

	end = find_code(w, address, &w->mapping);
	if (end)
		return end;
	rule = find_rule(w, address);
	has_table = rule;
	if (!rule)
		rule = &gap;
	/* A trampoline is not called: its name is at the very address that the handler returns to.
	 */
	*ret_word = frame_word(w, rule->cfa == UNWIND_CFA_SIGNAL ? w->frame.pc : address);
	*ret_found = true;
	unwind_keep(&w->frame, &before);
	checked = unwind_is_checked(&w->frame, rule);
	end = unwind_apply(&w->frame, rule);
	if (end == ABI_STACK_no_rule)
		return guess(w, has_table);
	w->guessed = false;
	return checked ? check(w, &before, end) : end;
}

enum abi_stack_end unwinder_run(const struct unwinder_source *source,
				const struct unwinder_registers *registers, uint64_t *frames,
				size_t room, size_t *ret_n)
{
	struct walk w = {
		.source = source,
		.frame = { .pc = registers->pc,
			   .valid = UNWIND_VALID_ALL,
			   .flags = registers->after_call ? UNWIND_RETURN_ADDRESS : 0 },
	};
	int end = UNWIND_GO_ON;
	size_t n = 0;

	memcpy(w.frame.regs, registers->regs, sizeof(w.frame.regs));
	while (end == UNWIND_GO_ON && n < room) {
		bool found = false;

		end = step(&w, &frames[n], &found);
		n += found;
	}
	*ret_n = n;
	return end == UNWIND_GO_ON ? ABI_STACK_too_deep : (enum abi_stack_end)end;
}
