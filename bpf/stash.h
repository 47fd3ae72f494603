/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the stacks of threads that have gone to sleep wait for their values: for the hook
 * switch_out, which takes them before it is known how long the wait is. Whole samples, by thread.
 * They have no slices: memory for thousands of those would be too much, so stacks through files
 * whose rules are not loaded are walked by frame pointers.
 */
#pragma once

#include "wait.h"

#define STASH_BYTES                                                                                \
	(sizeof(struct abi_sample) + (ABI_MAX_KERNEL_FRAMES + ABI_MAX_USER_FRAMES) * sizeof(u64))

union stash {
	u8 bytes[STASH_BYTES];
	struct abi_sample sample;
};

/*
 * It is made where that hook is used, with all of its memory: of pieces of this size BPF's
 * allocator has a handful for each CPU at hand, and some threads that go to sleep one after the
 * other want more.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, u32); /* tid */
	__type(value, union stash);
} stashes SEC(".maps");

_Static_assert(STASH_BYTES <= RECORD_ROOM, "a value is copied from a record's scratch space");

/* The record in @r, finished, is kept for its thread. False: there is no memory. */
ENV_INLINE bool stash_put(struct record_scratch *r)
{
	u32 tid = r->sample.tid;
	u64 size = record_finish(r);

	if (size > STASH_BYTES)
		return false;
	r->sample.record.size = size;
	return !bpf_map_update_elem(&stashes, &tid, &r->sample, BPF_ANY);
}

ENV_INLINE void stash_output(struct abi_sample *sample, const struct wait_estimate *e)
{
	u64 size = sample->record.size;

	sample->record.time = bpf_ktime_get_ns();
	sample->value = e->value;
	sample->count = e->count;
	barrier_var(size);
	if (size <= STASH_BYTES)
		record_put(sample, size);
}

/* Sends what was kept, once for the wait and once for what followed, and forgets it. */
ENV_INLINE void stash_send(u32 tid, const struct wait_task *t)
{
	union stash *stash = bpf_map_lookup_elem(&stashes, &tid);

	if (!stash)
		return;
	if (t->keep & WAIT_KEEP_WAIT) {
		stash_output(&stash->sample, &t->wait);
		env_count(ABI_COUNTER_waits_kept, 1);
	}
	if (t->keep & WAIT_KEEP_RUNQUEUE) {
		stash->sample.wait.flags |= ABI_WAIT_RUNQUEUE;
		stash->sample.wait.since = t->woken;
		stash_output(&stash->sample, &t->runqueue);
	}
	bpf_map_delete_elem(&stashes, &tid);
}

/* A sample that its thread does not come back for. */
ENV_INLINE void stash_drop(u32 tid)
{
	bpf_map_delete_elem(&stashes, &tid);
}
