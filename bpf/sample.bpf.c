/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What runs on each CPU, sample_frequency times a second. */
#include "record.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Nanoseconds between two samples of a CPU: what one sample stands for. */
const volatile __u64 sample_period_ns = 10101010;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct record_scratch);
} sample_scratch SEC(".maps");

/* Where user space was left, from the interrupted registers or from those of its kernel entry. */
ENV_INLINE int sample_registers(struct bpf_perf_event_data *ctx, struct task_struct *task,
				struct unwind_walk *w)
{
	u64 cs = ctx->regs.cs;

	if (!task_is_user_mode(cs))
		return task_saved_registers(task, ctx->regs.sp, w);
	if ((cs & 0xffff) == TASK_CS_USER_32)
		return ABI_STACK_compat;
	task_set_registers(&w->frame, &ctx->regs, 0);
	return UNWIND_GO_ON;
}

ENV_INLINE void sample_take(struct bpf_perf_event_data *ctx, struct record_scratch *r)
{
	struct task_struct *task = bpf_get_current_task_btf();
	int end;

	record_begin(r, task);
	r->sample.kind = ABI_KIND_CPU;
	r->sample.value = sample_period_ns;
	r->sample.count = 1;
	if (!task_is_user_mode(ctx->regs.cs))
		record_kernel_stack(r, ctx, 0);
	if (task_has_user_stack(task)) {
		end = sample_registers(ctx, task, &r->walk);
		r->sample.user_end = end;
		if (end == UNWIND_GO_ON)
			record_user_stack(r, task);
	}
	record_submit(r);
}

SEC("perf_event")
int sample_cpu(struct bpf_perf_event_data *ctx)
{
	struct record_scratch *r;
	u32 zero = 0;

	if (!(u32)bpf_get_current_pid_tgid()) /* idle */
		return 0;
	env_count(ABI_COUNTER_samples_attempted, 1);
	r = bpf_map_lookup_elem(&sample_scratch, &zero);
	if (!r || !record_enter(r))
		return 0;
	sample_take(ctx, r);
	record_leave(r);
	return 0;
}
