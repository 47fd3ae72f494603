/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A thread that waits, and its way from one state to the next; compiled for the host too.
 *
 *   since == 0       it does not wait
 *   since, !woken    it waits
 *   since, woken     the wait is over, and known; it waits for a CPU
 *
 * Once it is back, the first that is seen of it ends this: nothing of it is left when it leaves
 * the CPU again. If there is, then its return was missed: a program does not run where it, or
 * another kprobe, was interrupted. The thread has gone on, and whatever it is in now has nothing
 * to do with the wait: such a wait is given up, and counted.
 */
#pragma once

#include "wait_rule.h"

enum wait_keep_flag {
	WAIT_KEEP_WAIT = 1 << 0,     /* the wait is to be sent */
	WAIT_KEEP_RUNQUEUE = 1 << 1, /* and the delay after it */
};

/* One of the words that futex_waitv(2) waits for: struct futex_waitv of uapi linux/futex.h. */
struct wait_word {
	u64 value;
	u64 address;
	u32 flags;
	u32 reserved;
};

/*
 * Written by the CPU that the thread leaves, then by the one that wakes it, then by the one that it
 * returns to, and nothing here is locked. Only the first two can do so at once: a thread can be
 * woken while it is on its way out. Whatever the waker misses then, the return makes up for.
 */
struct wait_task {
	u64 since; /* when it went to sleep, 0 = it does not wait */
	u64 woken; /* when that ended, 0 = it has not */
	struct wait_estimate wait;
	struct wait_estimate runqueue;
	u64 kernel_lock; /* address of the lock of the kernel that it tries to get, 0 = none */
	struct wait_word first; /* of several, in futex_waitv(2); all zero if it was not readable */
	u64 usual;		/* how long it waits usually, ns; hook switch_out */
	u32 scale;		/* what its stack stands for that was taken, 0 = it was not; same */
	u32 lock;		/* its place in the table of locks, see lock.h; 0 = none */
	u8 state;		/* of the task when it went */
	u8 keep;		/* enum wait_keep_flag */
	u8 reserved[2];
};

/* It goes to sleep, or is found asleep. */
ENV_INLINE void wait_task_begin(struct wait_task *t, u8 state, u64 now)
{
	t->woken = 0;
	t->state = state;
	t->keep = 0;
	env_barrier(); /* who sees since sees these */
	t->since = now;
}

/* The wait is over; @keep and its estimate are known. */
ENV_INLINE void wait_task_wake(struct wait_task *t, u8 keep, u64 now)
{
	t->keep = keep;
	env_barrier(); /* who sees woken sees these */
	t->woken = now;
}

/* Returns whether it was waiting, or its return has not been seen. */
ENV_INLINE bool wait_task_end(struct wait_task *t)
{
	if (!t->since)
		return false;
	t->since = 0;
	return true;
}
