/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF programs and user space agree on: the records of the ring buffer, the keys and
 * values of shared maps, the names of counters and of the ways in which a stack can end.
 *
 * This is the only header that both sides include. Plain data, no pointers, no padding that is not
 * named; user space checks every field of what it receives. Times are nanoseconds of
 * CLOCK_MONOTONIC unless a name says otherwise.
 */
#pragma once

#include <linux/types.h>

#define ABI_COMM_LEN	    16	/* TASK_COMM_LEN */
#define ABI_MAX_USER_FRAMES 256 /* deeper stacks end as "too_deep" */
#define ABI_MAX_KERNEL_FRAMES                                                                      \
	127 /* the kernel's own default, sysctl kernel.perf_event_max_stack                        \
	     */
#define ABI_FILE_NAME_LEN 64

/*
 * A user frame is one 64-bit word. Bits 63..62 say what the rest is:
 *
 *   ABI_FRAME_FILE     bit 61 guessed, bits 60..40 file id, bits 39..0 offset in the file
 *   ABI_FRAME_ADDRESS  bit 61 guessed, bits 60..0 virtual address in code that no file backs (JIT),
 *                      or in a file that could not be given an id
 *
 * The offset or address points into the instruction that was executing: return addresses are
 * already one less, so it can be looked up as it is. A frame is guessed when it was found by a
 * frame pointer in code that has no unwinding rules.
 */
enum abi_frame_kind {
	ABI_FRAME_FILE = 0,
	ABI_FRAME_ADDRESS = 1,
};

#define ABI_FRAME_KIND_SHIFT   62
#define ABI_FRAME_GUESSED      (1ULL << 61)
#define ABI_FRAME_FILE_SHIFT   40
#define ABI_FRAME_FILE_MASK    ((1U << 21) - 1)
#define ABI_FRAME_OFFSET_MASK  ((1ULL << ABI_FRAME_FILE_SHIFT) - 1)
#define ABI_FRAME_ADDRESS_MASK (ABI_FRAME_GUESSED - 1)

/* File ids are handed out by BPF, upwards from ABI_FILE_ID_FIRST, and never reused while it runs.
 */
#define ABI_FILE_ID_NONE  0
#define ABI_FILE_ID_VDSO  1 /* the 64-bit vdso, one for the whole machine; offset 0 = its start */
#define ABI_FILE_ID_FIRST 16

/*
 * What the kernel calls a file: taken from the inode of the mapping. On overlayfs it is the lower
 * inode, which stat() does not show; so user space never makes one of these itself.
 */
struct abi_file_key {
	__u64 inode;
	__u32 device;
	__u32 generation;
	__u64 changed; /* time of the last change of its content, ns since 1970 */
};

enum abi_record_type {
	ABI_RECORD_SAMPLE = 1,
	ABI_RECORD_FILE = 2,
	ABI_RECORD_SLICE = 3, /* a sample whose user stack is still to be unwound, see abi_slice */
};

enum abi_sample_kind {
	ABI_KIND_CPU = 1,
	ABI_KIND_BLOCK = 2, /* the stack of a thread that waited */
	ABI_KIND_MUTEX = 3, /* the stack that ended a critical section others waited for */
	ABI_KIND_WAKER = 4, /* the stack that ended a wait; joins a block sample, see abi_wait */
};

/* Every record of the ring begins with this. */
struct abi_record {
	__u32 type; /* enum abi_record_type */
	__u32 size; /* of the whole record, this header included */
	__u64 time;
};

/*
 * How a user stack ended. X(name, "help"). The name is what /metrics and the quality record of a
 * profile say (user_stacks_truncated_NAME). The numbers are part of captures: new ones go to the
 * end.
 */
#define ABI_STACK_ENDS(X)                                                                          \
	X(none, "there is no user stack: a kernel thread or a task that is exiting")               \
	X(complete, "the outermost frame was reached")                                             \
	X(no_registers, "the user registers of the task were not saved")                           \
	X(compat, "a 32-bit task")                                                                 \
	X(no_mapping, "an address on the stack lies in no mapping")                                \
	X(not_executable, "an address on the stack lies in a mapping without execute permission")  \
	X(bad_frame_pointer, "the saved frame pointer does not point up the stack")                \
	X(unreadable, "the stack's memory could not be read")                                      \
	X(too_deep, "more frames than a record can hold")                                          \
	X(no_rule, "the file has no unwinding rule for the address")                               \
	X(unsupported_rule, "the unwinding rule is of a kind that cannot be applied")              \
	X(no_table, "the file's unwinding rules are not loaded")                                   \
	X(internal, "the unwinder stopped on a state it does not know")                            \
	X(exec, "there is no user stack: the task is between two programs")                        \
	X(slice_cut, "the copy of the stack ended before the stack did")                           \
	X(no_frame_pointer, "code without unwinding rules, and the frame pointer is 0")

enum abi_stack_end {
#define X(name, help) ABI_STACK_##name,
	ABI_STACK_ENDS(X)
#undef X
		ABI_STACK_ENDS_COUNT
};

/* Whether there was a stack to walk. Amid exec the memory is new and the registers are old. */
static inline int abi_stack_was_attempted(__u32 end)
{
	return end != ABI_STACK_none && end != ABI_STACK_exec;
}

static inline int abi_stack_is_truncated(__u32 end)
{
	return abi_stack_was_attempted(end) && end != ABI_STACK_complete;
}

/* Counters that only BPF can count, in a per-CPU array. X(name, "help"). */
#define ABI_COUNTERS(X)                                                                            \
	X(samples_attempted, "perf events that hit a task other than idle")                        \
	X(waits, "times that a task with a user stack went to sleep")                              \
	X(waits_kept, "of these, waits whose stack was taken")                                     \
	X(waits_spared_ring,                                                                       \
	  "stacks of wakers and delays left out, the ring buffer was filling up")                  \
	X(wait_stacks_taken, "stacks taken for waits, for who ended them and for releases")        \
	X(waits_lost_memory, "waits not seen for want of task storage")                            \
	X(waits_lost_hook, "waits whose end was not seen, because a hook was missed")              \
	X(locks_kept, "releases of locks that others waited for, whose stack was taken")           \
	X(locks_lost_memory,                                                                       \
	  "waits for locks not charged to anybody: the table is full, or a word not readable")     \
	X(locks_uncharged_ns,                                                                      \
	  "ns waited for locks, not charged to anybody: the last who waited gave up")              \
	X(samples_lost_ring_full, "samples dropped because the ring buffer was full")              \
	X(samples_lost_nested, "samples dropped because the scratch space was in use")             \
	X(kernel_stacks_failed, "samples whose kernel stack could not be taken")                   \
	X(user_frames, "user frames walked")                                                       \
	X(user_frames_guessed, "user frames found by frame pointer in code without rules")         \
	X(vma_walks, "walks of a VMA tree")                                                        \
	X(vma_walks_failed, "walks of a VMA tree that read inconsistent memory")                   \
	X(files_announced, "files seen for the first time")                                        \
	X(files_full, "frames left without a file because the file table was full")                \
	X(files_busy, "frames left without a file because the file table was locked")              \
	X(files_announce_lost, "announcements dropped because the ring buffer was full")           \
	X(slices_sent, "stacks sent as memory because a file's unwinding rules were not loaded")   \
	X(slice_bytes, "bytes of stack memory sent")                                               \
	X(slices_lost_ring_full, "stacks walked without rules: no room in the ring to send them")

enum abi_counter {
#define X(name, help) ABI_COUNTER_##name,
	ABI_COUNTERS(X)
#undef X
		ABI_COUNTERS_COUNT
};

/*
 * What programs of waits keep for a CPU, a cache line each, in an array by its number. Its waits
 * are not among the counters of the map, as that is the hottest one; user space adds them.
 */
struct abi_wait_cpu {
	__u64 waits;   /* ABI_COUNTER_waits */
	__u64 pending; /* kprobe: the stack of the thread that was switched to is wanted */
	__u64 reserved[6];
};

/* Where the stacks of waits are taken, best first. X(name, "help"). */
#define ABI_WAIT_HOOKS(X)                                                                          \
	X(none, "waits are not sampled")                                                           \
	X(exit_tp, "tp_btf/sched_exit_tp: after the switch, in the task that has returned")        \
	X(kprobe, "kprobe on finish_task_switch: the same, on kernels before 6.15")                \
	X(switch_out, "tp_btf/sched_switch: before the wait, with a flat probability")

enum abi_wait_hook {
#define X(name, help) ABI_WAIT_HOOK_##name,
	ABI_WAIT_HOOKS(X)
#undef X
		ABI_WAIT_HOOKS_COUNT
};

enum abi_wait_flag {
	ABI_WAIT_IOWAIT = 1 << 0,  /* it waited for a disk: task_struct.in_iowait */
	ABI_WAIT_FAULT = 1 << 1,   /* not in a system call: it entered the kernel by a fault */
	ABI_WAIT_ONGOING = 1 << 2, /* its thread is not back: read by an iterator at record.time */
	ABI_WAIT_KERNEL_LOCK = 1 << 3, /* for a sleeping lock of the kernel (contention_begin) */
	ABI_WAIT_RUNQUEUE = 1 << 5,    /* runnable and not running: what followed the wait; kept at
					  8 * block_rate */
};

/*
 * What a sample of kind block, mutex or waker says of the wait; all zero in one of kind cpu. In a
 * mutex sample it is what the (last) waiter did, but since is when the time began that is charged:
 * at the release before, or when somebody came to wait. In a waker sample it is the wait that
 * ended.
 *
 * A waker sample precedes the block sample with the same waiter_tid and since. value and count of
 * block and mutex samples are estimates already: a wait of d ns is kept with the probability
 * min(1, d / block_rate), and stands for block_rate ns and block_rate / d waits if that is below 1.
 * So count is in fractions: counts are 1/ABI_COUNT_ONE.
 */
#define ABI_COUNT_ONE 1024

struct abi_wait {
	__u64 since; /* when it began */
	__u64 futex; /* address of the futex word, 0 = it waited for something else */
	__u32 futex_op;
	__u32 futex_value; /* the value that it expected to find there */
	__u32 waiter_tid;
	__s16 system_call; /* number, -1 = none */
	__u16 mode;	   /* i_mode of the file of a read, write, ...; 0 = not known */
	__u8 state;	   /* of the task, 1 interruptible, 2 not */
	__u8 flags;	   /* enum abi_wait_flag */
	__u8 reserved[6];
};

/*
 * One sample. It is followed by kernel_frames addresses, leaf first, as the kernel walked them
 * (return addresses, the first one excepted, are not adjusted), then by user_frames words as
 * described above, leaf first.
 */
struct abi_sample {
	struct abi_record record;
	__u64 start_boottime; /* of the process (group leader), CLOCK_BOOTTIME: tells two lives
				 apart */
	__u64 cgroup_id;      /* on the unified hierarchy; the inode number of its directory */
	__s64 value;	      /* nanoseconds that this sample stands for */
	__u64 count;	      /* events that it stands for; block and mutex: in 1/ABI_COUNT_ONE */
	__u32 tgid;
	__u32 tid;
	__u32 cpu;
	__u8 kind;     /* enum abi_sample_kind */
	__u8 user_end; /* enum abi_stack_end */
	__u8 reserved[2];
	__u16 kernel_frames;
	__u16 user_frames;
	char comm[ABI_COMM_LEN]; /* of the thread; empty, with tgid 0: an interrupt */
	__u32 missing_file;	 /* slices: the id of the file that nothing was bound to */
	struct abi_wait wait;
	__u64 frames[];
};

/*
 * The rest of a record of type ABI_RECORD_SLICE, which begins as a sample does: struct abi_sample,
 * kernel_frames addresses, then this, then `size` bytes of the stack from the stack pointer on (a
 * multiple of 8; fewer than asked for where memory could not be read). user_frames is 0 and
 * user_end is no_table, which is what remains true if the stack is never unwound.
 *
 * It is sent when the walk comes to a file that nothing is bound to (unwind_abi.h). All files up to
 * there have been announced; those of the callers may never have been seen.
 */
#define ABI_SLICE_MAX_BYTES 16384
#define ABI_REGISTERS	    16 /* by their DWARF numbers, the stack pointer is 7 */

struct abi_slice {
	__u64 pc;
	__u64 regs[ABI_REGISTERS];
	__u16 after_call; /* 1: pc is behind a call or a system call, look up pc - 1 */
	__u16 cut;	  /* 1: there are as many bytes as may be, the stack probably goes on */
	__u32 size;	  /* of the stack that follows, bytes */
};

/* A file was given an id: where it is mapped now, so that user space can open it. */
struct abi_file_announcement {
	struct abi_record record;
	struct abi_file_key key;
	__u64 start_boottime; /* of the process that maps it */
	__u64 vm_start;
	__u64 vm_end;
	__u64 offset; /* in the file, of vm_start; bytes */
	__u32 tgid;
	__u32 file_id;
	char name[ABI_FILE_NAME_LEN]; /* last part of its name, may be cut; for messages only */
};

/* Value of the map from file key to file; last_used is what user space evicts by. */
struct abi_file {
	__u32 file_id;
	__u32 reserved;
	__u64 last_used;
};

/* In and out of the self-test: what the walk finds at an address of the caller. */
struct abi_selftest {
	__u64 addr;
	__u64 vm_start;
	__u64 vm_end;
	__u64 offset; /* in the file, of vm_start; bytes */
	__u64 flags;  /* the kernel's VM_READ 1, VM_WRITE 2, VM_EXEC 4, ... */
	__s32 error;  /* 0, -ENOENT: no mapping, -EFAULT: what was read contradicts itself */
	__u32 has_file;
};

/* The argument of the program learn_file. */
struct abi_learn {
	__u64 addr;    /* in: where the caller has the file mapped, executable */
	__u32 file_id; /* out: ABI_FILE_ID_NONE if it could not be given one */
	__u32 reserved;
};

_Static_assert(sizeof(struct abi_file_key) == 24, "a map key without padding");
_Static_assert(sizeof(struct abi_record) == 16, "records are 8-byte aligned");
_Static_assert(sizeof(struct abi_wait) == 40, "no hidden padding");
_Static_assert(sizeof(struct abi_sample) == 128, "frames are 8-byte aligned");
_Static_assert(sizeof(struct abi_slice) == 144, "the stack is 8-byte aligned");
_Static_assert(sizeof(struct abi_file_announcement) == 144, "no hidden padding");
_Static_assert(sizeof(struct abi_wait_cpu) == 64, "a cache line");
