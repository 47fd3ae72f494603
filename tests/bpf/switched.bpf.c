/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A tracing program on the sampler's headers: where does a thread of one process go to sleep?
 * Linked with the product's core.bpf.c, it shows that the unwinder serves more than perf events.
 */
#include "record.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 traced_tgid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct record_scratch);
} switch_scratch SEC(".maps");

/* The task that is switched away from is still the current one. */
SEC("tp_btf/sched_switch")
int switched(u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct record_scratch *r;
	u32 zero = 0;
	int end;

	if (bpf_get_current_pid_tgid() >> 32 != traced_tgid || !task_has_user_stack(task))
		return 0;
	r = bpf_map_lookup_elem(&switch_scratch, &zero);
	if (!r || !record_enter(r))
		return 0;
	record_begin(r, task);
	r->sample.kind = ABI_KIND_BLOCK;
	r->sample.count = 1;
	record_kernel_stack(r, ctx, 0);
	end = task_saved_registers(task, 0, &r->walk);
	r->sample.user_end = end;
	if (end == UNWIND_GO_ON)
		record_user_stack(r, task);
	record_submit(r);
	record_leave(r);
	return 0;
}
