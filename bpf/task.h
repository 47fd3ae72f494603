/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The current task: who it is, and the registers with which it left user space. */
#pragma once

#include "unwind.h"

#ifndef __TARGET_ARCH_x86
#error "profd samples x86-64 only"
#endif

#define TASK_CS_USER_32 0x23 /* __USER32_CS; 64-bit code has 0x33, on Xen PV 0xe033 */

ENV_INLINE bool task_is_user_mode(u64 cs)
{
	return (cs & 3) == 3;
}

/* Kernel threads and io workers have user registers that mean nothing, some borrow an mm. */
ENV_INLINE bool task_has_user_stack(struct task_struct *task)
{
	return task->mm &&
	       !(task->flags & (TASK_PF_KTHREAD | TASK_PF_USER_WORKER | TASK_PF_IO_WORKER));
}

ENV_INLINE void task_set_registers(struct unwind_state *s, u64 ip, u64 sp, u64 bp, bool after_call)
{
	s->pc = ip;
	s->sp = sp;
	s->fp = bp;
	s->after_call = after_call;
}

/*
 * The registers that were saved when @task entered the kernel. @kernel_sp is the stack pointer of
 * the interrupted kernel code, 0 = not known: a non-maskable interrupt can arrive while they are
 * still being pushed, and then they are those of an earlier entry (the same test as the kernel's
 * perf_get_regs_user()). Returns UNWIND_GO_ON or an ending.
 */
ENV_INLINE int task_saved_registers(struct task_struct *task, u64 kernel_sp, struct unwind_state *s)
{
	struct user_registers *saved = (void *)bpf_task_pt_regs(task);
	struct user_registers regs;

	if (kernel_sp > (u64)saved + __builtin_offsetof(struct user_registers, r11) &&
	    kernel_sp <= (u64)saved + sizeof(*saved))
		return ABI_STACK_no_registers;
	if (bpf_probe_read_kernel(&regs, sizeof(regs), saved))
		return ABI_STACK_no_registers;
	if (!task_is_user_mode(regs.cs))
		return ABI_STACK_no_registers;
	if ((regs.cs & 0xffff) == TASK_CS_USER_32)
		return ABI_STACK_compat;
	/* After a system call ip is behind the instruction, as after a call. */
	task_set_registers(s, regs.ip, regs.sp, regs.bp, regs.orig_ax != -1ULL);
	return UNWIND_GO_ON;
}

/* Fills in what unwind_begin() expects, except the registers. */
ENV_INLINE void task_begin(struct task_struct *task, u64 time, struct unwind_state *s)
{
	struct mm_struct *mm = task->mm;

	s->client.time = time;
	s->client.start_boottime = task->group_leader->start_boottime;
	s->client.tgid = bpf_get_current_pid_tgid() >> 32;
	s->mm = (u64)mm;
	s->root = mm ? (u64)mm->mm_mt.ma_root : 0;
	s->vdso = mm ? (u64)mm->context.vdso : 0;
	unwind_begin(s);
}
