/* SPDX-License-Identifier: Apache-2.0 */
/* The child's side: confine first, then a loop of request, job, answer. */
#include "worker/child.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "worker/message.h"

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

/*
 * The caller ends a job that takes too long, but may lack the right to: then the kernel does it,
 * a little later. 0 = no more.
 */
static void end_after(uint64_t ns)
{
	const struct itimerval timer = {
		.it_value = { .tv_sec = (time_t)(ns / NS_PER_S),
			      .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000) },
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

/*
 * A child without a job waits as any server does, in poll(): a profile of waits leaves that out as
 * idle, and is not full of us.
 */
static void wait_for_job(int socket)
{
	struct pollfd p = { .fd = socket, .events = POLLIN };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

static int serve_one(const struct worker_options *o, int socket)
{
	struct worker_request request;
	struct worker_reply reply = { 0 };
	int fds[WORKER_MAX_FDS];
	size_t n_fds = 0, size = 0;
	int fd, r;

	for (size_t i = 0; i < WORKER_MAX_FDS; i++)
		fds[i] = -1;
	wait_for_job(socket);
	r = worker_receive(socket, &request, sizeof(request), fds, WORKER_MAX_FDS);
	if (r < 1)
		return -ECONNRESET;
	while (n_fds < WORKER_MAX_FDS && fds[n_fds] >= 0)
		n_fds++;
	end_after(o->time_limit + NS_PER_S / 4);
	fd = run_job(o, &request, fds, n_fds, &size);
	end_after(0);
	reply.status = fd < 0 ? fd : 0;
	reply.size = size;
	r = worker_send(socket, &reply, sizeof(reply), &fd, fd < 0 ? 0 : 1);
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	return r;
}

static void child_main(const struct worker_options *o, int socket, pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_IGN); /* Ctrl-C is for the parent, which ends us by closing the socket */
	signal(SIGTERM, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error of write() */
	prctl(PR_SET_NAME, o->network ? o->network : "profd-parser");
	if (o->idle)
		sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
	if (worker_child_confine(o, socket, parent) < 0)
		_exit(1);
	while (serve_one(o, socket) == 0)
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
		close(sockets[0]);
		child_main(o, sockets[1], parent);
	}
	close(sockets[1]);
	*ret_pid = pid;
	*ret_socket = sockets[0];
	return 0;
}
