/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The fields of the kernel that are read, and no others. Their offsets are those of the running
 * kernel: the loader relocates every access (CO-RE), so order and size here mean nothing, except
 * in struct user_registers, which is an ABI.
 *
 * Fields that were renamed have a flavour (a type with a ___suffix, which the loader cuts off) that
 * names the kernel in which it happened.
 */
#pragma once

#include <stdbool.h>

#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

/*
 * What an entry into the kernel saves, and what a perf_event program gets: struct pt_regs of the
 * user-space API (asm/ptrace.h). Since 6.9 the kernel's own struct has 16-bit cs and ss beside
 * other bits (FRED), and a 2-byte read of a context is refused: so all 8 bytes are read and masked.
 */
struct user_registers {
	u64 r15, r14, r13, r12, bp, bx;
	u64 r11, r10, r9, r8, ax, cx, dx, si, di;
	u64 orig_ax; /* number of the system call, -1 for all other entries */
	u64 ip, cs, flags, sp, ss;
};

_Static_assert(sizeof(struct user_registers) == 168, "struct pt_regs of x86-64");

struct bpf_perf_event_data {
	struct user_registers regs;
	u64 sample_period;
	u64 addr;
};

#ifdef __bpf__
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif

#define TASK_PF_EXITING	    0x00000004
#define TASK_PF_IO_WORKER   0x00000010
#define TASK_PF_USER_WORKER 0x00004000 /* 6.4; unused before */
#define TASK_PF_KTHREAD	    0x00200000

#define VMA_VM_EXEC 0x00000004UL

struct maple_tree {
	void *ma_root;
};

/*
 * Tree nodes are 256 bytes, aligned to 256; a pointer to one carries its type in bits 3..6
 * (include/linux/maple_tree.h). slot[] directly follows pivot[], so the distance of the two tells
 * how many pivots there are.
 */
struct maple_range_64 {
	unsigned long pivot[15];
	void *slot[16];
};

struct maple_arange_64 {
	unsigned long pivot[9];
	void *slot[10];
};

enum maple_type {
	maple_dense,
	maple_leaf_64,
	maple_range_64,
	maple_arange_64,
};

typedef struct {
	void *vdso; /* where the vdso is mapped */
} mm_context_t;

struct mm_struct {
	struct maple_tree mm_mt;
	mm_context_t context;
};

struct super_block {
	u32 s_dev;
};

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

/* The time of the last change of content is two fields since 6.11, ... */
struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	u32 i_generation;
	struct super_block *i_sb;
	s64 i_mtime_sec;
	u32 i_mtime_nsec;
};

/* ... one of this name since 6.7, ... */
struct inode___private_mtime {
	struct timespec64 __i_mtime;
};

/* ... and one of this name before. */
struct inode___public_mtime {
	struct timespec64 i_mtime;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct inode *f_inode;
	struct path f_path; /* in a union with __f_path since 6.18 */
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags; /* in a union with __vm_flags since 6.3 */
	unsigned long vm_pgoff;
	struct file *vm_file;
};

/* Should the name for reading go one day, the name for writing (6.3) is still there. */
struct vm_area_struct___writable_flags {
	unsigned long __vm_flags;
};

struct file___writable_path {
	struct path __f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct kernfs_node {
	u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp; /* on the unified hierarchy */
};

struct task_struct {
	unsigned int flags;
	unsigned int __state;
	unsigned int on_cpu; /* CONFIG_SMP; int, and in 7.2 smaller: libbpf adjusts unsigned loads
				alone */
	void *stack;
	u32 pid;
	u32 tgid;
	struct mm_struct *mm;
	struct files_struct *files;
	struct css_set *cgroups;
	struct task_struct *group_leader;
	u64 start_boottime;
	struct rt_mutex_waiter *pi_blocked_on;
	unsigned int in_execve : 1;
	unsigned int in_iowait : 1;
	char comm[16];
};

/* The same as struct user_registers, for reading them where they lie. */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long cs; /* 16 bits since 6.9 */
	unsigned long sp;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#ifdef __bpf__
#pragma clang attribute pop
#endif
