/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wall around the parser process. Order matters: what needs rights (changing user) before the
 * rights go, the system call filter last.
 *
 * In builds with AddressSanitizer the limit on memory and the filter are left out: the sanitizer
 * reserves terabytes of address space and needs system calls of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "worker/child.h"
#include "worker/worker.h"

#define NOBODY 65534

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/*
 * Reading what it was given, memory, the answer; nothing that names a file, a process or a host.
 * qsort() of the C library asks with sysinfo() how much memory there is.
 */
static const int allowed[] = {
	SCMP_SYS(read),		SCMP_SYS(pread64),	 SCMP_SYS(lseek),     SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),	SCMP_SYS(close),	 SCMP_SYS(recvmsg),   SCMP_SYS(sendmsg),
	SCMP_SYS(memfd_create), SCMP_SYS(write),	 SCMP_SYS(brk),	      SCMP_SYS(munmap),
	SCMP_SYS(mremap),	SCMP_SYS(madvise),	 SCMP_SYS(exit),      SCMP_SYS(exit_group),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(clock_gettime), SCMP_SYS(futex),     SCMP_SYS(getrandom),
	SCMP_SYS(fcntl),	SCMP_SYS(sysinfo),	 SCMP_SYS(setitimer), SCMP_SYS(poll),
};

/*
 * What a child with a network cannot do: become or look into other processes, end them, change
 * files or what it sees of the machine, reach the kernel by its widest doors.
 */
static const int refused[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(kill),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(truncate),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(fchownat),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchown),
	SCMP_SYS(lchown),
	SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(creat),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(tkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	/* Of Linux 6.6 and 6.13, which libseccomp need not know; the same number everywhere. */
	452 /* fchmodat2 */,
	463 /* setxattrat */,
};

/* What a filter cannot look into, since it is behind a pointer. Without these, the C library uses
 * openat() and clone(). */
static const int hidden[] = { SCMP_SYS(openat2), SCMP_SYS(clone3) };

#define BITS(argument, mask, bits)                                                                 \
	{                                                                                          \
		(argument), SCMP_CMP_MASKED_EQ, (mask), (bits)                                     \
	}
#define BIT(argument, bit) BITS(argument, bit, bit)

/*
 * A child that is started again when the right to change user is gone is still root, who owns most
 * files and whom other services obey: it writes no file but what it is given, and has no socket of
 * this machine. Resolvers that ask a service (nscd, systemd-resolved) fall back to DNS.
 */
static const struct {
	int call, error;
	struct scmp_arg_cmp when;
} refused_when[] = {
	{ SCMP_SYS(open), EPERM, BIT(1, O_WRONLY) },
	{ SCMP_SYS(open), EPERM, BIT(1, O_RDWR) },
	{ SCMP_SYS(open), EPERM, BIT(1, O_CREAT) },
	{ SCMP_SYS(open), EPERM, BIT(1, O_TRUNC) },
	{ SCMP_SYS(openat), EPERM, BIT(2, O_WRONLY) },
	{ SCMP_SYS(openat), EPERM, BIT(2, O_RDWR) },
	{ SCMP_SYS(openat), EPERM, BIT(2, O_CREAT) },
	{ SCMP_SYS(openat), EPERM, BIT(2, O_TRUNC) },
	{ SCMP_SYS(clone), EPERM, BIT(0, CLONE_NEWUSER) },
	{ SCMP_SYS(socket), EAFNOSUPPORT, BITS(0, UINT32_MAX, AF_UNIX) },
	/* Pairs that could still send elsewhere; SOCK_RAW, which is the same here, has the bit. */
	{ SCMP_SYS(socketpair), EAFNOSUPPORT, BIT(1, SOCK_DGRAM) },
};

static int close_all_but(int fd)
{
	if (fd > 3 && close_range(3, (unsigned int)fd - 1, 0) < 0)
		return -errno;
	return close_range((unsigned int)fd + 1, ~0U, 0) < 0 ? -errno : 0;
}

/* Standard input and output could be a terminal or somebody's file; standard error stays, for a
 * crash. */
static int detach_stdio(void)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	return dup2(null, 0) < 0 || dup2(null, 1) < 0 ? -errno : 0;
}

/* Without CAP_SETUID and CAP_SETGID we stay who we are, with no capabilities. */
static void change_user(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0)
		return;
	if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return;
}

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int r;

	if (!none)
		return -ENOMEM;
	r = cap_set_proc(none) < 0 ? -errno : 0;
	cap_free(none);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r;
}

static int limit(int resource, rlim_t most)
{
	struct rlimit l = { most, most };

	return setrlimit(resource, &l) < 0 ? -errno : 0;
}

/* Asked for anew: changing user or capabilities makes the kernel forget it (commit_creds()). */
static int end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

static int allow_few(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* Memory, but nothing that can be executed and no file. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0),
				     SCMP_A3(SCMP_CMP_MASKED_EQ, 0x20 /* MAP_ANONYMOUS */, 0x20));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, 4 /* PROT_EXEC */, 0));
	return r;
}

static int refuse_some(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp to_others = { .arg = 0,
						.op = SCMP_CMP_NE,
						.datum_a = (scmp_datum_t)getpid() };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(refused); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(hidden); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), hidden[i], 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(refused_when); i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(refused_when[i].error),
					   refused_when[i].call, 1, &refused_when[i].when);
	/* To itself, as abort() does. */
	if (r == 0)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
					   &to_others);
	return r;
}

static int filter_system_calls(bool network)
{
	scmp_filter_ctx filter = seccomp_init(network ? SCMP_ACT_ALLOW : SCMP_ACT_KILL_PROCESS);
	int r;

	if (!filter)
		return -ENOMEM;
	r = network ? refuse_some(filter) : allow_few(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int worker_child_confine(const struct worker_options *o, int socket, pid_t parent)
{
	int r = detach_stdio();

	if (r == 0)
		r = close_all_but(socket);
	if (r == 0)
		r = limit(RLIMIT_CORE, 0);
	/* A resolver is a thread. */
	if (r == 0 && !o->network)
		r = limit(RLIMIT_NPROC, 0);
	if (r == 0)
		r = limit(RLIMIT_FSIZE, o->max_file ? o->max_file : WORKER_MAX_REPLY);
	if (r == 0 && !SANITIZED)
		r = limit(RLIMIT_AS, o->memory_limit);
	change_user();
	if (r == 0)
		r = drop_capabilities();
	if (r == 0)
		r = end_with(parent);
	if (r == 0 && !SANITIZED)
		r = filter_system_calls(o->network);
	return r;
}
