/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread waited for: classes that people ask for, from what the kernel side saw of the wait
 * and, for locks, from the names on the stack.
 *
 * How it can be wrong: a futex word says nothing about what it is used for. Values and operations
 * of glibc, musl, Rust's std and Go's runtime are told apart (wait.c has each with its source), the
 * rest by the functions that wait; without names of the C library a condition variable of an
 * unknown library may be taken for a lock, or the other way round.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct abi_wait;

/* X(name, idle, "help"): idle ones are in a block profile only when asked for. */
#define WAIT_REASONS(X)                                                                            \
	X(none, false, "not a wait")                                                               \
	X(lock, false, "a mutex, a read-write lock or another lock that somebody holds")           \
	X(sync, false, "a condition variable, semaphore, barrier, or the end of a thread")         \
	X(disk, false, "a read from or a write to a file system or block device")                  \
	X(fault, false, "a page that was not in memory")                                           \
	X(socket, false, "a socket")                                                               \
	X(pipe, false, "a pipe, FIFO, eventfd or terminal")                                        \
	X(poll, true, "poll, select, epoll, io_uring: any of several")                             \
	X(sleep, true, "a time to pass")                                                           \
	X(child, true, "the end of another process")                                               \
	X(signal, true, "a signal, or to be continued")                                            \
	X(runqueue, true, "a CPU, after the wait was over")                                        \
	X(other, false, "something else")

enum wait_reason {
#define X(name, idle, help) WAIT_##name,
	WAIT_REASONS(X)
#undef X
		WAIT_REASONS_COUNT
};

/* The label `lock` of waits with reason lock or sync. X(name, is_lock, "help"). */
#define WAIT_LOCKS(X)                                                                              \
	X(none, false, "not a lock")                                                               \
	X(mutex, true, "a mutex")                                                                  \
	X(rwlock, true, "a read-write lock")                                                       \
	X(monitor, true, "a monitor of a virtual machine, its global lock included")               \
	X(kernel, true, "a lock of the kernel")                                                    \
	X(file, true, "a lock on a file")                                                          \
	X(condition, false, "a condition variable")                                                \
	X(semaphore, false, "a semaphore")                                                         \
	X(barrier, false, "a barrier, or an initialization that another thread does")              \
	X(join, false, "the end of a thread")                                                      \
	X(futex, false, "a futex of unknown use")

enum wait_lock {
#define X(name, is_lock, help) WAIT_LOCK_##name,
	WAIT_LOCKS(X)
#undef X
		WAIT_LOCKS_COUNT
};

struct wait {
	uint8_t reason;	     /* enum wait_reason */
	uint8_t lock;	     /* enum wait_lock */
	int16_t system_call; /* number, -1 = none */
	uint8_t is_two;	     /* the futex was 2, which is a mutex in all libraries but musl */
	uint8_t zero;
};

const char *wait_reason_name(unsigned int reason);
const char *wait_lock_name(unsigned int lock);
bool wait_lock_is_lock(unsigned int lock);
/* "futex", "read", ...; NULL if the number is not known. */
const char *wait_system_call_name(int number);

/* @w for a lock of this kind: its reason is WAIT_lock or WAIT_sync. */
struct wait wait_of_lock(struct wait w, unsigned int lock);

/* From what the kernel side saw alone. */
struct wait wait_classify(const struct abi_wait *a);
/* Names can say more of it: wait_refine() is worth its while. */
bool wait_is_refinable(struct wait w);

/*
 * Refines a wait for a futex by the names of the innermost user functions, innermost first, of the
 * waiter or of who ended it: "pthread_cond_wait" makes a condition variable of it, "runtime.stopm"
 * a thread of Go that has nothing to do, which is WAIT_poll. Only as many names as are needed have
 * to be given, WAIT_REFINE_NAMES at most.
 */
#define WAIT_REFINE_NAMES 8
struct wait wait_refine(struct wait w, const char *const *names, size_t n);

/* A set of reasons, bit 1 << reason. */
#define WAIT_REASONS_ALL (((1U << WAIT_REASONS_COUNT) - 1) & ~(1U << WAIT_runqueue | 1U))
uint32_t wait_reasons_default(void);
/* "disk,lock", "all", "" = the default. -EINVAL: *@ret_bad is the word that is no reason. */
int wait_reasons_parse(const char *text, uint32_t *ret, char ret_bad[static 32]);

/* The same of kinds of lock, bit 1 << lock; the default are those that somebody holds. */
#define WAIT_LOCKS_ALL ((1U << WAIT_LOCKS_COUNT) - 1)
uint32_t wait_locks_default(void);
int wait_locks_parse(const char *text, uint32_t *ret, char ret_bad[static 32]);

/* "lock, sync, ..., all": what can be asked for, for messages. */
void wait_list_reasons(char *text, size_t size);
void wait_list_locks(char *text, size_t size);

/* Which waits are wanted: those whose reason and lock are in these sets. */
struct wait_filter {
	uint32_t reasons, locks;
};

/* Of a profile of this enum abi_sample_kind that was asked for without saying more. */
struct wait_filter wait_filter_default(unsigned int kind);
bool wait_filter_passes(const struct wait_filter *f, struct wait w);
/* Whether it can still pass once names have refined it. */
bool wait_filter_may_pass(const struct wait_filter *f, struct wait w);

/*
 * The part of @value, which stands for all of a wait from @since to @end, that falls between @from
 * and @to.
 */
int64_t wait_clip(int64_t value, uint64_t since, uint64_t end, uint64_t from, uint64_t to);
