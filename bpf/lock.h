/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which lock a thread waits for, and who releases it.
 *
 * A futex is known by its word: a private one by the mm and the address, a shared one by the file
 * of its mapping (memory that is shared without one has a file too) and the offset, so that two
 * processes meet. Who wakes a thread that waits for a futex, in a system call that does that,
 * releases the word, whatever the address that it knows it by.
 *
 * How it can be wrong: a thread that was requeued to another word (a condition variable's to the
 * mutex's, with priority inheritance too) is still counted where it began to wait, and one that
 * waits for several words at once (futex_waitv) at the first of them; who wakes it is charged all
 * the same, and if others wait for that word too, what they waited is shared out among both. Futex
 * operations of io_uring are not seen: their threads wait in io_uring_enter(2), or do not wait.
 * Word for word it is not known what a futex is used for: user space tells from
 * the waiter's operation and value.
 */
#pragma once

#include "lock_table.h"
#include "wait.h"

#define LOCK_VM_SHARED 0x00000008UL

#define LOCK_NR_EXIT	      60
#define LOCK_NR_EXIT_GROUP    231
#define LOCK_NR_FUTEX_WAKE    454
#define LOCK_NR_FUTEX_REQUEUE 456

/*
 * Does the current task, in its system call, wake those who wait for a futex? One that exits does
 * by clear_child_tid (pthread_join()) and by its list of robust mutexes.
 */
ENV_INLINE bool lock_releases_futex(struct task_struct *task)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	s32 number = wait_system_call(regs);

	return (number == WAIT_NR_FUTEX && wait_is_futex_op(regs->si, WAIT_FUTEX_WAKES)) ||
	       number == LOCK_NR_FUTEX_WAKE || number == LOCK_NR_FUTEX_REQUEUE ||
	       number == LOCK_NR_EXIT || number == LOCK_NR_EXIT_GROUP;
}

/* The key of a word of shared memory; in memory that is not, it is one of the mm. */
ENV_INLINE void lock_share_key(struct mm_struct *mm, u64 *node, struct lock_key *key)
{
	struct inode *inode = NULL;
	struct vma vma = {};
	struct file *file;

	if (vma_walk(node, key->space, (u64)mm->mm_mt.ma_root, key->addr, &vma) ||
	    !(vma.flags & LOCK_VM_SHARED))
		return;
	file = vma.file;
	if (!file || env_get(&inode, file, f_inode) || !inode)
		return;
	key->addr = key->addr - vma.start + vma.offset;
	key->space = (u64)inode;
}

/*
 * Can @task, going to sleep, do so for a futex? A look at the registers says it surely, and costs
 * more: so far all such waits have been freezable, or for an rt_mutex (kernel/futex/).
 */
ENV_INLINE bool lock_may_be_futex(struct task_struct *task, unsigned int state)
{
	return state & WAIT_STATE_FREEZABLE ||
	       (env_has(struct task_struct, pi_blocked_on) && task->pi_blocked_on);
}

/* The first word of the current task's vector. */
ENV_INLINE bool lock_read_first(const struct pt_regs *regs, struct wait_word *first)
{
	if (!env_read_user(first, sizeof(*first), regs->di))
		return true;
	__builtin_memset(first, 0, sizeof(*first));
	env_count(ABI_COUNTER_locks_lost_memory, 1);
	return false;
}

/*
 * Can the word be one of two, side by side, that are one lock? glibc's condition variables have one
 * for each half of those who wait, who change sides as signals come (Python's global lock is made
 * of that); its read-write locks, and those of Rust's std, have one for each kind of holder. All
 * are waited for by FUTEX_WAIT_BITSET, and glibc aligns each pair. So is a mutex of Rust, always
 * with the value 2, whose neighbour may be anything.
 */
ENV_INLINE bool lock_may_have_two_words(const struct pt_regs *regs)
{
	return regs->orig_ax == WAIT_NR_FUTEX &&
	       (regs->si & WAIT_FUTEX_COMMAND) == WAIT_FUTEX_BITSET && (u32)regs->dx != 2;
}

/* What the current task, going to sleep, waits for. False: no lock. */
ENV_INLINE bool lock_of(struct task_struct *task, struct wait_task *t, struct lock_key *key)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	struct lock_scratch *scratch;
	u32 zero = 0;
	u64 flags;

	if (t->kernel_lock) {
		key->space = LOCK_SPACE_KERNEL;
		key->addr = t->kernel_lock;
		return true;
	}
	if (!task->mm || !wait_is_futex(regs, t->state))
		return false;
	/* Read like this it is a number: the verifier lets nobody calculate with a pointer. */
	env_get((struct mm_struct **)&key->space, task, mm);
	key->addr = regs->di;
	flags = regs->orig_ax == WAIT_NR_FUTEX ? regs->si : regs->r10;
	if (regs->orig_ax == WAIT_NR_FUTEX_WAITV) {
		if (!lock_read_first(regs, &t->first))
			return false;
		key->addr = t->first.address;
		flags = t->first.flags;
	}
	if (lock_may_have_two_words(regs))
		key->addr &= ~7ULL;
	scratch = bpf_map_lookup_elem(&lock_scratch, &zero);
	if (!(flags & WAIT_FUTEX_PRIVATE) && scratch)
		lock_share_key(task->mm, scratch->node, key);
	return true;
}

/* The task goes to sleep. */
ENV_INLINE void lock_begin(struct task_struct *task, struct wait_task *t, u64 now)
{
	struct lock_bucket *bucket;
	struct lock_key key;
	u64 uncharged = 0;
	u32 i, slot;

	if (!lock_of(task, t, &key))
		return;
	i = lock_bucket_of(&key) % LOCK_BUCKETS;
	bucket = bpf_map_lookup_elem(&locks, &i);
	if (!bucket)
		return;
	bpf_spin_lock(&bucket->lock);
	slot = lock_find(bucket->slots, &key);
	if (slot < LOCK_SLOTS)
		uncharged = lock_wait(&bucket->slots[slot], &key, now);
	bpf_spin_unlock(&bucket->lock);
	if (uncharged)
		env_count(ABI_COUNTER_locks_uncharged_ns, uncharged);
	if (slot < LOCK_SLOTS)
		t->lock = (i * LOCK_SLOTS | slot) + 1;
	else
		env_count(ABI_COUNTER_locks_lost_memory, 1);
}

/* Its wait is over, if it was for a lock. Only a release fills in @charge. */
ENV_INLINE void lock_end(struct wait_task *t, bool release, u64 now, struct lock_charge *charge)
{
	u32 place = t->lock - 1, i = place / LOCK_SLOTS % LOCK_BUCKETS;
	struct lock_bucket *bucket;

	if (!t->lock)
		return;
	t->lock = 0;
	bucket = bpf_map_lookup_elem(&locks, &i);
	if (!bucket)
		return;
	bpf_spin_lock(&bucket->lock);
	lock_leave(&bucket->slots[place % LOCK_SLOTS], release, now, charge);
	bpf_spin_unlock(&bucket->lock);
}
