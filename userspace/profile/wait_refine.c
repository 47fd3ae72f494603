/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a futex is used for, by the names of functions around the system call. Libraries build locks
 * on each other: HotSpot's monitors, CPython's global lock and PostgreSQL's LWLocks wait in
 * condition variables and semaphores of the C library. So the names from the C library decide
 * unless what is built on it is recognised further out.
 */
#include <string.h>

#include "base/cleanup.h"
#include "profile/wait.h"

enum match { PREFIX, PART };

struct rule {
	const char *name;
	enum match match;
	bool outer; /* built on a primitive of the C library: beats whatever is further in */
	uint8_t lock;
};

/*
 * The first rule that a name fits is taken, so what is more exact comes first. Underscores that a
 * name begins with are not compared, nor is what follows a prefix: versions, arguments.
 */
static const struct rule rules[] = {
	/* HotSpot (runtime/objectMonitor.cpp, synchronizer.cpp; mutex.cpp is its own locks). */
	{ "ObjectMonitor::wait", PREFIX, true, WAIT_LOCK_condition },
	{ "ObjectMonitor::notify", PREFIX, true, WAIT_LOCK_condition },
	{ "ObjectMonitor::INotify", PREFIX, true, WAIT_LOCK_condition },
	{ "ObjectMonitor::", PREFIX, true, WAIT_LOCK_monitor },
	{ "ObjectSynchronizer::", PREFIX, true, WAIT_LOCK_monitor },
	{ "Monitor::wait", PREFIX, true, WAIT_LOCK_condition },
	{ "Monitor::notify", PREFIX, true, WAIT_LOCK_condition },
	{ "Mutex::lock_contended", PREFIX, true, WAIT_LOCK_mutex },
	/* CPython (Python/ceval_gil.c, Python/thread_pthread.h, Python/lock.c). */
	{ "take_gil", PREFIX, true, WAIT_LOCK_monitor },
	{ "drop_gil", PREFIX, true, WAIT_LOCK_monitor },
	{ "PyEval_RestoreThread", PREFIX, true, WAIT_LOCK_monitor },
	{ "PyEval_SaveThread", PREFIX, true, WAIT_LOCK_monitor },
	{ "PyThread_acquire_lock", PREFIX, true, WAIT_LOCK_mutex },
	{ "PyThread_release_lock", PREFIX, true, WAIT_LOCK_mutex },
	{ "PyMutex_Lock", PREFIX, true, WAIT_LOCK_mutex },
	/* PostgreSQL (storage/lmgr/lwlock.c). */
	{ "LWLockAcquire", PREFIX, true, WAIT_LOCK_rwlock },
	{ "LWLockRelease", PREFIX, true, WAIT_LOCK_rwlock },
	{ "LWLockWakeup", PREFIX, true, WAIT_LOCK_rwlock },
	/* Go (runtime/lock_futex.go). */
	{ "runtime.lock", PREFIX, true, WAIT_LOCK_mutex },
	{ "runtime.unlock", PREFIX, true, WAIT_LOCK_mutex },
	{ "runtime.note", PREFIX, true, WAIT_LOCK_condition },
	/* Rust: std (sys/sync), parking_lot. */
	{ "::Condvar::", PART, true, WAIT_LOCK_condition },
	{ "::condvar::", PART, true, WAIT_LOCK_condition },
	{ "::RwLock", PART, true, WAIT_LOCK_rwlock },
	{ "::RawRwLock::", PART, true, WAIT_LOCK_rwlock },
	{ "::Mutex", PART, true, WAIT_LOCK_mutex },
	{ "::RawMutex::", PART, true, WAIT_LOCK_mutex },
	{ "::Once::", PART, true, WAIT_LOCK_barrier },
	{ "std::thread::park", PREFIX, true, WAIT_LOCK_condition },
	/* libuv, as in Node (src/unix/thread.c). */
	{ "uv_mutex_lock", PREFIX, true, WAIT_LOCK_mutex },
	{ "uv_sem_", PREFIX, true, WAIT_LOCK_semaphore },
	/* libstdc++ (bits/semaphore_base.h, std/latch, std/barrier, libsupc++/guard.cc). */
	{ "std::counting_semaphore", PREFIX, true, WAIT_LOCK_semaphore },
	{ "std::latch::", PREFIX, true, WAIT_LOCK_barrier },
	{ "std::barrier", PREFIX, true, WAIT_LOCK_barrier },
	{ "cxa_guard_", PREFIX, false, WAIT_LOCK_barrier },
	/* The C library: glibc (nptl), musl (src/thread). */
	{ "pthread_mutex_cond_lock", PREFIX, false, WAIT_LOCK_mutex },
	{ "pthread_mutex", PREFIX, false, WAIT_LOCK_mutex },
	{ "lll_lock_wait", PREFIX, false, WAIT_LOCK_mutex },
	{ "lll_lock_wake", PREFIX, false, WAIT_LOCK_mutex },
	{ "mtx_", PREFIX, false, WAIT_LOCK_mutex },
	{ "pthread_rwlock", PREFIX, false, WAIT_LOCK_rwlock },
	{ "pthread_cond", PREFIX, false, WAIT_LOCK_condition },
	{ "private_cond_signal", PREFIX, false, WAIT_LOCK_condition },
	{ "cnd_", PREFIX, false, WAIT_LOCK_condition },
	{ "sem_", PREFIX, false, WAIT_LOCK_semaphore },
	{ "new_sem_", PREFIX, false, WAIT_LOCK_semaphore },
	{ "pthread_barrier", PREFIX, false, WAIT_LOCK_barrier },
	{ "pthread_once", PREFIX, false, WAIT_LOCK_barrier },
	{ "pthread_join", PREFIX, false, WAIT_LOCK_join },
	{ "pthread_timedjoin", PREFIX, false, WAIT_LOCK_join },
	{ "pthread_clockjoin", PREFIX, false, WAIT_LOCK_join },
	{ "thrd_join", PREFIX, false, WAIT_LOCK_join },
	{ "pthread_exit", PREFIX, false, WAIT_LOCK_join }, /* who is joined, in musl */
};

/*
 * How runtimes have their own threads wait for work, or for a time to pass: what that is made of is
 * told apart above, and nobody is held up. Go's and Tokio's wait in epoll_wait() or here.
 */
static const struct idle_rule {
	const char *name;
	enum match match;
	uint8_t reason; /* enum wait_reason */
} idle_rules[] = {
	/* Go (runtime/proc.go). */
	{ "runtime.stopm", PREFIX, WAIT_poll },
	{ "runtime.templateThread", PREFIX, WAIT_poll },
	{ "runtime.sysmon", PREFIX, WAIT_sleep },
	/* Tokio (runtime/scheduler/multi_thread/park.rs). */
	{ "::multi_thread::park::", PART, WAIT_poll },
	/* HotSpot (compiler/compileBroker.cpp, runtime/vmThread.cpp, prims/jvm.cpp). */
	{ "CompileQueue::get", PREFIX, WAIT_poll },
	{ "VMThread::wait_for_operation", PREFIX, WAIT_poll },
	{ "JVM_WaitForReferencePendingList", PREFIX, WAIT_poll },
	{ "G1ServiceThread::sleep", PREFIX, WAIT_sleep },
	{ "WatcherThread::sleep", PREFIX, WAIT_sleep },
	{ "JVM_Sleep", PREFIX, WAIT_sleep }, /* Thread.sleep() */
};

static bool fits(const char *name, const char *wanted, enum match match)
{
	name += strspn(name, "_");
	if (match == PREFIX)
		return strncmp(name, wanted, strlen(wanted)) == 0;
	return strstr(name, wanted) != NULL;
}

static const struct rule *find_rule(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (fits(name, rules[i].name, rules[i].match))
			return &rules[i];
	return NULL;
}

static const struct idle_rule *find_idle(const char *const *names, size_t n)
{
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < ARRAY_SIZE(idle_rules); i++)
			if (fits(names[k], idle_rules[i].name, idle_rules[i].match))
				return &idle_rules[i];
	return NULL;
}

/*
 * musl waits in one function for all, and has no unwinding rules to see its caller by. With 2 it
 * waits for a condition variable, or for a thread that can be joined (DT_JOINABLE), but never for a
 * mutex.
 */
static bool is_condition_of_musl(struct wait w, const char *name)
{
	return w.is_two && strncmp(name + strspn(name, "_"), "timedwait", 9) == 0;
}

struct wait wait_refine(struct wait w, const char *const *names, size_t n)
{
	const struct idle_rule *idle;
	const struct rule *found = NULL;
	bool musl = false;

	if (!wait_is_refinable(w))
		return w;
	idle = find_idle(names, n);
	if (idle) {
		w.reason = idle->reason;
		w.lock = WAIT_LOCK_none;
		w.is_two = 0;
		return w;
	}
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = find_rule(names[i]);

		musl |= is_condition_of_musl(w, names[i]);
		if (!r || (found && !r->outer))
			continue;
		found = r;
		if (r->outer)
			break;
	}
	w.is_two = 0;
	if (found)
		return wait_of_lock(w, found->lock);
	return musl ? wait_of_lock(w, WAIT_LOCK_condition) : w;
}
