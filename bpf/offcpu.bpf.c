/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What threads wait for. The decision comes late: a thread that goes to sleep only gets a time
 * stamp; when it is woken its wait is known, and kept or not (wait_rule.h); and only if it was kept
 * its stack is taken, when it is back and its memory can be read.
 *
 *   sched_switch, thread goes out  since = now
 *   sched_waking (mutex.bpf.c)     the wait is over: keep it? And from here on it waits for a CPU
 *   the hook, in the thread        it is back: keep that? Takes the stack if one is wanted
 *
 * How it can be wrong: a thread that is woken while it is on its way out gets its time stamp after
 * the wake-up; its wait then ends with its return. Waits that a thread began before its memory was
 * made (there was none left) are not seen, and counted.
 */
#include "lock.h"
#include "stash.h"
#include "wait.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct record_scratch);
} wait_scratch SEC(".maps");

/* Every thread gets its memory here, or, if it was there before, by wait_adopt. */
SEC("tp_btf/task_newtask")
int BPF_PROG(wait_new_task, struct task_struct *task)
{
	if (task->flags & TASK_PF_KTHREAD)
		return 0;
	if (!bpf_task_storage_get(&wait_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE))
		env_count(ABI_COUNTER_waits_lost_memory, 1);
	return 0;
}

ENV_INLINE bool wait_is_wait(struct task_struct *task, bool preempt, unsigned int state)
{
	return state && !preempt && !(state & WAIT_STATE_DEAD) && !(task->flags & TASK_PF_EXITING);
}

/* The sample of a wait of the current task but for its value; @skip: frames of the hook. */
ENV_INLINE void wait_record(void *ctx, struct record_scratch *r, struct task_struct *task,
			    const struct wait_task *t, u32 skip)
{
	record_begin(r, task);
	wait_describe(task, t, &r->sample.wait);
	record_kernel_stack(r, ctx, skip);
	wait_user_stack(r, task);
}

/* The stack of the thread that goes, where none can be taken when it is back. */
ENV_INLINE void wait_take_early(void *ctx, struct task_struct *task, struct wait_task *t, u64 now)
{
	u64 scale = wait_scale(t->usual, block_rate);
	struct record_scratch *r;
	u32 zero = 0;

	if (t->scale)
		stash_drop(task->pid);
	t->scale = 0;
	if (!wait_choose(scale, wait_random(now, task->pid)))
		return;
	r = bpf_map_lookup_elem(&wait_scratch, &zero);
	if (!r || !record_enter(r))
		return;
	env_count(ABI_COUNTER_wait_stacks_taken, 1);
	t->scale = scale; /* it may be woken any moment */
	r->without_slices = true;
	wait_record(ctx, r, task, t, WAIT_SKIP_FRAMES);
	r->sample.kind = ABI_KIND_BLOCK;
	if (!stash_put(r)) {
		t->scale = 0;
		env_count(ABI_COUNTER_waits_lost_memory, 1);
	}
	record_leave(r);
}

ENV_INLINE struct abi_wait_cpu *wait_cpu(void)
{
	u32 number = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&wait_cpus, &number);
}

ENV_INLINE void wait_goes(void *ctx, struct task_struct *task, struct wait_task *t,
			  unsigned int state, u64 now)
{
	struct abi_wait_cpu *cpu = wait_cpu();

	if (cpu)
		cpu->waits++;
	wait_task_begin(t, state, now);
	if (t->kernel_lock || lock_may_be_futex(task, state))
		lock_begin(task, t, now);
	if (wait_hook == ABI_WAIT_HOOK_switch_out)
		wait_take_early(ctx, task, t, now);
}

ENV_INLINE void wait_comes_back(struct wait_task *t, u64 now)
{
	if (!t->woken) /* by whom was not seen */
		wait_ends(t, now);
	else if (wait_is_kept(t, t->woken, now, wait_runqueue_rate(), &t->runqueue))
		t->keep |= WAIT_KEEP_RUNQUEUE;
	/* Still, if nobody was seen to release the lock, or before it was known to be one. */
	lock_end(t, false, now, NULL);
}

/*
 * Before the thread runs, where the hook cannot tell all of it: a kprobe may not use spin locks, as
 * those of locks are; or where the stack was taken before.
 */
ENV_INLINE void wait_returns(struct task_struct *task, u64 now)
{
	struct wait_task *t = wait_find(task);
	struct abi_wait_cpu *cpu;

	if (!t || !t->since)
		return;
	wait_comes_back(t, now);
	if (t->keep && wait_hook == ABI_WAIT_HOOK_kprobe) {
		cpu = wait_cpu();
		if (cpu)
			cpu->pending = 1;
		return;
	}
	if (t->keep) {
		stash_send(task->pid, t);
		t->scale = 0;
	}
	wait_task_end(t);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(wait_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct wait_task *t = wait_find(prev);
	u64 now;

	if (!t && wait_hook == ABI_WAIT_HOOK_exit_tp)
		return 0; /* the CPU was idle, mostly */
	now = bpf_ktime_get_ns();
	if (t && wait_task_end(t)) {
		env_count(ABI_COUNTER_waits_lost_hook, 1);
		lock_end(t, false, now, NULL);
	}
	if (t && wait_is_wait(prev, preempt, prev_state))
		wait_goes(ctx, prev, t, prev_state, now);
	if (wait_hook != ABI_WAIT_HOOK_exit_tp)
		wait_returns(next, now);
	return 0;
}

/* The samples of a return, which have one stack: the wait, and the delay that followed it. */
ENV_INLINE void wait_send(struct record_scratch *r, const struct wait_task *t)
{
	u64 size = record_finish(r);

	if (t->keep & WAIT_KEEP_WAIT) {
		wait_output(r, size, ABI_KIND_BLOCK, &t->wait);
		env_count(ABI_COUNTER_waits_kept, 1);
	}
	if (t->keep & WAIT_KEEP_RUNQUEUE && wait_has_room()) {
		r->sample.wait.flags |= ABI_WAIT_RUNQUEUE;
		r->sample.wait.since = t->woken;
		wait_output(r, size, ABI_KIND_BLOCK, &t->runqueue);
	}
}

ENV_INLINE void wait_take(void *ctx, struct task_struct *task, struct wait_task *t, u32 skip)
{
	struct record_scratch *r;
	u32 zero = 0;

	r = bpf_map_lookup_elem(&wait_scratch, &zero);
	if (!r || !record_enter(r))
		return;
	env_count(ABI_COUNTER_wait_stacks_taken, 1);
	wait_record(ctx, r, task, t, skip);
	wait_send(r, t);
	record_leave(r);
}

/* In the task that has returned. */
SEC("tp_btf/sched_exit_tp")
int BPF_PROG(wait_exit_tp, bool is_switch)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct wait_task *t = is_switch ? wait_find(task) : NULL;

	if (!t || !t->since)
		return 0;
	wait_comes_back(t, bpf_ktime_get_ns());
	if (t->keep)
		wait_take(ctx, task, t, WAIT_SKIP_FRAMES);
	wait_task_end(t);
	return 0;
}

/* On finish_task_switch(), whatever the compiler has called it; wait_returns() came before. */
SEC("kprobe")
int wait_kprobe(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct abi_wait_cpu *cpu = wait_cpu();
	struct wait_task *t;

	if (!cpu || !cpu->pending)
		return 0;
	cpu->pending = 0;
	t = wait_find(task);
	if (!t || !t->since)
		return 0;
	wait_take(ctx, task, t, 1); /* without finish_task_switch() itself */
	wait_task_end(t);
	return 0;
}
