/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs that see waits keep, between them and from event to event. */
#pragma once

#include "lock_table.h"
#include "maps.h"
#include "vma.h"
#include "wait_task.h"

/*
 * Memory for each thread that has user space, from its birth to its end, which the kernel frees. It
 * is not allocated where a thread goes to sleep: a lock of the scheduler is held there, which the
 * allocator may need to wake its helpers (before Linux 6.4, bpf_local_storage used kmalloc()).
 */
struct wait_tasks_map {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct wait_task);
};

/* An array by CPU number, because its look-ups are inlined; user space reads it as memory. */
struct wait_cpus_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct abi_wait_cpu);
};

/* The table of locks, see lock_table.h. */
struct lock_bucket {
	struct bpf_spin_lock lock;
	u32 reserved;
	struct lock_slot slots[LOCK_SLOTS];
};

struct locks_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOCK_BUCKETS);
	__type(key, u32);
	__type(value, struct lock_bucket);
};

/* Scratch of sched_switch. */
struct lock_scratch {
	u64 node[VMA_NODE_WORDS];
};

struct lock_scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lock_scratch);
};

/* Settings, see core.bpf.c. */
extern volatile __u64 block_rate;
extern const volatile __u8 wait_wakers;
extern const volatile __u8 wait_hook;

SHARED struct wait_tasks_map wait_tasks SEC(".maps");
SHARED struct wait_cpus_map wait_cpus SEC(".maps");
SHARED struct locks_map locks SEC(".maps");
SHARED struct lock_scratch_map lock_scratch SEC(".maps");
