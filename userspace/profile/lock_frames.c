/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/lock_frames.h"

const char *lock_frames(void)
{
	return "\\[truncated.*"
	       /* The C library: glibc (nptl), musl (src/thread); with what is inlined into them. */
	       "|_*(pthread_(mutex|rwlock|cond|barrier|spin|join|timedjoin|clockjoin)|lll_).*"
	       "|_*futex_(abstimed|lock_pi).*"
	       "|_*(new_)?sem_(wait|trywait|timedwait|clockwait|post).*"
	       "|mtx_(lock|timedlock|unlock)|cnd_(wait|timedwait|signal|broadcast)"
	       "|thrd_join|syscall"
	       "|__(timedwait|timedwait_cp|wait|wake|lock|unlock)|private_cond_signal"
	       /* C++: libstdc++ and libc++ (std::__1), Abseil. */
	       "|__(gthread_|glibcxx_rwlock_|libcpp_(mutex|condvar)_).*"
	       "|std::(_[A-Z_a-z0-9]*::)?[_a-z]*(mutex|condition_variable|condvar)[_a-z]*::.*"
	       "|std::(_[A-Z_a-z0-9]*::)?(unique_lock|shared_lock|lock_guard|scoped_lock)(<.*)?::.*"
	       "|absl::(.*::)?(Mutex|CondVar|MutexLock|ReaderMutexLock|WriterMutexLock)::.*"
	       /* Rust: std (sync, sys/sync, sys/pal), parking_lot. */
	       "|<*std::(sync|sys)::((sync|poison|unix|pal|locks)::)*"
	       "(futex_)?(mutex|rwlock|condvar|thread_parking|futex)::.*"
	       "|core::ptr::drop_in_place(::)?<std::sync::.*Guard.*"
	       "|<*(parking_lot::(raw_)?(mutex|rwlock|condvar)|parking_lot_core|lock_api)::.*"
	       /* Go (runtime/lock_futex.go, sema.go). */
	       "|runtime\\.(futex|lock|unlock|note|mPark).*"
	       /* HotSpot (runtime/objectMonitor.cpp, os_posix.cpp, mutex.cpp). */
	       "|(ObjectMonitor|ObjectSynchronizer|Parker|PlatformMonitor|PlatformMutex)::.*"
	       "|os::(PlatformEvent|PlatformMonitor|PlatformMutex)::.*"
	       "|(Monitor::(wait|notify)|Mutex::(lock|unlock|try_lock)|Unsafe_(Park|Unpark)).*"
	       "|(InterpreterRuntime|Runtime1)::monitor.*|monitor(enter|exit)[_a-z]* "
	       ".*|JVM_Monitor.*"
	       "|SharedRuntime::(complete_)?monitor_.*|[A-Za-z0-9]*Semaphore::(wait|signal).*"
	       /* CPython (Python/ceval_gil.c, thread_pthread.h, lock.c). */
	       "|(take|drop)_gil|PyEval_(Save|Restore)Thread|PyCOND_.*|PyMUTEX_.*"
	       "|PyThread_(acquire|release)_lock.*|_*Py(Mutex|Semaphore|ParkingLot)_.*"
	       /* PostgreSQL (storage/lmgr/lwlock.c, port/posix_sema.c), libuv, GLib. */
	       "|LWLock(Acquire|Release|Wait|Wakeup|Update).*|PGSemaphore.*"
	       "|uv_(mutex|rwlock|cond|sem|barrier)_.*|g_(mutex|rec_mutex|rw_lock|cond)_.*";
}
