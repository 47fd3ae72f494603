/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "abi.h"
#include "base/cleanup.h"
#include "profile/wait.h"

#define PRIVATE	 128
#define REALTIME 256

/* What libraries pass to futex(2), as strace shows it. */
static void futexes_are_told_apart(void **state)
{
	static const struct {
		uint32_t op, value;
		uint8_t reason, lock;
	} cases[] = {
		{ 0 | PRIVATE, 2, WAIT_lock, WAIT_LOCK_mutex },		  /* glibc, Go's lock2 */
		{ 0, 2, WAIT_lock, WAIT_LOCK_mutex },			  /* process-shared */
		{ 6 | PRIVATE, 0, WAIT_lock, WAIT_LOCK_mutex },		  /* PI */
		{ 13 | PRIVATE, 0, WAIT_lock, WAIT_LOCK_mutex },	  /* PI with a time limit */
		{ 0, 0x80000123, WAIT_lock, WAIT_LOCK_mutex },		  /* robust */
		{ 0 | PRIVATE, 0x80000010, WAIT_lock, WAIT_LOCK_mutex },  /* musl */
		{ 0 | PRIVATE, 0xffffffff, WAIT_lock, WAIT_LOCK_rwlock }, /* musl */
		{ 0 | PRIVATE, 0x80000000, WAIT_sync, WAIT_LOCK_semaphore },
		{ 0 | PRIVATE, 0, WAIT_sync, WAIT_LOCK_futex }, /* Go's note */
		{ 9 | PRIVATE | REALTIME, 0, WAIT_sync, WAIT_LOCK_condition },
		{ 9 | REALTIME, 0, WAIT_sync, WAIT_LOCK_semaphore },
		{ 9 | REALTIME, 4711, WAIT_sync, WAIT_LOCK_join },
		{ 9 | PRIVATE | REALTIME, 3, WAIT_lock, WAIT_LOCK_rwlock },
		{ 9 | PRIVATE, 2, WAIT_lock, WAIT_LOCK_mutex }, /* Rust */
		{ 9 | PRIVATE, 0x7fffffff, WAIT_lock, WAIT_LOCK_rwlock },
		{ 9 | PRIVATE, 17, WAIT_sync, WAIT_LOCK_condition },
		{ 9 | PRIVATE, 0xffffffff, WAIT_sync, WAIT_LOCK_condition }, /* parked */
		{ 11 | PRIVATE, 0, WAIT_sync, WAIT_LOCK_condition },
		{ 99, 0, WAIT_sync, WAIT_LOCK_futex },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct abi_wait a = { .system_call = SYS_futex,
					    .futex = 0x1000,
					    .futex_op = cases[i].op,
					    .futex_value = cases[i].value };
		struct wait w = wait_classify(&a);

		if (w.reason != cases[i].reason || w.lock != cases[i].lock)
			fail_msg("op %u value %u: %s %s", cases[i].op, cases[i].value,
				 wait_reason_name(w.reason), wait_lock_name(w.lock));
		assert_int_equal(w.system_call, SYS_futex);
	}
}

static void system_calls_have_reasons(void **state)
{
	static const struct {
		struct abi_wait a;
		uint8_t reason, lock;
	} cases[] = {
		{ { .system_call = SYS_read, .mode = S_IFSOCK }, WAIT_socket, 0 },
		{ { .system_call = SYS_read, .mode = S_IFIFO }, WAIT_pipe, 0 },
		{ { .system_call = SYS_write, .mode = S_IFCHR }, WAIT_pipe, 0 },
		{ { .system_call = SYS_pread64, .mode = S_IFREG }, WAIT_disk, 0 },
		{ { .system_call = SYS_pwritev2, .mode = S_IFBLK }, WAIT_disk, 0 },
		{ { .system_call = SYS_read, .mode = 0600 }, WAIT_pipe, 0 }, /* eventfd */
		{ { .system_call = SYS_read }, WAIT_other, 0 },
		{ { .system_call = SYS_read, .flags = ABI_WAIT_IOWAIT }, WAIT_disk, 0 },
		{ { .system_call = SYS_openat, .flags = ABI_WAIT_IOWAIT }, WAIT_disk, 0 },
		{ { .system_call = SYS_openat }, WAIT_other, 0 },
		{ { .system_call = SYS_fsync }, WAIT_disk, 0 },
		{ { .system_call = -1, .flags = ABI_WAIT_FAULT }, WAIT_fault, 0 },
		{ { .system_call = -1, .flags = ABI_WAIT_FAULT | ABI_WAIT_IOWAIT }, WAIT_fault, 0 },
		{ { .system_call = SYS_accept4 }, WAIT_socket, 0 },
		{ { .system_call = SYS_epoll_wait }, WAIT_poll, 0 },
		{ { .system_call = 426, .flags = ABI_WAIT_IOWAIT }, WAIT_poll, 0 }, /* io_uring */
		{ { .system_call = 425 }, WAIT_poll, 0 }, /* a thread of io_uring */
		{ { .system_call = SYS_clock_nanosleep }, WAIT_sleep, 0 },
		{ { .system_call = SYS_restart_syscall }, WAIT_sleep, 0 },
		{ { .system_call = SYS_wait4 }, WAIT_child, 0 },
		{ { .system_call = SYS_rt_sigtimedwait }, WAIT_signal, 0 },
		{ { .system_call = SYS_semop }, WAIT_sync, WAIT_LOCK_semaphore },
		{ { .system_call = SYS_flock }, WAIT_lock, WAIT_LOCK_file },
		{ { .system_call = SYS_unlink, .flags = ABI_WAIT_KERNEL_LOCK },
		  WAIT_lock,
		  WAIT_LOCK_kernel },
		{ { .system_call = SYS_futex, .flags = ABI_WAIT_RUNQUEUE }, WAIT_runqueue, 0 },
		{ { .system_call = -1 }, WAIT_other, 0 },
		{ { .system_call = -1, .state = 4 }, WAIT_signal, 0 },
		{ { .system_call = SYS_read, .state = 8 | 1, .mode = S_IFSOCK }, WAIT_signal, 0 },
		{ { .system_call = INT16_MAX }, WAIT_other, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wait w = wait_classify(&cases[i].a);

		if (w.reason != cases[i].reason || w.lock != cases[i].lock)
			fail_msg("case %zu: %s %s", i, wait_reason_name(w.reason),
				 wait_lock_name(w.lock));
	}
}

static void names_of_system_calls(void **state)
{
	(void)state;
	assert_string_equal(wait_system_call_name(SYS_read), "read");
	assert_string_equal(wait_system_call_name(SYS_futex), "futex");
	assert_string_equal(wait_system_call_name(SYS_futex_waitv), "futex_waitv");
	assert_null(wait_system_call_name(-1));
	assert_null(wait_system_call_name(335)); /* never given */
	assert_null(wait_system_call_name(INT16_MAX));
}

static void names_refine(void **state)
{
	static const struct {
		const char *names[WAIT_REFINE_NAMES];
		uint8_t reason, lock;
	} cases[] = {
		{ { "futex_wait", "__lll_lock_wait", "___pthread_mutex_lock", "main" },
		  WAIT_lock,
		  WAIT_LOCK_mutex },
		{ { "__futex_abstimed_wait_common", "pthread_cond_wait@@GLIBC_2.3.2", "main" },
		  WAIT_sync,
		  WAIT_LOCK_condition },
		/* Coming back from the condition, it waits for the mutex. */
		{ { "__lll_lock_wait", "__pthread_mutex_cond_lock", "pthread_cond_wait" },
		  WAIT_lock,
		  WAIT_LOCK_mutex },
		{ { "pthread_rwlock_wrlock" }, WAIT_lock, WAIT_LOCK_rwlock },
		{ { "__new_sem_wait_slow64.constprop.0" }, WAIT_sync, WAIT_LOCK_semaphore },
		{ { "__pthread_clockjoin_ex" }, WAIT_sync, WAIT_LOCK_join },
		{ { "__pthread_exit" }, WAIT_sync, WAIT_LOCK_join },
		{ { "pthread_barrier_wait" }, WAIT_sync, WAIT_LOCK_barrier },
		{ { "pthread_cond_wait", "PlatformEvent::park()", "ObjectMonitor::EnterI(Thread*)",
		    "ObjectMonitor::enter(Thread*)" },
		  WAIT_lock,
		  WAIT_LOCK_monitor },
		{ { "pthread_cond_wait", "PlatformEvent::park()",
		    "ObjectMonitor::wait(long, bool, Thread*)" },
		  WAIT_sync,
		  WAIT_LOCK_condition },
		{ { "pthread_cond_timedwait", "take_gil", "PyEval_RestoreThread" },
		  WAIT_lock,
		  WAIT_LOCK_monitor },
		{ { "sem_post", "PyThread_release_lock" }, WAIT_lock, WAIT_LOCK_mutex },
		{ { "sem_wait", "PGSemaphoreLock", "LWLockAcquire" }, WAIT_lock, WAIT_LOCK_rwlock },
		{ { "std::sys::sync::mutex::futex::Mutex::lock_contended" },
		  WAIT_lock,
		  WAIT_LOCK_mutex },
		{ { "std::sys::sync::condvar::futex::Condvar::wait" },
		  WAIT_sync,
		  WAIT_LOCK_condition },
		{ { "runtime.futex.abi0", "runtime.futexsleep", "runtime.lock2" },
		  WAIT_lock,
		  WAIT_LOCK_mutex },
		{ { "runtime.futex.abi0", "runtime.futexsleep", "runtime.notesleep" },
		  WAIT_sync,
		  WAIT_LOCK_condition },
		/* Parked with nothing to do; but stopped for the garbage collector it has. */
		{ { "runtime.futexsleep", "runtime.notesleep", "runtime.mPark", "runtime.stopm" },
		  WAIT_poll,
		  WAIT_LOCK_none },
		{ { "runtime.futexsleep", "runtime.notesleep", "runtime.mPark", "runtime.gcstopm" },
		  WAIT_sync,
		  WAIT_LOCK_condition },
		{ { "pthread_cond_timedwait", "os::PlatformEvent::park(long)", "JVM_Sleep" },
		  WAIT_sleep,
		  WAIT_LOCK_none },
		{ { "std::sys::sync::condvar::futex::Condvar::wait",
		    "tokio::runtime::scheduler::multi_thread::park::Inner::park" },
		  WAIT_poll,
		  WAIT_LOCK_none },
	};
	const struct wait mutex = { WAIT_lock, WAIT_LOCK_mutex, .system_call = SYS_futex };
	const struct wait futex = { WAIT_sync, WAIT_LOCK_futex, .system_call = SYS_futex };
	const struct wait file = { WAIT_lock, WAIT_LOCK_file, .system_call = SYS_flock };
	struct wait two = mutex;
	const char *const timedwait[] = { "__syscall_cp_c", "__timedwait_cp" };
	const char *const unknown[] = { "main", "" };
	const char *const mutex_lock[] = { "pthread_mutex_lock" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wait w;
		size_t n = 0;

		while (n < WAIT_REFINE_NAMES && cases[i].names[n])
			n++;
		w = wait_refine(futex, cases[i].names, n);
		if (w.reason != cases[i].reason || w.lock != cases[i].lock)
			fail_msg("%s: %s %s", cases[i].names[0], wait_reason_name(w.reason),
				 wait_lock_name(w.lock));
	}
	/* musl has one function for all waits; 2 is never a mutex there, what has bit 31 is one. */
	two.is_two = 1;
	assert_int_equal(wait_refine(two, timedwait, 2).lock, WAIT_LOCK_condition);
	assert_int_equal(wait_refine(two, timedwait, 2).is_two, 0);
	assert_int_equal(wait_refine(mutex, timedwait, 2).lock, WAIT_LOCK_mutex);
	assert_int_equal(wait_refine(two, mutex_lock, 1).lock, WAIT_LOCK_mutex);
	assert_int_equal(wait_refine(two, unknown, 2).lock, WAIT_LOCK_mutex);
	/* Where no name says anything, it stays what it was; and what is no futex, too. */
	assert_int_equal(wait_refine(mutex, unknown, 2).lock, WAIT_LOCK_mutex);
	assert_int_equal(wait_refine(mutex, NULL, 0).lock, WAIT_LOCK_mutex);
	assert_int_equal(wait_refine(file, mutex_lock, 1).lock, WAIT_LOCK_file);
}

static void sets_are_parsed(void **state)
{
	uint32_t set;
	char bad[32];

	(void)state;
	assert_int_equal(wait_reasons_parse("disk,lock", &set, bad), 0);
	assert_int_equal(set, 1U << WAIT_disk | 1U << WAIT_lock);
	assert_int_equal(wait_reasons_parse("", &set, bad), 0);
	assert_int_equal(set, wait_reasons_default());
	assert_false(set & (1U << WAIT_poll | 1U << WAIT_sleep | 1U << WAIT_runqueue | 1U));
	assert_true(set & 1U << WAIT_disk && set & 1U << WAIT_other);
	assert_int_equal(wait_reasons_parse("all", &set, bad), 0);
	assert_int_equal(set, WAIT_REASONS_ALL);
	assert_int_equal(wait_reasons_parse("runqueue,all", &set, bad), 0);
	assert_int_equal(set, WAIT_REASONS_ALL | 1U << WAIT_runqueue);
	assert_int_equal(wait_reasons_parse("disk,,lock", &set, bad), -EINVAL);
	assert_string_equal(bad, "");
	assert_int_equal(wait_reasons_parse("none", &set, bad), -EINVAL);
	assert_int_equal(wait_reasons_parse("disk,Lock", &set, bad), -EINVAL);
	assert_string_equal(bad, "Lock");
	assert_int_equal(
		wait_reasons_parse("a-word-longer-than-the-place-that-there-is-for-it", &set, bad),
		-EINVAL);
	assert_int_equal(strlen(bad), 31);
	assert_int_equal(wait_locks_parse("", &set, bad), 0);
	assert_true(set & 1U << WAIT_LOCK_mutex && !(set & 1U << WAIT_LOCK_condition));
	assert_int_equal(wait_locks_parse("condition", &set, bad), 0);
	assert_int_equal(set, 1U << WAIT_LOCK_condition);
}

static void filters(void **state)
{
	const struct wait mutex = { WAIT_lock, WAIT_LOCK_mutex, .system_call = SYS_futex };
	const struct wait condition = { WAIT_sync, WAIT_LOCK_condition, .system_call = SYS_futex };
	const struct wait sleeping = { WAIT_sleep, WAIT_LOCK_none, .system_call = SYS_nanosleep };
	struct wait_filter block = wait_filter_default(ABI_KIND_BLOCK);
	struct wait_filter locks = wait_filter_default(ABI_KIND_MUTEX);
	struct wait_filter disk = { 1U << WAIT_disk, UINT32_MAX };
	struct wait_filter polling = { 1U << WAIT_poll, UINT32_MAX };

	(void)state;
	assert_true(wait_filter_passes(&block, mutex) && wait_filter_passes(&block, condition));
	assert_false(wait_filter_passes(&block, sleeping));
	assert_true(wait_filter_passes(&locks, mutex));
	assert_false(wait_filter_passes(&locks, condition));
	/* It may turn out to be a lock, once its names are known. */
	assert_true(wait_filter_may_pass(&locks, condition));
	assert_false(wait_filter_may_pass(&disk, mutex));
	/* Or a thread that only polls, for whom polling is all that was asked for. */
	assert_true(wait_filter_may_pass(&polling, condition));
	assert_false(wait_filter_may_pass(&block, sleeping));
}

static void waits_are_clipped(void **state)
{
	(void)state;
	/* A wait from 100 to 200 that stands for 1000. */
	assert_int_equal(wait_clip(1000, 100, 200, 0, 1000), 1000);
	assert_int_equal(wait_clip(1000, 100, 200, 100, 200), 1000);
	assert_int_equal(wait_clip(1000, 100, 200, 150, 1000), 500);
	assert_int_equal(wait_clip(1000, 100, 200, 0, 110), 100);
	assert_int_equal(wait_clip(1000, 100, 200, 120, 130), 100);
	assert_int_equal(wait_clip(1000, 100, 200, 200, 300), 0);
	assert_int_equal(wait_clip(1000, 100, 200, 0, 100), 0);
	assert_int_equal(wait_clip(INT64_MAX, 0, UINT64_MAX, 0, UINT64_MAX / 2), INT64_MAX / 2);
	assert_int_equal(wait_clip(7, 100, 100, 0, 1000), 7);
	assert_int_equal(wait_clip(7, 100, 100, 100, UINT64_MAX), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(futexes_are_told_apart),
		cmocka_unit_test(system_calls_have_reasons),
		cmocka_unit_test(names_of_system_calls),
		cmocka_unit_test(names_refine),
		cmocka_unit_test(sets_are_parsed),
		cmocka_unit_test(filters),
		cmocka_unit_test(waits_are_clipped),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
