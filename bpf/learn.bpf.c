/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Run by user space (BPF_PROG_TEST_RUN): which file id has the file that the caller has mapped at
 * an address? So the file gets its id, and its unwinding table, before any process is sampled in
 * it.
 */
#include "task.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The node of the walk. One caller at a time. */
static u64 learn_node[VMA_NODE_WORDS];

SEC("syscall")
int learn_file(struct abi_learn *l)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct files_client client = {};
	struct vma vma = {};

	l->file_id = ABI_FILE_ID_NONE;
	if (!mm || vma_walk(learn_node, (u64)mm, (u64)mm->mm_mt.ma_root, l->addr, &vma) ||
	    !vma.file)
		return 0;
	client.time = bpf_ktime_get_ns();
	client.start_boottime = task->group_leader->start_boottime;
	client.tgid = bpf_get_current_pid_tgid() >> 32;
	l->file_id = files_id(&vma, &client);
	return 0;
}
