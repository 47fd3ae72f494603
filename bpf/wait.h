/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What all programs that see waits share: who waits, in what, and what is said of it. */
#pragma once

#include "record.h"
#include "wait_maps.h"

#include <bpf/bpf_tracing.h> /* takes the integer types from before */

/* task_struct.__state (include/linux/sched.h). */
#define WAIT_STATE_INTERRUPTIBLE 0x01
#define WAIT_STATE_STOPPED	 0x04
#define WAIT_STATE_TRACED	 0x08
#define WAIT_STATE_DEAD		 0x80

/* Numbers of system calls (arch/x86/entry/syscalls/syscall_64.tbl). */
#define WAIT_NR_FUTEX	    202
#define WAIT_NR_FUTEX_WAIT  455
#define WAIT_NR_FUTEX_WAITV 449

/* Operations of futex(2) (include/uapi/linux/futex.h); the sets are bits. */
#define WAIT_FUTEX_COMMAND 0x7f
#define WAIT_FUTEX_PRIVATE 0x80
#define WAIT_FUTEX_BITSET  9
/* WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2 */
#define WAIT_FUTEX_WAITS (1U << 0 | 1U << 6 | 1U << 9 | 1U << 11 | 1U << 13)
/* WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, UNLOCK_PI, WAKE_BITSET, CMP_REQUEUE_PI */
#define WAIT_FUTEX_WAKES (1U << 1 | 1U << 3 | 1U << 4 | 1U << 5 | 1U << 7 | 1U << 10 | 1U << 12)

#define WAIT_STATE_FREEZABLE 0x2000 /* 6.1 */

#define WAIT_RUNQUEUE_COARSER 8

/* The innermost frames of a tracing program: itself and bpf_trace_runN(). */
#define WAIT_SKIP_FRAMES 2

/* The memory of a thread that can wait with a user stack; NULL for all others. */
ENV_INLINE struct wait_task *wait_find(struct task_struct *task)
{
	if (!task->pid || task->flags & TASK_PF_KTHREAD)
		return NULL;
	return bpf_task_storage_get(&wait_tasks, task, 0, 0);
}

/*
 * Does the current task, in a system call, do what happens, and not an interrupt above it? @ctx of
 * a tracing program lies on the stack of its caller (bpf_trace_run1()), and interrupts, soft ones
 * too, have stacks of their own, except those that came from user mode: then it is no system call.
 */
ENV_INLINE bool wait_by_current(void *ctx, struct task_struct *task)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task); /* the top of its stack */

	return (u64)ctx > (u64)task->stack && (u64)ctx < (u64)regs && regs->orig_ax != -1UL;
}

/*
 * The system call that a task is in, -1 = none, or one of 32 bits, whose numbers are others. Code
 * of 64 bits that uses int $0x80 has those numbers too, and is taken at its word.
 */
ENV_INLINE s32 wait_system_call(const struct pt_regs *regs)
{
	u64 number = regs->orig_ax;

	if ((regs->cs & 0xffff) == TASK_CS_USER_32 || number > 0x7fff)
		return -1;
	return number;
}

ENV_INLINE bool wait_is_futex_op(u64 op, u32 set)
{
	u32 command = op & WAIT_FUTEX_COMMAND;

	return command < 32 && set >> command & 1;
}

/* Is a thread with these registers, asleep with @state, asleep for a futex? */
ENV_INLINE bool wait_is_futex(const struct pt_regs *regs, u32 state)
{
	s32 number = wait_system_call(regs);

	if (!(state & WAIT_STATE_INTERRUPTIBLE))
		return false;
	return (number == WAIT_NR_FUTEX && wait_is_futex_op(regs->si, WAIT_FUTEX_WAITS)) ||
	       number == WAIT_NR_FUTEX_WAIT || number == WAIT_NR_FUTEX_WAITV;
}

/* System calls whose first argument is the descriptor of what they may wait for. */
ENV_INLINE bool wait_is_of_descriptor(s32 number)
{
	switch (number) {
	case 0:	  /* read */
	case 1:	  /* write */
	case 16:  /* ioctl */
	case 17:  /* pread64 */
	case 18:  /* pwrite64 */
	case 19:  /* readv */
	case 20:  /* writev */
	case 40:  /* sendfile: the one that is written to */
	case 42:  /* connect */
	case 43:  /* accept */
	case 44:  /* sendto */
	case 45:  /* recvfrom */
	case 46:  /* sendmsg */
	case 47:  /* recvmsg */
	case 72:  /* fcntl */
	case 73:  /* flock */
	case 74:  /* fsync */
	case 75:  /* fdatasync */
	case 77:  /* ftruncate */
	case 78:  /* getdents */
	case 217: /* getdents64 */
	case 275: /* splice: the one that is read from */
	case 276: /* tee */
	case 277: /* sync_file_range */
	case 278: /* vmsplice */
	case 285: /* fallocate */
	case 288: /* accept4 */
	case 295: /* preadv */
	case 296: /* pwritev */
	case 299: /* recvmmsg */
	case 306: /* syncfs */
	case 307: /* sendmmsg */
	case 327: /* preadv2 */
	case 328: /* pwritev2 */
		return true;
	}
	return false;
}

/* i_mode of the file that is @task's descriptor @fd, 0 = not known. */
ENV_INLINE u16 wait_file_mode(struct task_struct *task, u32 fd)
{
	struct file *file = NULL, **table = NULL;
	struct fdtable *fdt = NULL;
	struct inode *inode = NULL;
	unsigned short mode = 0;
	unsigned int max = 0;

	if (!task->files || env_get(&fdt, task->files, fdt) || env_get(&max, fdt, max_fds) ||
	    fd >= max || env_get(&table, fdt, fd))
		return 0;
	if (env_read_kernel(&file, sizeof(file), table + fd) || !file ||
	    env_get(&inode, file, f_inode) || env_get(&mode, inode, i_mode))
		return 0;
	return mode;
}

/*
 * What a thread that sleeps in futex(2), futex_wait(2) or futex_waitv(2) waits for. The last two
 * have flags (bit 7 is private there too) and a mask besides; flags stand for their operation,
 * which is WAIT_BITSET. The words of a vector lie in the thread's memory, which others do not see.
 */
ENV_INLINE void wait_add_futex(const struct pt_regs *regs, s32 number, const struct wait_task *t,
			       struct abi_wait *w)
{
	/* Volatile: clang makes one load of it and of regs, the verifier wants one for each. */
	const volatile struct wait_word *first = &t->first;

	if (number == WAIT_NR_FUTEX) {
		w->futex = regs->di;
		w->futex_op = regs->si;
		w->futex_value = regs->dx;
		return;
	}
	w->futex_op = WAIT_FUTEX_BITSET;
	if (number == WAIT_NR_FUTEX_WAIT) {
		w->futex = regs->di;
		w->futex_op |= regs->r10 & WAIT_FUTEX_PRIVATE;
		w->futex_value = regs->si;
	} else {
		w->futex = first->address;
		w->futex_op |= first->flags & WAIT_FUTEX_PRIVATE;
		w->futex_value = first->value;
	}
}

/* @w is all zero before. */
ENV_INLINE void wait_describe(struct task_struct *task, const struct wait_task *t,
			      struct abi_wait *w)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	s32 number = wait_system_call(regs);

	w->since = t->since;
	w->waiter_tid = task->pid;
	w->system_call = number;
	w->state = t->state;
	if (BPF_CORE_READ_BITFIELD(task, in_iowait))
		w->flags |= ABI_WAIT_IOWAIT;
	if (t->kernel_lock)
		w->flags |= ABI_WAIT_KERNEL_LOCK;
	if (wait_is_futex(regs, t->state))
		wait_add_futex(regs, number, t, w);
	else if (wait_is_of_descriptor(number))
		w->mode = wait_file_mode(task, regs->di);
	else if (regs->orig_ax == -1UL && !(t->state & (WAIT_STATE_STOPPED | WAIT_STATE_TRACED)))
		w->flags |= ABI_WAIT_FAULT;
}

/* The user stack of the current task, from the registers with which it entered the kernel. */
ENV_INLINE void wait_user_stack(struct record_scratch *r, struct task_struct *task)
{
	int end;

	if (!task_has_user_stack(task))
		return;
	end = task_saved_registers(task, 0, &r->walk);
	r->sample.user_end = end;
	if (end == UNWIND_GO_ON)
		record_user_stack(r, task);
}

/* Is the time from @since to @now kept? All is of one that was chosen before. */
ENV_INLINE bool wait_is_kept(const struct wait_task *t, u64 since, u64 now, u64 rate,
			     struct wait_estimate *e)
{
	u64 d = now > since ? now - since : 0; /* clocks of CPUs can differ a little */

	if (wait_hook != ABI_WAIT_HOOK_switch_out)
		return wait_keep(d, rate, wait_random(now, t->since), e);
	if (t->scale)
		wait_scaled(d, t->scale, e);
	return t->scale;
}

/*
 * Delays on the run queue are kept at a coarser rate: on a busy machine there is more of them than
 * of waits, and it is the sum that is asked for.
 */
ENV_INLINE u64 wait_runqueue_rate(void)
{
	u64 rate = block_rate * WAIT_RUNQUEUE_COARSER;

	return rate < WAIT_MAX_RATE ? rate : WAIT_MAX_RATE;
}

/* The wait is over. */
ENV_INLINE void wait_ends(struct wait_task *t, u64 now)
{
	bool kept = wait_is_kept(t, t->since, now, block_rate, &t->wait);

	wait_task_wake(t, kept ? WAIT_KEEP_WAIT : 0, now);
	if (wait_hook == ABI_WAIT_HOOK_switch_out)
		t->usual = wait_usual(t->usual, now > t->since ? now - t->since : 0);
}

/*
 * Is there room for what can be done without? One call can wake ten thousand threads, faster than
 * anybody reads: what is above the high-water mark is for the waits themselves, and for locks.
 */
ENV_INLINE bool wait_has_room(void)
{
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) <= ring_high_water)
		return true;
	env_count(ABI_COUNTER_waits_spared_ring, 1);
	return false;
}

/* Sends a finished record of @size bytes, as often as it is wanted for something. */
ENV_INLINE void wait_output(struct record_scratch *r, u64 size, enum abi_sample_kind kind,
			    const struct wait_estimate *e)
{
	r->sample.kind = kind;
	r->sample.value = e->value;
	r->sample.count = e->count;
	record_output(r, size);
}
