/* SPDX-License-Identifier: Apache-2.0 */
#include "opener.h"

#include <errno.h>
#include <seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "collect/collector.h"
#include "rights.h"

#define SOCKET_FD 3 /* in the child, which holds nothing else but stdio */

struct opener {
	pid_t pid;
	int fd;
};

struct request {
	struct perf_event_attr attr;
	int cpu;
};

static bool is_known_event(const struct perf_event_attr *a)
{
	if (a->type == PERF_TYPE_SOFTWARE)
		return a->config == PERF_COUNT_SW_CPU_CLOCK || a->config == PERF_COUNT_SW_DUMMY;
	return a->type == PERF_TYPE_HARDWARE && a->config == PERF_COUNT_HW_CPU_CYCLES;
}

/*
 * What profd needs of a perf event, and no more: no registers, stacks or raw data in its buffer, no
 * inheritance, no pinning, no signals.
 */
bool opener_allows(const struct perf_event_attr *attr)
{
	struct perf_event_attr rest = *attr;

	if (!is_known_event(attr))
		return false;
	if (attr->sample_type & ~(uint64_t)(PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
					    PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD))
		return false;
	if (attr->config != PERF_COUNT_SW_DUMMY && attr->freq &&
	    attr->sample_freq > COLLECTOR_MAX_FREQUENCY)
		return false;
	rest.type = 0;
	rest.size = 0;
	rest.config = 0;
	rest.sample_period = 0;
	rest.sample_type = 0;
	rest.read_format = 0;
	rest.wakeup_events = 0;
	rest.clockid = 0;
	rest.disabled = rest.freq = rest.exclude_idle = rest.exclude_guest = 0;
	rest.exclude_hv = rest.exclude_kernel = rest.exclude_user = rest.exclude_callchain_user = 0;
	rest.mmap = rest.mmap2 = rest.mmap_data = rest.build_id = 0;
	rest.comm = rest.comm_exec = rest.task = rest.ksymbol = 0;
	rest.watermark = rest.sample_id_all = rest.use_clockid = rest.precise_ip = 0;
	return memcmp(&rest, &(struct perf_event_attr){ 0 }, sizeof(rest)) == 0;
}

/* Sends @error (0 or -errno), and with 0 the descriptor @event, if there is one. */
static int answer(int sock, int event, int error)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = &error, .iov_len = sizeof(error) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (event >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &event, sizeof(event));
	}
	return sendmsg(sock, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int serve(int sock, const struct request *request)
{
	struct perf_event_attr attr = request->attr;
	int event = -EPERM, r;

	attr.size = sizeof(attr);
	if (opener_allows(&attr) && request->cpu >= 0) {
		event = (int)syscall(SYS_perf_event_open, &attr, -1, request->cpu, -1,
				     PERF_FLAG_FD_CLOEXEC);
		if (event < 0)
			event = -errno;
	}
	r = answer(sock, event, event < 0 ? event : 0);
	if (event >= 0)
		close(event);
	return r;
}

/* The few calls that its loop makes; the first thing that is none of them ends it. */
static int filter_calls(void)
{
	static const int calls[] = {
		SCMP_SYS(read),		SCMP_SYS(recvfrom),   SCMP_SYS(sendmsg),
		SCMP_SYS(close),	SCMP_SYS(exit_group), SCMP_SYS(perf_event_open),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(poll),
	};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && r == 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

_Noreturn static void child(int sock)
{
	struct pollfd wait = { .fd = SOCKET_FD, .events = POLLIN };
	struct request request;
	int r;

	prctl(PR_SET_NAME, "profd-opener");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* What ends profd is not for us: we go when it has gone. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (dup2(sock, SOCKET_FD) < 0)
		_exit(1);
	syscall(SYS_close_range, SOCKET_FD + 1, ~0U, 0);
	r = rights_drop_to_perf_events();
	if (r == 0)
		r = filter_calls();
	/* The first answer says whether it is ready. */
	if (answer(SOCKET_FD, -1, r) < 0 || r < 0)
		_exit(1);
	/* Waits in poll(), as an idle server does: profiles of waits leave that out. */
	while (poll(&wait, 1, -1) > 0 &&
	       recv(SOCKET_FD, &request, sizeof(request), 0) == (ssize_t)sizeof(request))
		if (serve(SOCKET_FD, &request) < 0)
			break;
	_exit(0);
}

/* 0 or -errno, as the opener says; and the descriptor that came with it, if one is wanted. */
static int receive(int sock, int *ret_event)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	int error = 0;
	struct iovec iov = { .iov_base = &error, .iov_len = sizeof(error) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	ssize_t n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);

	if (n != (ssize_t)sizeof(error))
		return n < 0 ? -errno : -EPIPE;
	if (error < 0 || !ret_event)
		return error;
	c = CMSG_FIRSTHDR(&message);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EBADMSG;
	memcpy(ret_event, CMSG_DATA(c), sizeof(*ret_event));
	return 0;
}

int opener_new(struct opener **ret)
{
	struct opener *o = calloc(1, sizeof(*o));
	int sockets[2], r;

	if (!o)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
		free(o);
		return -errno;
	}
	o->fd = sockets[0];
	o->pid = fork();
	if (o->pid == 0)
		child(sockets[1]);
	close(sockets[1]);
	if (o->pid < 0) {
		r = -errno;
		close(o->fd);
		free(o);
		return r;
	}
	r = receive(o->fd, NULL);
	if (r < 0) {
		opener_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

struct opener *opener_free(struct opener *o)
{
	if (!o)
		return NULL;
	close(o->fd);
	kill(o->pid, SIGKILL); /* it holds nothing, and may be stopped */
	while (waitpid(o->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(o);
	return NULL;
}

int opener_open(void *userdata, const struct perf_event_attr *attr, int cpu)
{
	struct opener *o = userdata;
	struct request request = { .attr = *attr, .cpu = cpu };
	int event, r;

	if (send(o->fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		return -errno;
	r = receive(o->fd, &event);
	return r < 0 ? r : event;
}
