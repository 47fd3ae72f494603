/* SPDX-License-Identifier: Apache-2.0 */
/* The child's side: confine first, then a loop of request, job, answer. */
#include "worker/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "worker/message.h"

/* Ten times as much of a CPU as others get. */
#define AWAITED_NICE "-10"

/* The child's end of the socket, so that a signal handler knows it. */
#define SOCKET 3

static int answer_fd(const void *data, size_t size)
{
	int fd = memfd_create("profd-parsed", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, data, size);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int run_job(const struct worker_options *o, const struct worker_request *request,
		   const int *fds, size_t n_fds, size_t *ret_size)
{
	_cleanup_free_ void *data = NULL;
	size_t size = 0;
	int r;

	if (request->job >= o->n_jobs || request->args_size > WORKER_MAX_ARGS)
		return -EINVAL;
	r = o->jobs[request->job].run(fds, n_fds, request->args, request->args_size, &data, &size);
	if (r < 0)
		return r;
	if (size > WORKER_MAX_REPLY)
		return -EFBIG;
	*ret_size = size;
	return answer_fd(data, size);
}

static void set_timer(int which, uint64_t ns)
{
	const struct itimerval timer = {
		.it_value = { .tv_sec = (time_t)(ns / NS_PER_S),
			      .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000) },
	};

	setitimer(which, &timer, NULL);
}

/* From now on; 0 = without a limit. */
static void limit_job(uint64_t cpu_ns, uint64_t ns)
{
	set_timer(ITIMER_PROF, cpu_ns);
	set_timer(ITIMER_REAL, ns);
}

/*
 * The job has had its time. It is the child that ends it, and says so: a caller that is late itself
 * would take it for a crash, and may lack the right to end anybody.
 */
static void end_job(int number)
{
	const struct worker_reply reply = { .status = -ETIME };

	(void)number;
	worker_send(SOCKET, &reply, sizeof(reply), NULL, 0);
	_exit(0);
}

/*
 * A child without a job waits as any server does, in poll(): a profile of waits leaves that out as
 * idle, and is not full of us.
 */
static void wait_for_job(void)
{
	struct pollfd p = { .fd = SOCKET, .events = POLLIN };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

static int serve_one(const struct worker_options *o)
{
	struct worker_request request;
	struct worker_reply reply = { 0 };
	int fds[WORKER_MAX_FDS];
	size_t n_fds = 0, size = 0;
	int fd, r;

	for (size_t i = 0; i < WORKER_MAX_FDS; i++)
		fds[i] = -1;
	wait_for_job();
	r = worker_receive(SOCKET, &request, sizeof(request), fds, WORKER_MAX_FDS);
	if (r < 1)
		return -ECONNRESET;
	while (n_fds < WORKER_MAX_FDS && fds[n_fds] >= 0)
		n_fds++;
	limit_job(o->cpu_limit, o->time_limit);
	fd = run_job(o, &request, fds, n_fds, &size);
	limit_job(0, 0);
	reply.status = fd < 0 ? fd : 0;
	reply.size = size;
	r = worker_send(SOCKET, &reply, sizeof(reply), &fd, fd < 0 ? 0 : 1);
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	return r;
}

/*
 * Where the kernel shares the CPUs out among sessions first (autogroups, sched(7)), priorities
 * count only within one, so the child has one of its own. Raising a priority takes rights, and is
 * not done by a child that is started again when they are gone.
 */
static void set_priority(enum worker_priority priority)
{
	static const char *const group_nice[] = {
		[WORKER_IDLE] = "19",
		[WORKER_AWAITED] = AWAITED_NICE,
	};
	_cleanup_close_ int fd = -1;

	if (priority == WORKER_NORMAL)
		return;
	setsid();
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		fd_write_full(fd, group_nice[priority], strlen(group_nice[priority]));
	if (priority == WORKER_IDLE)
		sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
	else
		setpriority(PRIO_PROCESS, 0, atoi(AWAITED_NICE));
}

static void child_main(const struct worker_options *o, pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_IGN); /* Ctrl-C is for the parent, which ends us by closing the socket */
	signal(SIGTERM, SIG_DFL);
	signal(SIGPROF, end_job);
	signal(SIGALRM, end_job);
	signal(SIGHUP, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error of write() */
	prctl(PR_SET_NAME, o->network ? o->network : "profd-parser");
	set_priority(o->priority);
	if (worker_child_confine(o, SOCKET, parent) < 0)
		_exit(1);
	while (serve_one(o) == 0)
		;
	_exit(0);
}

int worker_child_start(const struct worker_options *o, pid_t *ret_pid, int *ret_socket)
{
	pid_t parent = getpid();
	int sockets[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		close(sockets[0]);
		close(sockets[1]);
		return r;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		if (dup2(sockets[1], SOCKET) < 0)
			_exit(1);
		child_main(o, parent);
	}
	close(sockets[1]);
	*ret_pid = pid;
	*ret_socket = sockets[0];
	return 0;
}
