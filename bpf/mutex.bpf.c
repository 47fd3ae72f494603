/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which sleeping lock of the kernel a thread waits for: between these two it goes to sleep for that
 * and nothing else. Locks that are waited for without sleeping are not told of: a CPU profile shows
 * them.
 */
#include "wait.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MUTEX_LCB_F_SPIN 1 /* include/trace/events/lock.h */

SEC("tp_btf/contention_begin")
int BPF_PROG(wait_lock_begin, void *lock, unsigned int flags)
{
	struct wait_task *t;

	if (flags & MUTEX_LCB_F_SPIN)
		return 0;
	t = wait_find(bpf_get_current_task_btf());
	if (t)
		t->kernel_lock = (u64)lock;
	return 0;
}

/* Of spinning too, which can happen inside, in an interrupt: they are other locks. */
SEC("tp_btf/contention_end")
int BPF_PROG(wait_lock_end, void *lock)
{
	struct wait_task *t = wait_find(bpf_get_current_task_btf());

	if (t && t->kernel_lock == (u64)lock)
		t->kernel_lock = 0;
	return 0;
}
