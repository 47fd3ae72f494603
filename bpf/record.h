/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Scratch space in which a sample is put together, and its way into the ring.
 *
 * Each kind of program has a scratch of its own per CPU, because one can interrupt another. A
 * program that finds its own in use (it interrupted itself) drops the sample and counts it.
 */
#pragma once

#include "task.h"

#define RECORD_FRAMES	   512 /* a power of two */
#define RECORD_FRAMES_MASK (RECORD_FRAMES - 1)

/* Stack is read in pieces that do not cross pages: one may be readable where the next is not. */
#define RECORD_PIECE	  4096
#define RECORD_MAX_PIECES (ABI_SLICE_MAX_BYTES / RECORD_PIECE + 1)

/* What precedes the bytes of a slice, at most; and the room that lets any piece begin within. */
#define RECORD_SLICE_HEAD                                                                          \
	(sizeof(struct abi_sample) + ABI_MAX_KERNEL_FRAMES * sizeof(u64) + sizeof(struct abi_slice))
#define RECORD_SLICE_END (RECORD_SLICE_HEAD + ABI_SLICE_MAX_BYTES)
#define RECORD_ROOM	 (RECORD_SLICE_END + RECORD_PIECE)

_Static_assert(ABI_MAX_KERNEL_FRAMES + ABI_MAX_USER_FRAMES <= RECORD_FRAMES,
	       "no frame overwrites another");
_Static_assert(sizeof(struct abi_sample) + RECORD_FRAMES * sizeof(u64) <= RECORD_ROOM,
	       "a sample has less than a slice");
_Static_assert(RECORD_ROOM % sizeof(u64) == 0, "words");

extern const volatile __u64 ring_high_water;
extern const volatile __u32 slice_bytes;

struct record_scratch {
	struct unwind_walk walk;
	struct abi_slice slice; /* where the walk began */
	u32 busy;
	u32 without_slices; /* for all that is put together here */
	union {
		u64 words[RECORD_ROOM / sizeof(u64)];
		u8 bytes[RECORD_ROOM];
		struct abi_sample sample; /* and its frames */
	};
};

/* The kernel's PCPU_MIN_UNIT_SIZE: no value of a per-CPU map may be larger. */
_Static_assert(sizeof(struct record_scratch) <= 32768, "fits a per-CPU map");

ENV_INLINE bool record_enter(struct record_scratch *r)
{
	if (r->busy) {
		env_count(ABI_COUNTER_samples_lost_nested, 1);
		return false;
	}
	*(volatile u32 *)&r->busy = 1;
	return true;
}

ENV_INLINE void record_leave(struct record_scratch *r)
{
	*(volatile u32 *)&r->busy = 0;
}

/* Who and when; the caller adds kind, value and count. Clears everything else. */
ENV_INLINE void record_begin(struct record_scratch *r, struct task_struct *task)
{
	struct abi_sample *sample = &r->sample;
	u64 id = bpf_get_current_pid_tgid();
	u64 time = bpf_ktime_get_ns();

	task_begin(task, time, &r->walk);
	__builtin_memset(sample, 0, sizeof(*sample));
	sample->record.type = ABI_RECORD_SAMPLE;
	sample->record.time = time;
	sample->start_boottime = r->walk.client.start_boottime;
	sample->cgroup_id = bpf_get_current_cgroup_id();
	sample->tgid = id >> 32;
	sample->tid = (u32)id;
	sample->cpu = bpf_get_smp_processor_id();
	bpf_get_current_comm(sample->comm, sizeof(sample->comm));
}

/* @skip: how many of the innermost frames are left out; at most BPF_F_SKIP_FIELD_MASK. */
ENV_INLINE void record_kernel_stack(struct record_scratch *r, void *ctx, u32 skip)
{
	long bytes =
		bpf_get_stack(ctx, r->sample.frames, ABI_MAX_KERNEL_FRAMES * sizeof(u64), skip);

	if (bytes <= 0 || bytes > (long)(ABI_MAX_KERNEL_FRAMES * sizeof(u64))) {
		env_count(ABI_COUNTER_kernel_stacks_failed, 1);
		return;
	}
	r->sample.kernel_frames = bytes / sizeof(u64);
}

/* Copies the first frame to where the walk does not change it. */
ENV_INLINE void record_slice_copy(struct record_scratch *r)
{
	r->slice.pc = r->walk.frame.pc;
	__builtin_memcpy(r->slice.regs, r->walk.frame.regs, sizeof(r->slice.regs));
	r->slice.after_call = !!(r->walk.frame.flags & UNWIND_RETURN_ADDRESS);
}

ENV_INLINE void record_slice_begin(struct record_scratch *r)
{
	r->walk.slices = slice_bytes > 0 && !r->without_slices;
	if (r->walk.slices)
		record_slice_copy(r);
}

/* Reads the stack to @at in the record; returns how many bytes of it, a multiple of 8. */
ENV_INLINE u32 record_slice_read(struct record_scratch *r, u64 at)
{
	u64 sp = r->slice.regs[UNWIND_RSP];
	u64 wanted = slice_bytes, got = 0;
	u32 i;

	ENV_LOOP
	for (i = 0; i < RECORD_MAX_PIECES && got < wanted; i++) {
		u64 size = RECORD_PIECE - (sp + got) % RECORD_PIECE, to = at + got;

		if (size > wanted - got)
			size = wanted - got;
		barrier_var(size); /* clang knows what it can be, the verifier of 6.1 does not */
		if (to > RECORD_SLICE_END || size > RECORD_PIECE)
			break;
		if (env_read_user(r->bytes + to, size, sp + got))
			break;
		got += size;
	}
	return got & ~7ULL;
}

/* Makes the sample a slice, see abi.h. Returns the size of the record. */
ENV_INLINE u64 record_slice(struct record_scratch *r)
{
	u64 at = sizeof(r->sample) + r->sample.kernel_frames * sizeof(u64);
	u32 size;

	if (at > RECORD_SLICE_HEAD - sizeof(r->slice))
		return 0;
	size = record_slice_read(r, at + sizeof(r->slice));
	r->slice.size = size;
	r->slice.cut = size >= slice_bytes;
	__builtin_memcpy(r->bytes + at, &r->slice, sizeof(r->slice));
	r->sample.record.type = ABI_RECORD_SLICE;
	r->sample.user_frames = 0;
	r->sample.missing_file = r->walk.missing;
	return at + sizeof(r->slice) + size;
}

/* Unwinds from the registers in r->walk. */
ENV_INLINE void record_user_stack(struct record_scratch *r, struct task_struct *task)
{
	u32 count = 0;
	int end;

	record_slice_begin(r);
	end = unwind_stack(&r->walk, r->sample.frames, r->sample.kernel_frames, RECORD_FRAMES_MASK,
			   &count);
	if (task_is_in_exec(task, end)) {
		end = ABI_STACK_exec;
		count = 0;
	}
	r->sample.user_end = end;
	r->sample.user_frames = count;
	env_count(ABI_COUNTER_user_frames, count);
	if (r->walk.guesses)
		env_count(ABI_COUNTER_user_frames_guessed, r->walk.guesses);
	env_count(ABI_COUNTER_vma_walks, r->walk.vma_walks);
	if (r->walk.vma_walks_failed)
		env_count(ABI_COUNTER_vma_walks_failed, r->walk.vma_walks_failed);
}

/* Whether it was put into the ring. */
ENV_INLINE bool record_put(const void *record, u64 size)
{
	u64 flags = BPF_RB_NO_WAKEUP;

	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_high_water)
		flags = BPF_RB_FORCE_WAKEUP;
	if (!bpf_ringbuf_output(&ring, (void *)record, size, flags))
		return true;
	env_count(ABI_COUNTER_samples_lost_ring_full, 1);
	return false;
}

ENV_INLINE void record_output(struct record_scratch *r, u64 size)
{
	if (!size || size > RECORD_SLICE_END)
		return;
	r->sample.record.size = size;
	if (record_put(&r->sample, size) && r->sample.record.type == ABI_RECORD_SLICE) {
		env_count(ABI_COUNTER_slices_sent, 1);
		env_count(ABI_COUNTER_slice_bytes, r->slice.size);
	}
}

/* Completes the record: returns its size, with which it can be put out any number of times. */
ENV_INLINE u64 record_finish(struct record_scratch *r)
{
	u32 frames = r->sample.kernel_frames + r->sample.user_frames;

	if (r->walk.slices && r->sample.user_end == ABI_STACK_no_table)
		return record_slice(r);
	return sizeof(r->sample) + frames * sizeof(u64);
}

ENV_INLINE void record_submit(struct record_scratch *r)
{
	record_output(r, record_finish(r));
}
