/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of waits by system call. Values and operations of futexes are those of these files:
 *
 * glibc: nptl/lowlevellock.c, pthread_mutex_lock.c, pthread_rwlock_common.c, sem_waitcommon.c,
 * pthread_join_common.c; sysdeps/nptl/futex-internal.c.
 *
 * musl: src/thread/__lock.c, pthread_mutex_timedlock.c, pthread_rwlock_timedrdlock.c,
 * sem_timedwait.c.
 *
 * Rust: library/std/src/sys/sync/{mutex,rwlock,condvar}/futex.rs, sys/pal/unix/futex.rs.
 *
 * Go: src/runtime/lock_futex.go, os_linux.go.
 */
#include "profile/wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "abi.h"
#include "base/cleanup.h"
#include "profile/system_calls.h"

/* uapi linux/futex.h */
#define FUTEX_PRIVATE	      128
#define FUTEX_REALTIME	      256
#define FUTEX_WAIT	      0
#define FUTEX_LOCK_PI	      6
#define FUTEX_WAIT_BITSET     9
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_LOCK_PI2	      13

/* task_struct.__state (include/linux/sched.h): __TASK_STOPPED, __TASK_TRACED */
#define STATE_STOPPED 4
#define STATE_TRACED  8

/* Bit 31 of a word that has waiters: a robust mutex of glibc, a lock of musl. */
#define WORD_WAITERS 0x80000000U

static const struct {
	const char *name;
	bool idle;
} reasons[] = {
#define X(name, idle, help) { #name, idle },
	WAIT_REASONS(X)
#undef X
};

static const struct {
	const char *name;
	bool is_lock;
} locks[] = {
#define X(name, is_lock, help) { #name, is_lock },
	WAIT_LOCKS(X)
#undef X
};

const char *wait_reason_name(unsigned int reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].name : "unknown";
}

const char *wait_lock_name(unsigned int lock)
{
	return lock < ARRAY_SIZE(locks) ? locks[lock].name : "unknown";
}

bool wait_lock_is_lock(unsigned int lock)
{
	return lock < ARRAY_SIZE(locks) && locks[lock].is_lock;
}

const char *wait_system_call_name(int number)
{
	static const char *const names[] = {
#define X(number, name) [number] = #name,
		SYSTEM_CALLS(X)
#undef X
	};

	return number >= 0 && number < SYSTEM_CALLS_END ? names[number] : NULL;
}

struct wait wait_of_lock(struct wait w, unsigned int lock)
{
	w.lock = (uint8_t)lock;
	w.reason = wait_lock_is_lock(lock) ? WAIT_lock : WAIT_sync;
	return w;
}

/* Plain FUTEX_WAIT: mutexes, and what is awaited without a time limit inside of libraries. */
static unsigned int lock_of_wait(uint32_t value)
{
	if (value == UINT32_MAX)
		return WAIT_LOCK_rwlock; /* musl: held by a writer, with waiters */
	if (value == WORD_WAITERS)
		return WAIT_LOCK_semaphore; /* musl since 1.2.4: no tokens, with waiters */
	if (value & WORD_WAITERS)
		return WAIT_LOCK_mutex;
	/* glibc's low-level lock and Go's lock2: 2 = held, with waiters. */
	return value == 2 ? WAIT_LOCK_mutex : WAIT_LOCK_futex;
}

/* FUTEX_WAIT_BITSET by the clock of the wall: glibc's waits that can have a time limit. */
static unsigned int lock_of_timed_wait(bool private, uint32_t value)
{
	/* A thread's id, which the kernel clears when the thread is gone; always shared. */
	if (!private && value > 3)
		return WAIT_LOCK_join;
	/* PTHREAD_RWLOCK_FUTEX_USED is 2; bit 0 is the phase or that there is a writer. */
	if (value == 2 || value == 3)
		return WAIT_LOCK_rwlock;
	/* Signals of a condition variable, tokens of a semaphore: both 0 = none. */
	return private ? WAIT_LOCK_condition : WAIT_LOCK_semaphore;
}

/* FUTEX_WAIT_BITSET by the monotonic clock: Rust's std, which passes no other. */
static unsigned int lock_of_bitset_wait(uint32_t value)
{
	if (value == UINT32_MAX)
		return WAIT_LOCK_condition; /* a parked thread */
	if (value == 2)
		return WAIT_LOCK_mutex;
	/* READERS_WAITING and WRITERS_WAITING of its RwLock; a condition variable only counts. */
	return value >> 30 ? WAIT_LOCK_rwlock : WAIT_LOCK_condition;
}

static unsigned int lock_of_futex(const struct abi_wait *a)
{
	bool private = a->futex_op & FUTEX_PRIVATE;

	switch (a->futex_op & ~(FUTEX_PRIVATE | FUTEX_REALTIME)) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return WAIT_LOCK_mutex;
	case FUTEX_WAIT:
		return lock_of_wait(a->futex_value);
	case FUTEX_WAIT_BITSET:
		return a->futex_op & FUTEX_REALTIME ? lock_of_timed_wait(private, a->futex_value)
						    : lock_of_bitset_wait(a->futex_value);
	case FUTEX_WAIT_REQUEUE_PI:
		return WAIT_LOCK_condition;
	default:
		return WAIT_LOCK_futex;
	}
}

/* Of a call that names a file. Files that are none (eventfd, timerfd) have a mode without type. */
static enum wait_reason reason_of_file(const struct abi_wait *a)
{
	switch (a->mode & S_IFMT) {
	case S_IFSOCK:
		return WAIT_socket;
	case S_IFIFO:
	case S_IFCHR:
		return WAIT_pipe;
	case S_IFREG:
	case S_IFBLK:
	case S_IFDIR:
		return WAIT_disk;
	default:
		return a->mode ? WAIT_pipe : WAIT_other;
	}
}

static enum wait_reason reason_of_call(const struct abi_wait *a)
{
	switch (a->system_call) {
	case SYSTEM_CALL_read:
	case SYSTEM_CALL_write:
	case SYSTEM_CALL_readv:
	case SYSTEM_CALL_writev:
	case SYSTEM_CALL_pread64:
	case SYSTEM_CALL_pwrite64:
	case SYSTEM_CALL_preadv:
	case SYSTEM_CALL_pwritev:
	case SYSTEM_CALL_preadv2:
	case SYSTEM_CALL_pwritev2:
	case SYSTEM_CALL_sendfile:
	case SYSTEM_CALL_splice:
	case SYSTEM_CALL_vmsplice:
	case SYSTEM_CALL_tee:
	case SYSTEM_CALL_copy_file_range:
	case SYSTEM_CALL_close:
		return reason_of_file(a);
	case SYSTEM_CALL_connect:
	case SYSTEM_CALL_accept:
	case SYSTEM_CALL_accept4:
	case SYSTEM_CALL_sendto:
	case SYSTEM_CALL_recvfrom:
	case SYSTEM_CALL_sendmsg:
	case SYSTEM_CALL_recvmsg:
	case SYSTEM_CALL_sendmmsg:
	case SYSTEM_CALL_recvmmsg:
	case SYSTEM_CALL_shutdown:
		return WAIT_socket;
	case SYSTEM_CALL_msgsnd:
	case SYSTEM_CALL_msgrcv:
	case SYSTEM_CALL_mq_timedsend:
	case SYSTEM_CALL_mq_timedreceive:
		return WAIT_pipe;
	case SYSTEM_CALL_fsync:
	case SYSTEM_CALL_fdatasync:
	case SYSTEM_CALL_sync:
	case SYSTEM_CALL_syncfs:
	case SYSTEM_CALL_sync_file_range:
	case SYSTEM_CALL_msync:
	case SYSTEM_CALL_fallocate:
	case SYSTEM_CALL_ftruncate:
	case SYSTEM_CALL_truncate:
	case SYSTEM_CALL_getdents:
	case SYSTEM_CALL_getdents64:
		return WAIT_disk;
	case SYSTEM_CALL_nanosleep:
	case SYSTEM_CALL_clock_nanosleep:
	/* What a stop has interrupted and goes on: a sleep, a poll or a futex with a time limit,
	 * mostly of who has nothing to do. Which of them it is, it does not say. */
	case SYSTEM_CALL_restart_syscall:
		return WAIT_sleep;
	case SYSTEM_CALL_wait4:
	case SYSTEM_CALL_waitid:
	case SYSTEM_CALL_vfork: /* until the child calls exec */
	case SYSTEM_CALL_clone:
	case SYSTEM_CALL_clone3:
		return WAIT_child;
	case SYSTEM_CALL_pause:
	case SYSTEM_CALL_rt_sigsuspend:
	case SYSTEM_CALL_rt_sigtimedwait:
		return WAIT_signal;
	default:
		return WAIT_other;
	}
}

/* Several things at once, and io_uring sets in_iowait whatever it waits for. */
static bool is_poll(int system_call)
{
	switch (system_call) {
	case SYSTEM_CALL_poll:
	case SYSTEM_CALL_ppoll:
	case SYSTEM_CALL_select:
	case SYSTEM_CALL_pselect6:
	case SYSTEM_CALL_epoll_wait:
	case SYSTEM_CALL_epoll_wait_old:
	case SYSTEM_CALL_epoll_pwait:
	case SYSTEM_CALL_epoll_pwait2:
	case SYSTEM_CALL_io_uring_setup: /* its threads: they are in the call that made them */
	case SYSTEM_CALL_io_uring_enter:
	case SYSTEM_CALL_io_getevents:
	case SYSTEM_CALL_io_pgetevents:
		return true;
	default:
		return false;
	}
}

/* Calls that lock, or that wait for other threads; WAIT_LOCK_none = it is no such call. */
static unsigned int lock_of_call(const struct abi_wait *a)
{
	switch (a->system_call) {
	case SYSTEM_CALL_futex:
		return lock_of_futex(a);
	case SYSTEM_CALL_futex_wait:
	case SYSTEM_CALL_futex_waitv:
		return WAIT_LOCK_futex;
	case SYSTEM_CALL_semop:
	case SYSTEM_CALL_semtimedop:
		return WAIT_LOCK_semaphore;
	case SYSTEM_CALL_flock:
	case SYSTEM_CALL_fcntl: /* of what it can do, F_SETLKW waits */
		return WAIT_LOCK_file;
	default:
		return WAIT_LOCK_none;
	}
}

struct wait wait_classify(const struct abi_wait *a)
{
	struct wait w = { .reason = WAIT_other, .system_call = a->system_call };
	unsigned int lock;

	if (a->flags & ABI_WAIT_RUNQUEUE) {
		w.reason = WAIT_runqueue;
		return w;
	}
	if (a->flags & ABI_WAIT_KERNEL_LOCK)
		return wait_of_lock(w, WAIT_LOCK_kernel);
	if (a->flags & ABI_WAIT_FAULT) {
		w.reason = WAIT_fault;
		return w;
	}
	/* Whatever it was doing: it goes on when it is told to. */
	if (a->state & (STATE_STOPPED | STATE_TRACED)) {
		w.reason = WAIT_signal;
		return w;
	}
	lock = lock_of_call(a);
	w.is_two = lock == WAIT_LOCK_mutex && a->futex_value == 2;
	if (lock != WAIT_LOCK_none)
		return wait_of_lock(w, lock);
	if (is_poll(a->system_call))
		w.reason = WAIT_poll;
	else if (a->flags & ABI_WAIT_IOWAIT)
		w.reason = WAIT_disk;
	else
		w.reason = reason_of_call(a);
	return w;
}

/* One word of a list, ended by ',' or the end; moves *text behind it. */
static size_t next_word(const char **text, const char **ret_word)
{
	size_t n = strcspn(*text, ",");

	*ret_word = *text;
	*text += n + ((*text)[n] == ',');
	return n;
}

struct names {
	const char *(*name)(unsigned int i);
	unsigned int n;
	uint32_t all;
};

static const struct names reason_names = { wait_reason_name, WAIT_REASONS_COUNT, WAIT_REASONS_ALL };
static const struct names lock_names = { wait_lock_name, WAIT_LOCKS_COUNT, WAIT_LOCKS_ALL };

/* Bits of the names in a list; that of number 0, "none", cannot be asked for. */
static int parse_set(const char *text, const struct names *names, uint32_t *ret,
		     char ret_bad[static 32])
{
	uint32_t set = 0;

	do {
		const char *word;
		size_t n = next_word(&text, &word);
		uint32_t bits = n == 3 && strncmp(word, "all", n) == 0 ? names->all : 0;

		for (unsigned int i = 1; i < names->n; i++)
			if (strlen(names->name(i)) == n && strncmp(names->name(i), word, n) == 0)
				bits |= 1U << i;
		if (!bits) {
			snprintf(ret_bad, 32, "%.*s", (int)MIN(n, (size_t)31), word);
			return -EINVAL;
		}
		set |= bits;
	} while (*text);
	*ret = set;
	return 0;
}

uint32_t wait_reasons_default(void)
{
	uint32_t set = 0;

	for (unsigned int i = 0; i < WAIT_REASONS_COUNT; i++)
		if (!reasons[i].idle && i != WAIT_none)
			set |= 1U << i;
	return set;
}

int wait_reasons_parse(const char *text, uint32_t *ret, char ret_bad[static 32])
{
	if (!*text) {
		*ret = wait_reasons_default();
		return 0;
	}
	return parse_set(text, &reason_names, ret, ret_bad);
}

uint32_t wait_locks_default(void)
{
	uint32_t set = 0;

	for (unsigned int i = 0; i < WAIT_LOCKS_COUNT; i++)
		if (locks[i].is_lock)
			set |= 1U << i;
	return set;
}

int wait_locks_parse(const char *text, uint32_t *ret, char ret_bad[static 32])
{
	if (!*text) {
		*ret = wait_locks_default();
		return 0;
	}
	return parse_set(text, &lock_names, ret, ret_bad);
}

struct wait_filter wait_filter_default(unsigned int kind)
{
	if (kind == ABI_KIND_MUTEX)
		return (struct wait_filter){ .reasons = UINT32_MAX, .locks = wait_locks_default() };
	return (struct wait_filter){ .reasons = wait_reasons_default(), .locks = UINT32_MAX };
}

bool wait_filter_passes(const struct wait_filter *f, struct wait w)
{
	return f->reasons & 1U << w.reason && f->locks & 1U << w.lock;
}

bool wait_filter_may_pass(const struct wait_filter *f, struct wait w)
{
	/* Names can make any of these of the others, and any lock of any lock. */
	const uint32_t refined =
		1U << WAIT_lock | 1U << WAIT_sync | 1U << WAIT_poll | 1U << WAIT_sleep;

	if (wait_is_refinable(w))
		return f->reasons & refined;
	return wait_filter_passes(f, w);
}

bool wait_is_refinable(struct wait w)
{
	return w.system_call == SYSTEM_CALL_futex && w.lock != WAIT_LOCK_none &&
	       w.lock != WAIT_LOCK_kernel;
}

/* What parse_set() takes, with commas in between. */
static void list_set(const struct names *names, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 1; i < names->n && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s, ", names->name(i));
	if (used < size)
		snprintf(text + used, size - used, "all");
}

void wait_list_reasons(char *text, size_t size)
{
	list_set(&reason_names, text, size);
}

void wait_list_locks(char *text, size_t size)
{
	list_set(&lock_names, text, size);
}

int64_t wait_clip(int64_t value, uint64_t since, uint64_t end, uint64_t from, uint64_t to)
{
	uint64_t begin = MAX(since, from), stop = MIN(end, to);

	if (begin <= since && stop >= end)
		return value;
	if (begin >= stop)
		return 0;
	return (int64_t)((__int128)value * (stop - begin) / (end - since));
}
