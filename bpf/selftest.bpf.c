/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Run by user space at the start (BPF_PROG_TEST_RUN): does the walk find, in the caller's own
 * memory, what /proc/self/maps says?
 */
#include "task.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The node of the walk. One test at a time. */
static u64 selftest_node[VMA_NODE_WORDS];

SEC("syscall")
int selftest_vma(struct abi_selftest *t)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct vma vma = {};

	if (!mm)
		return 0;
	t->error = vma_walk(selftest_node, (u64)mm, (u64)mm->mm_mt.ma_root, t->addr, &vma);
	t->vm_start = vma.start;
	t->vm_end = vma.end;
	t->offset = vma.offset;
	t->flags = vma.flags;
	t->has_file = !!vma.file;
	return 0;
}
