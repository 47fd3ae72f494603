/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What all programs that see waits share: who waits, in what, and what is said of it. */
#pragma once

#include "record.h"
#include "wait_maps.h"

#include <bpf/bpf_tracing.h> /* takes the integer types from before */

/* task_struct.__state (include/linux/sched.h). */
#define WAIT_STATE_STOPPED 0x04
#define WAIT_STATE_TRACED  0x08
#define WAIT_STATE_DEAD	   0x80

/* Numbers of system calls (arch/x86/entry/syscalls/syscall_64.tbl). */
#define WAIT_NR_FUTEX 202

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

/* The system call that @task is in, -1 = none, or one of 32 bits, whose numbers are others. */
ENV_INLINE s32 wait_system_call(const struct pt_regs *regs)
{
	u64 number = regs->orig_ax;

	if ((regs->cs & 0xffff) == TASK_CS_USER_32 || number > 0x7fff)
		return -1;
	return number;
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

ENV_INLINE void wait_add_futex(const struct pt_regs *regs, struct abi_wait *w)
{
	w->futex = regs->di;
	w->futex_op = regs->si;
	w->futex_value = regs->dx;
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
	if (number == WAIT_NR_FUTEX)
		wait_add_futex(regs, w);
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
