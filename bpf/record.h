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

_Static_assert(ABI_MAX_KERNEL_FRAMES + ABI_MAX_USER_FRAMES <= RECORD_FRAMES,
	       "no frame overwrites another");

/* Bytes that may wait in the ring before user space is woken before its time. */
const volatile __u64 ring_high_water = 1 << 20;

struct record_scratch {
	struct unwind_state unwind;
	u32 busy;
	u32 reserved;
	union {
		u64 words[sizeof(struct abi_sample) / sizeof(u64) + RECORD_FRAMES];
		struct abi_sample sample; /* and its frames */
	};
};

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

	task_begin(task, time, &r->unwind);
	__builtin_memset(sample, 0, sizeof(*sample));
	sample->record.type = ABI_RECORD_SAMPLE;
	sample->record.time = time;
	sample->start_boottime = r->unwind.client.start_boottime;
	sample->cgroup_id = bpf_get_current_cgroup_id();
	sample->tgid = id >> 32;
	sample->tid = (u32)id;
	sample->cpu = bpf_get_smp_processor_id();
	bpf_get_current_comm(sample->comm, sizeof(sample->comm));
}

ENV_INLINE void record_kernel_stack(struct record_scratch *r, void *ctx)
{
	long bytes = bpf_get_stack(ctx, r->sample.frames, ABI_MAX_KERNEL_FRAMES * sizeof(u64), 0);

	if (bytes <= 0 || bytes > (long)(ABI_MAX_KERNEL_FRAMES * sizeof(u64))) {
		env_count(ABI_COUNTER_kernel_stacks_failed, 1);
		return;
	}
	r->sample.kernel_frames = bytes / sizeof(u64);
}

/* Unwinds from the registers in r->unwind. */
ENV_INLINE void record_user_stack(struct record_scratch *r)
{
	u32 count = 0;

	r->sample.user_end = unwind_stack(&r->unwind, r->sample.frames, r->sample.kernel_frames,
					  RECORD_FRAMES_MASK, &count);
	r->sample.user_frames = count;
	env_count(ABI_COUNTER_user_frames, count);
	if (count > 1) /* the first is where the registers say; no table has led to the others */
		env_count(ABI_COUNTER_user_frames_guessed, count - 1);
	env_count(ABI_COUNTER_vma_walks, r->unwind.vma_walks);
	if (r->unwind.vma_walks_failed)
		env_count(ABI_COUNTER_vma_walks_failed, r->unwind.vma_walks_failed);
}

ENV_INLINE void record_submit(struct record_scratch *r)
{
	u32 frames = r->sample.kernel_frames + r->sample.user_frames;
	u64 size = sizeof(r->sample) + frames * sizeof(u64);
	u64 flags = BPF_RB_NO_WAKEUP;

	if (frames > RECORD_FRAMES)
		return;
	r->sample.record.size = size;
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_high_water)
		flags = BPF_RB_FORCE_WAKEUP;
	if (bpf_ringbuf_output(&ring, &r->sample, size, flags))
		env_count(ABI_COUNTER_samples_lost_ring_full, 1);
}
