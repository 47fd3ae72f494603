/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The current task: who it is, and the registers with which it left user space. */
#pragma once

#include "unwind.h"

#ifndef __TARGET_ARCH_x86
#error "profd samples x86-64 only"
#endif

/* arch/x86/entry/syscalls/syscall_64.tbl */
#define TASK_EXECVE   59
#define TASK_EXECVEAT 322

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

/* The frame of the interrupted code; @r is a struct user_registers, or a context that has one. */
#define task_set_registers(frame, r, flags_)                                                       \
	do {                                                                                       \
		(frame)->pc = (r)->ip;                                                             \
		(frame)->regs[UNWIND_RAX] = (r)->ax;                                               \
		(frame)->regs[UNWIND_RDX] = (r)->dx;                                               \
		(frame)->regs[UNWIND_RCX] = (r)->cx;                                               \
		(frame)->regs[UNWIND_RBX] = (r)->bx;                                               \
		(frame)->regs[UNWIND_RSI] = (r)->si;                                               \
		(frame)->regs[UNWIND_RDI] = (r)->di;                                               \
		(frame)->regs[UNWIND_RBP] = (r)->bp;                                               \
		(frame)->regs[UNWIND_RSP] = (r)->sp;                                               \
		(frame)->regs[UNWIND_R8] = (r)->r8;                                                \
		(frame)->regs[UNWIND_R9] = (r)->r9;                                                \
		(frame)->regs[UNWIND_R10] = (r)->r10;                                              \
		(frame)->regs[UNWIND_R10 + 1] = (r)->r11;                                          \
		(frame)->regs[UNWIND_R10 + 2] = (r)->r12;                                          \
		(frame)->regs[UNWIND_R10 + 3] = (r)->r13;                                          \
		(frame)->regs[UNWIND_R10 + 4] = (r)->r14;                                          \
		(frame)->regs[UNWIND_R15] = (r)->r15;                                              \
		(frame)->valid = UNWIND_VALID_ALL;                                                 \
		(frame)->flags = (flags_);                                                         \
	} while (0)

/*
 * After a system call ip is behind the instruction, as after a call; after an exec it is where the
 * new program begins. Until then a path is in di or si, then they are 0 (elf_common_init() of the
 * kernel's asm/elf.h, which leaves ax alone).
 */
#define task_is_behind_call(r)                                                                     \
	((r)->orig_ax != -1ULL &&                                                                  \
	 ((r)->di || (r)->si || ((r)->orig_ax != TASK_EXECVE && (r)->orig_ax != TASK_EXECVEAT)))

/*
 * The registers that were saved when @task entered the kernel. @kernel_sp is the stack pointer of
 * the interrupted kernel code, 0 = not known: a non-maskable interrupt can arrive while they are
 * still being pushed, and then they are those of an earlier entry (the same test as the kernel's
 * perf_get_regs_user()). Returns UNWIND_GO_ON or an ending.
 */
ENV_INLINE int task_saved_registers(struct task_struct *task, u64 kernel_sp, struct unwind_walk *w)
{
	const struct pt_regs *saved = (void *)bpf_task_pt_regs(task);
	u64 from = (u64)saved + __builtin_offsetof(struct user_registers, r11);

	if (kernel_sp > from && kernel_sp <= (u64)saved + sizeof(struct user_registers))
		return ABI_STACK_no_registers;
	if (!task_is_user_mode(saved->cs))
		return ABI_STACK_no_registers;
	if ((saved->cs & 0xffff) == TASK_CS_USER_32)
		return ABI_STACK_compat;
	task_set_registers(&w->frame, saved,
			   task_is_behind_call(saved) ? UNWIND_RETURN_ADDRESS : 0);
	return UNWIND_GO_ON;
}

/*
 * Between execve()'s change of memory and its change of registers, these do not belong together: it
 * shows by the first addresses that are not there. @end is how the walk ended.
 */
ENV_INLINE bool task_is_in_exec(struct task_struct *task, int end)
{
	if (end != ABI_STACK_no_mapping && end != ABI_STACK_not_executable &&
	    end != ABI_STACK_unreadable)
		return false;
	return env_has(struct task_struct, in_execve) &&
	       BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
}

/* Fills in what unwind_begin() expects, except the registers and `slices`. */
ENV_INLINE void task_begin(struct task_struct *task, u64 time, struct unwind_walk *w)
{
	struct mm_struct *mm = task->mm;

	w->client.time = time;
	w->client.start_boottime = task->group_leader->start_boottime;
	w->client.tgid = bpf_get_current_pid_tgid() >> 32;
	w->mm = (u64)mm;
	w->root = mm ? (u64)mm->mm_mt.ma_root : 0;
	w->vdso = mm ? (u64)mm->context.vdso : 0;
	unwind_begin(w);
}
