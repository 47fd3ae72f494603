/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a lock costs those who wait for it: for each lock that is waited for, how many wait and the
 * integral of that over time. Who releases the lock is charged the integral since the last release.
 *
 * So each holder is charged for its own critical section, five waiters of a second each cost it
 * five seconds, and all charges of a lock add up to the time that was waited for it. Who gives up
 * (a timeout, a signal) and waits again at once has waited for the same holder all the time:
 * Python's global lock is waited for by 5 ms at a time. What is left when the last waiter gives up
 * for good is not charged to anybody, and told when the slot is taken again.
 *
 * A table is buckets of LOCK_SLOTS slots; the caller locks a bucket while it calls. A lock stays in
 * its slot while it has waiters, so that a waiter can remember the slot.
 */
#pragma once

#include "env.h"

#define LOCK_SLOTS	  8
#define LOCK_BUCKET_SHIFT 12
#define LOCK_BUCKETS	  (1U << LOCK_BUCKET_SHIFT)

/* Two threads with the same key wait for the same lock. */
struct lock_key {
	u64 space; /* where addr is one: address of an mm_struct, of an inode, LOCK_SPACE_KERNEL */
	u64 addr;
};

#define LOCK_SPACE_KERNEL 0

/* Between two waits of a thread that never stopped wanting the lock; a late CPU included. */
#define LOCK_AGAIN_NS 5000000

/* Free while it has no waiters; who was last in it is known until somebody else takes it. */
struct lock_slot {
	struct lock_key key;
	u64 last;     /* up to when the integral has been taken, ns */
	u64 began;    /* from when on: the last release, or when the first waiter came */
	u64 integral; /* since then, waiters * ns */
	u32 waiters;
	u32 reserved;
};

ENV_INLINE u32 lock_bucket_of(const struct lock_key *key)
{
	u64 x = (key->addr >> 2 ^ key->space >> 6) * 0x9e3779b97f4a7c15ULL;

	return x >> (64 - LOCK_BUCKET_SHIFT);
}

/*
 * Up to now. The time was read before the bucket was locked: it may lie before that of another CPU,
 * then nothing has passed.
 */
ENV_INLINE void lock_advance(struct lock_slot *slot, u64 now)
{
	if (now <= slot->last)
		return;
	slot->integral += (now - slot->last) * slot->waiters;
	slot->last = now;
}

/* The slot of @key or a free one, LOCK_SLOTS = there is none. */
ENV_INLINE u32 lock_find(const struct lock_slot *slots, const struct lock_key *key)
{
	u32 i, free = LOCK_SLOTS;

	ENV_UNROLL
	for (i = 0; i < LOCK_SLOTS; i++) {
		if (slots[i].key.addr == key->addr && slots[i].key.space == key->space)
			return i;
		if (!slots[i].waiters)
			free = i;
	}
	return free;
}

ENV_INLINE bool lock_is_again(const struct lock_slot *slot, const struct lock_key *key, u64 now)
{
	return slot->key.addr == key->addr && slot->key.space == key->space &&
	       now < slot->last + LOCK_AGAIN_NS;
}

/* A waiter comes. Returns what nobody will be charged of those who were in the slot before, ns. */
ENV_INLINE u64 lock_wait(struct lock_slot *slot, const struct lock_key *key, u64 now)
{
	u64 uncharged = 0;

	if (!slot->waiters) {
		if (!lock_is_again(slot, key, now)) {
			uncharged = slot->integral;
			slot->integral = 0;
		}
		if (!slot->integral)
			slot->began = now;
		slot->key = *key;
		slot->last = now;
	}
	lock_advance(slot, now);
	slot->waiters++;
	return uncharged;
}

/* What a releaser is charged: waiters * ns, and the time from which on they waited. */
struct lock_charge {
	u64 since;
	u64 value;
};

/* A waiter leaves, at a release or by giving up. Only a release fills in @charge. */
ENV_INLINE void lock_leave(struct lock_slot *slot, bool release, u64 now,
			   struct lock_charge *charge)
{
	lock_advance(slot, now);
	if (slot->waiters)
		slot->waiters--;
	if (!release)
		return;
	charge->since = slot->began;
	charge->value = slot->integral;
	slot->began = slot->last;
	slot->integral = 0;
}
