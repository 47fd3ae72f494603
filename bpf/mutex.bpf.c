/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who ends waits, and who is to be charged for them. Whoever wakes a thread is the current task, or
 * interrupted it; if the thread waits for a lock, that is its release, and the releaser's stack is
 * sent with what was waited since the last one (lock_table.h).
 *
 * For locks of the kernel the thread says so itself, by the events around its sleep. Those that are
 * waited for without sleeping are not told of: a CPU profile shows them.
 */
#include "lock.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MUTEX_LCB_F_SPIN 1 /* include/trace/events/lock.h */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct record_scratch);
} waker_scratch SEC(".maps");

/* What is wanted of who ends a wait; both have one stack. */
struct wait_waker {
	bool waker;
	bool release;
	u64 since;		     /* of the charge */
	struct wait_estimate charge; /* of the release */
};

ENV_INLINE void wait_send_waker(struct record_scratch *r, const struct wait_task *t,
				const struct wait_waker *w)
{
	u64 size = record_finish(r);

	if (w->waker)
		wait_output(r, size, ABI_KIND_WAKER, &t->wait);
	if (w->release) {
		r->sample.wait.since = w->since;
		wait_output(r, size, ABI_KIND_MUTEX, &w->charge);
		env_count(ABI_COUNTER_locks_kept, 1);
	}
}

/*
 * An interrupt has woken the thread (a timer, a disk, the network): whom it interrupted has nothing
 * to do with it, and is not told.
 */
ENV_INLINE void wait_by_interrupt(struct abi_sample *sample)
{
	sample->tgid = 0;
	sample->tid = 0;
	sample->start_boottime = 0;
	sample->cgroup_id = 0;
	__builtin_memset(sample->comm, 0, sizeof(sample->comm));
}

/*
 * Its user stack only if it is this task that did it. A lock of the kernel can be released in a
 * fault too, which looks as an interrupt does: a release is always the task's.
 */
ENV_INLINE void wait_take_waker(void *ctx, struct task_struct *waiter, const struct wait_task *t,
				const struct wait_waker *w)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct record_scratch *r;
	u32 zero = 0;

	r = bpf_map_lookup_elem(&waker_scratch, &zero);
	if (!r || !record_enter(r))
		return;
	env_count(ABI_COUNTER_wait_stacks_taken, 1);
	record_begin(r, task);
	wait_describe(waiter, t, &r->sample.wait);
	record_kernel_stack(r, ctx, WAIT_SKIP_FRAMES);
	if (wait_by_current(ctx, task))
		wait_user_stack(r, task);
	else if (!w->release)
		wait_by_interrupt(&r->sample);
	wait_send_waker(r, t, w);
	record_leave(r);
}

/* Is this wake-up the release of the lock that the thread waits for? */
ENV_INLINE bool wait_is_release(void *ctx, const struct wait_task *t)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return t->kernel_lock || (wait_by_current(ctx, task) && lock_releases_futex(task));
}

SEC("tp_btf/sched_waking")
int BPF_PROG(wait_waking, struct task_struct *task)
{
	struct wait_task *t = wait_find(task);
	struct lock_charge charge = {};
	struct wait_waker w = {};
	u64 now;

	if (!t || !t->since || t->woken)
		return 0;
	now = bpf_ktime_get_ns();
	wait_ends(t, now);
	w.waker = t->keep && wait_wakers && wait_has_room();
	if (t->lock) {
		lock_end(t, wait_is_release(ctx, t), now, &charge);
		w.since = charge.since;
		w.release = wait_keep(charge.value, block_rate, wait_random(now, charge.value),
				      &w.charge);
	}
	if (w.waker || w.release)
		wait_take_waker(ctx, task, t, &w);
	return 0;
}

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
