/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What it costs to see every switch and every wake-up before anything is done with them: programs
 * on the three events that profd watches. Those called empty_ do nothing, those called storage_
 * find the memory of each thread and put the time there, which is the least that can measure a
 * wait.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct task_struct;

struct times {
	__u64 gone, back, woken;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct times);
} times SEC(".maps");

SEC("tp_btf/sched_switch")
int empty_switch(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_waking")
int empty_waking(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_exit_tp")
int empty_exit(void *ctx)
{
	return 0;
}

/* The arguments after the first: who goes, who comes (include/trace/events/sched.h). */
SEC("tp_btf/sched_switch")
int storage_switch(__u64 *ctx)
{
	struct task_struct *goes = (void *)ctx[1], *comes = (void *)ctx[2];
	__u64 now = bpf_ktime_get_ns();
	struct times *t;

	t = bpf_task_storage_get(&times, goes, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t)
		t->gone = now;
	t = bpf_task_storage_get(&times, comes, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t)
		t->back = now;
	return 0;
}

SEC("tp_btf/sched_waking")
int storage_waking(__u64 *ctx)
{
	struct times *t = bpf_task_storage_get(&times, (struct task_struct *)ctx[0], 0, 0);

	if (t)
		t->woken = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_exit_tp")
int storage_exit(void *ctx)
{
	return 0;
}
