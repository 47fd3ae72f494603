/* SPDX-License-Identifier: Apache-2.0 */
/* From a record of the kernel side to a sample whose process and files are known. */
#include <errno.h>

#include "jit_watch.h"
#include "pipeline_object.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/wait.h"
#include "slice.h"
#include "unwind/table_manager.h"

struct sample pipeline_sample_of(struct pipeline *p, const struct abi_sample *a)
{
	const char *comm = a->tgid || a->comm[0] ? a->comm : "interrupt";
	struct sample s = {
		.kind = a->kind,
		.user_end = a->user_end,
		.tid = a->tid,
		.time = a->record.time,
		.value = a->value,
		.count = (int64_t)a->count,
		.process = process_table_lookup(p->processes, a->tgid, a->record.time,
						a->start_boottime, a->cgroup_id, comm),
	};

	if (a->kind != ABI_KIND_CPU) {
		s.wait = wait_classify(&a->wait);
		s.since = a->wait.since;
	}
	return s;
}

/*
 * Return addresses of the kernel point behind the call; BPF has already moved those of user space
 * into it. The first one is where execution stood.
 */
static struct frame kernel_frame(uint64_t address, bool first)
{
	return (struct frame){ .kind = FRAME_KERNEL, .address = first ? address : address - 1 };
}

/* A frame of a file that nobody knows becomes one without a file: an address that has no name. */
static struct frame user_frame(struct pipeline *p, uint64_t word)
{
	struct frame f = {
		.kind = FRAME_ADDRESS,
		.guessed = word & ABI_FRAME_GUESSED,
		.address = word & ABI_FRAME_ADDRESS_MASK,
	};

	if (word >> ABI_FRAME_KIND_SHIFT == ABI_FRAME_FILE) {
		uint32_t id = (uint32_t)(word >> ABI_FRAME_FILE_SHIFT) & ABI_FRAME_FILE_MASK;

		f.address = word & ABI_FRAME_OFFSET_MASK;
		f.executable = executable_table_get(p->executables, id);
		if (p->tables)
			table_store_touch(table_manager_store(p->tables), id, p->now);
		if (f.executable)
			f.kind = FRAME_FILE;
		else
			p->stats.frames_without_file++;
	}
	return f;
}

/*
 * A critical section ends in the program, whatever the kernel does then: all its frames are left
 * out, unless the lock is the kernel's own.
 */
static bool is_end_of_section(const struct abi_sample *a)
{
	return a->kind == ABI_KIND_MUTEX && a->user_end != ABI_STACK_none &&
	       !(a->wait.flags & ABI_WAIT_KERNEL_LOCK);
}

/*
 * How many of the innermost kernel frames of a wait are the scheduler, and what profd hooked into
 * it: the same in every wait, and not there while it goes on (the kernel leaves them out when the
 * stack of another task is taken, stack_trace_consume_entry_nosched()). Equal waits look equal
 * without them.
 */
static size_t frames_left_out(struct pipeline *p, const struct abi_sample *a)
{
	uint64_t start, end;
	size_t n = 0;

	if (is_end_of_section(a))
		return a->kernel_frames;
	if (a->kind != ABI_KIND_BLOCK)
		return 0;
	symbolizer_kernel_scheduler(p->symbolizer, &start, &end);
	while (n < a->kernel_frames && !(a->frames[n] >= start && a->frames[n] < end))
		n++;
	while (n < a->kernel_frames && a->frames[n] >= start && a->frames[n] < end)
		n++;
	/* There was none, or nothing else. */
	return n < a->kernel_frames ? n : 0;
}

void pipeline_resolve_frames(struct pipeline *p, const struct abi_sample *a, struct sample *s,
			     struct frame *frames)
{
	const uint64_t *words = (const uint64_t *)a->frames + a->kernel_frames;
	/* Of a task that does not run, the innermost frame is a return address too. */
	bool jit = false, sleeps = a->wait.flags & ABI_WAIT_ONGOING;
	size_t n = 0;

	for (size_t i = frames_left_out(p, a); i < a->kernel_frames; i++)
		frames[n++] = kernel_frame(a->frames[i], i == 0 && !sleeps);
	for (size_t i = 0; i < a->user_frames; i++, words++) {
		jit |= *words >> ABI_FRAME_KIND_SHIFT == ABI_FRAME_ADDRESS;
		frames[n++] = user_frame(p, *words);
	}
	if (jit)
		jit_watch_note(p->jit, s->process);
	s->n_frames = n;
	s->frames = frames;
}

int pipeline_unwind_slice(struct pipeline *p, const struct abi_sample *a,
			  const struct abi_slice *slice, bool impatient, struct sample *s,
			  struct frame *frames)
{
	const struct slice_world world = { p->processes, p->executables, p->tables };
	struct slice_result result;
	int r;

	if (!p->tables)
		return 0;
	r = slice_unwind(&world, a, slice, impatient, frames + s->n_frames,
			 SAMPLE_MAX_FRAMES - s->n_frames, &result);
	if (r < 0)
		return r;
	s->user_end = result.user_end;
	s->n_frames += result.n_frames;
	return 0;
}
