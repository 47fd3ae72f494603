/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs that see waits keep, between them and from event to event. */
#pragma once

#include "lock_table.h"
#include "maps.h"
#include "vma.h"
#include "wait_rule.h"

enum wait_keep_flag {
	WAIT_KEEP_WAIT = 1 << 0,     /* the wait is to be sent */
	WAIT_KEEP_RUNQUEUE = 1 << 1, /* and the delay after it */
};

/*
 * A thread that waits. Written by the CPU that it leaves, then by the one that wakes it, then by
 * the one that it returns to: one after the other, so nothing here is locked.
 */
struct wait_task {
	u64 since; /* when it went to sleep, 0 = it does not wait */
	u64 woken; /* when that ended, 0 = it has not */
	struct wait_estimate wait;
	struct wait_estimate runqueue;
	u64 kernel_lock; /* address of the lock of the kernel that it tries to get, 0 = none */
	u64 usual;	 /* how long it waits usually, ns; hook switch_out */
	u32 scale;	 /* what its stack stands for that was taken, 0 = it was not; same */
	u32 lock;	 /* its place in the table of locks, see lock.h; 0 = none */
	u8 state;	 /* of the task when it went */
	u8 keep;	 /* enum wait_keep_flag */
	u8 reserved[2];
};

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
extern const volatile __u64 block_rate;
extern const volatile __u8 wait_wakers;
extern const volatile __u8 wait_hook;

SHARED struct wait_tasks_map wait_tasks SEC(".maps");
SHARED struct wait_cpus_map wait_cpus SEC(".maps");
SHARED struct locks_map locks SEC(".maps");
SHARED struct lock_scratch_map lock_scratch SEC(".maps");
