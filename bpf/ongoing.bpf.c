/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Iterators over all threads, run when user space reads from them: one that makes the memory of
 * threads that were there before, one that tells the waits that go on.
 */
#include "wait.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Only threads of this process are told of, 0 = all. */
__u32 ongoing_tgid;

/* One reader at a time; not per CPU, because a program that may sleep can change its CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct record_scratch);
} ongoing_scratch SEC(".maps");

ENV_INLINE bool ongoing_sleeps(struct task_struct *task)
{
	if (env_has(struct task_struct, on_cpu) && task->on_cpu)
		return false; /* on its way to sleep, which will be seen */
	return task->__state;
}

/*
 * What sleeps now has slept at least from now on. Should it wake up at this very moment, unseen,
 * the time stamp is one of a thread that runs: it goes when the thread leaves its CPU, and is
 * counted as a wait whose end was not seen, which it hardly was.
 */
SEC("iter/task")
int wait_adopt(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct wait_task *t;
	u64 now = bpf_ktime_get_ns();

	if (!task || !task->pid || task->flags & TASK_PF_KTHREAD)
		return 0;
	t = bpf_task_storage_get(&wait_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		env_count(ABI_COUNTER_waits_lost_memory, 1);
		return 0;
	}
	if (ongoing_sleeps(task) && !t->since) {
		wait_task_begin(t, task->__state, now);
		env_count(ABI_COUNTER_waits, 1);
	}
	return 0;
}

ENV_INLINE void ongoing_begin(struct record_scratch *r, struct task_struct *task, u64 now)
{
	struct abi_sample *sample = &r->sample;

	__builtin_memset(sample, 0, sizeof(*sample));
	sample->record.type = ABI_RECORD_SAMPLE;
	sample->record.time = now;
	sample->kind = ABI_KIND_BLOCK;
	sample->start_boottime = task->group_leader->start_boottime;
	sample->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	sample->tgid = task->tgid;
	sample->tid = task->pid;
	bpf_probe_read_kernel_str(sample->comm, sizeof(sample->comm), task->comm);
}

ENV_INLINE void ongoing_kernel_stack(struct record_scratch *r, struct task_struct *task)
{
	long bytes =
		bpf_get_task_stack(task, r->sample.frames, ABI_MAX_KERNEL_FRAMES * sizeof(u64), 0);

	if (bytes <= 0 || bytes > (long)(ABI_MAX_KERNEL_FRAMES * sizeof(u64)))
		env_count(ABI_COUNTER_kernel_stacks_failed, 1);
	else
		r->sample.kernel_frames = bytes / sizeof(u64);
}

/* As record_slice_read(), from the memory of another task. */
ENV_INLINE u32 ongoing_read_stack(struct record_scratch *r, struct task_struct *task, u64 at)
{
	u64 sp = r->slice.regs[UNWIND_RSP];
	u64 wanted = slice_bytes ? slice_bytes : ABI_SLICE_MAX_BYTES, got = 0;
	u32 i;

	ENV_LOOP
	for (i = 0; i < RECORD_MAX_PIECES && got < wanted; i++) {
		u64 size = RECORD_PIECE - (sp + got) % RECORD_PIECE, to = at + got;

		if (size > wanted - got)
			size = wanted - got;
		barrier_var(size);
		if (to > RECORD_SLICE_END || size > RECORD_PIECE)
			break;
		if (bpf_copy_from_user_task(r->bytes + to, size, (void *)(sp + got), task, 0))
			break;
		got += size;
	}
	return got & ~7ULL;
}

/* Returns the size of the record. */
ENV_INLINE u64 ongoing_user_stack(struct record_scratch *r, struct task_struct *task)
{
	u64 at = sizeof(r->sample) + r->sample.kernel_frames * sizeof(u64);
	int end = task_saved_registers(task, 0, &r->walk);
	u32 size;

	if (end != UNWIND_GO_ON) {
		r->sample.user_end = end;
		return at;
	}
	record_slice_copy(r);
	size = ongoing_read_stack(r, task, at + sizeof(r->slice));
	r->slice.size = size;
	barrier_var(at); /* clang knows what it can be, the verifier does not */
	if (at > RECORD_SLICE_HEAD - sizeof(r->slice))
		return 0;
	__builtin_memcpy(r->bytes + at, &r->slice, sizeof(r->slice));
	r->sample.record.type = ABI_RECORD_SLICE;
	r->sample.user_end = ABI_STACK_no_table;
	return at + sizeof(r->slice) + size;
}

/*
 * Is it to be told? One that was woken is, until its sample comes, if that will come. Of the others
 * chance decides by a number that is the wait's: what does not fit the reader's buffer is asked
 * twice.
 */
ENV_INLINE bool ongoing_is_kept(const struct task_struct *task, const struct wait_task *t,
				u64 since, u64 woken, u64 now, struct wait_estimate *e)
{
	if (!since || now < since)
		return false;
	if (!woken)
		return wait_keep(now - since, block_rate, wait_random(since, task->pid), e);
	*e = t->wait;
	return t->keep & WAIT_KEEP_WAIT;
}

ENV_INLINE void ongoing_tell(struct seq_file *seq, struct task_struct *task,
			     const struct wait_task *t, struct record_scratch *r)
{
	const volatile struct wait_task *seen = t;
	u64 since = seen->since, woken = seen->woken, now = bpf_ktime_get_ns(), size;
	struct wait_estimate e;

	if (!ongoing_is_kept(task, t, since, woken, now, &e))
		return;
	ongoing_begin(r, task, now);
	r->sample.value = e.value;
	r->sample.count = e.count;
	wait_describe(task, t, &r->sample.wait);
	r->sample.wait.flags |= ABI_WAIT_ONGOING;
	ongoing_kernel_stack(r, task);
	size = ongoing_user_stack(r, task);
	barrier_var(size);
	if (!size || size > RECORD_SLICE_END)
		return;
	/* Has it run, or been woken, meanwhile? Then this was no stack, or has another value. */
	if (seen->since != since || seen->woken != woken)
		return;
	r->sample.record.size = size;
	bpf_seq_write(seq, &r->sample, size);
}

SEC("iter.s/task")
int wait_ongoing(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct record_scratch *r;
	struct wait_task *t;
	u32 zero = 0;

	if (!task || (ongoing_tgid && task->tgid != ongoing_tgid) || !task_has_user_stack(task))
		return 0;
	t = wait_find(task);
	if (!t || !t->since)
		return 0;
	r = bpf_map_lookup_elem(&ongoing_scratch, &zero);
	if (!r || !record_enter(r))
		return 0;
	ongoing_tell(ctx->meta->seq, task, t, r);
	record_leave(r);
	return 0;
}
