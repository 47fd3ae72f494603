/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's side: a queue, one child, one job in flight. Requests go over a SOCK_SEQPACKET
 * socket with their descriptors; the answer's bytes come in a memfd and are copied before anybody
 * looks at them, because the child could still write to it.
 */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "worker/child.h"
#include "worker/message.h"

#define DEFAULT_MEMORY_LIMIT (1ULL << 30)
#define DEFAULT_TIME_LIMIT   (10 * NS_PER_S)

struct task {
	struct worker_request request;
	int fds[WORKER_MAX_FDS];
	size_t n_fds;
	worker_done_fn done;
	void *userdata;
	struct task *prev, *next;
};

struct worker {
	struct worker_options options;
	pid_t child; /* 0 = none */
	int socket;
	int epoll;
	struct task *queue;   /* waiting */
	struct task *running; /* NULL = the child is idle */
	uint64_t deadline;    /* of the running one */
	struct worker_stats stats;
};

static struct task *task_free(struct task *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n_fds; i++)
		close(t->fds[i]);
	free(t);
	return NULL;
}

static int task_new(unsigned int job, const int *fds, size_t n_fds, const void *args,
		    size_t args_size, worker_done_fn done, void *userdata, struct task **ret)
{
	struct task *t;

	if (n_fds > WORKER_MAX_FDS || args_size > WORKER_MAX_ARGS)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->request.job = job;
	t->request.args_size = (uint32_t)args_size;
	if (args_size)
		memcpy(t->request.args, args, args_size);
	t->done = done;
	t->userdata = userdata;
	for (; t->n_fds < n_fds; t->n_fds++) {
		int fd = fcntl(fds[t->n_fds], F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			int r = -errno;

			task_free(t);
			return r;
		}
		t->fds[t->n_fds] = fd;
	}
	*ret = t;
	return 0;
}

static void child_stop(struct worker *w)
{
	if (w->child > 0) {
		kill(w->child, SIGKILL);
		while (waitpid(w->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	w->child = 0;
	if (w->socket >= 0)
		close(w->socket); /* leaves the epoll set with it */
	w->socket = -1;
}

static int child_start(struct worker *w)
{
	struct epoll_event event = { .events = EPOLLIN };
	int r = worker_child_start(&w->options, &w->child, &w->socket);

	if (r < 0)
		return r;
	w->stats.starts++;
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->socket, &event) < 0) {
		r = -errno;
		child_stop(w);
		return r;
	}
	return 0;
}

int worker_new(const struct worker_options *o, struct worker **ret, struct error *e)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->options = *o;
	if (!w->options.memory_limit)
		w->options.memory_limit = DEFAULT_MEMORY_LIMIT;
	if (!w->options.time_limit)
		w->options.time_limit = DEFAULT_TIME_LIMIT;
	w->socket = -1;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = w->epoll < 0 ? -errno : child_start(w);
	if (r < 0) {
		worker_free(w);
		return error_set(e, -r, "Failed to start the parser process: %s", strerror(-r));
	}
	*ret = w;
	return 0;
}

struct worker *worker_free(struct worker *w)
{
	struct task *t, *next;

	if (!w)
		return NULL;
	child_stop(w);
	if (w->epoll >= 0)
		close(w->epoll);
	task_free(w->running);
	DL_FOREACH_SAFE(w->queue, t, next)
		task_free(t);
	free(w);
	return NULL;
}

/* Ends the running task. The worker is ready for the next when @done is called. */
static void finish(struct worker *w, int status, const void *data, size_t size)
{
	struct task *t = TAKE_PTR(w->running);

	if (status < 0)
		w->stats.jobs_failed++;
	t->done(t->userdata, status, data, size);
	task_free(t);
}

/* The child is gone, or has to go: the running task pays for it. */
static void child_failed(struct worker *w, int status)
{
	child_stop(w);
	if (w->running)
		finish(w, status, NULL, 0);
}

/* Gives the child the next task, if it is idle and there is one. */
static void start_next(struct worker *w, uint64_t now)
{
	while (!w->running && w->queue) {
		struct task *t = w->queue;
		int r;

		DL_DELETE(w->queue, t);
		w->running = t;
		w->deadline = now + w->options.time_limit;
		w->stats.jobs++;
		r = w->child > 0 ? 0 : child_start(w);
		if (r == 0) {
			r = worker_send(w->socket, &t->request, sizeof(t->request), t->fds,
					t->n_fds);
			if (r == -EPIPE || r == -ECONNRESET) { /* it died while it was idle */
				child_stop(w);
				r = child_start(w);
				if (r == 0)
					r = worker_send(w->socket, &t->request, sizeof(t->request),
							t->fds, t->n_fds);
			}
		}
		if (r < 0)
			child_failed(w, r);
	}
}

static int read_answer(int fd, uint64_t size, void **ret_data)
{
	struct stat st;
	void *data;
	int r;

	if (size > WORKER_MAX_REPLY || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < 0 || (uint64_t)st.st_size < size)
		return -EBADMSG;
	data = malloc(size ? size : 1);
	if (!data)
		return -ENOMEM;
	r = fd_pread_full(fd, data, size, 0);
	if (r < 0) {
		free(data);
		return r;
	}
	*ret_data = data;
	return 0;
}

/* Takes one answer. The socket was readable. */
static void take_answer(struct worker *w)
{
	struct worker_reply reply;
	_cleanup_close_ int fd = -1;
	_cleanup_free_ void *data = NULL;
	int r = worker_receive(w->socket, &reply, sizeof(reply), &fd, 1);

	if (r == -EAGAIN)
		return;
	if (r < 1 || !w->running || (reply.status == 0 && fd < 0) || reply.status > 0) {
		if (w->running)
			w->stats.jobs_crashed++;
		child_failed(w, -ECHILD);
		return;
	}
	r = reply.status;
	if (r == 0)
		r = read_answer(fd, reply.size, &data);
	finish(w, r, data, r == 0 ? reply.size : 0);
}

void worker_process(struct worker *w, uint64_t now)
{
	struct pollfd p = { .fd = w->socket, .events = POLLIN };

	if (w->child > 0 && poll(&p, 1, 0) > 0)
		take_answer(w);
	if (w->running && now >= w->deadline) {
		w->stats.jobs_timed_out++;
		child_failed(w, -ETIME);
	}
	start_next(w, now);
}

int worker_submit(struct worker *w, unsigned int job, const int *fds, size_t n_fds,
		  const void *args, size_t args_size, worker_done_fn done, void *userdata)
{
	struct task *t;
	int r;

	if (job >= w->options.n_jobs)
		return -EINVAL;
	r = task_new(job, fds, n_fds, args, args_size, done, userdata, &t);
	if (r < 0)
		return r;
	DL_APPEND(w->queue, t);
	start_next(w, clock_monotonic_ns());
	return 0;
}

struct call {
	bool over;
	int status;
	void *data;
	size_t size;
};

static void call_done(void *userdata, int status, const void *data, size_t size)
{
	struct call *call = userdata;

	call->over = true;
	call->status = status;
	if (status < 0)
		return;
	call->data = malloc(size ? size : 1);
	if (!call->data) {
		call->status = -ENOMEM;
		return;
	}
	memcpy(call->data, data, size);
	call->size = size;
}

int worker_call(struct worker *w, unsigned int job, const int *fds, size_t n_fds, const void *args,
		size_t args_size, void **ret_data, size_t *ret_size)
{
	struct call call = { 0 };
	struct task *t;
	int r;

	if (job >= w->options.n_jobs)
		return -EINVAL;
	r = task_new(job, fds, n_fds, args, args_size, call_done, &call, &t);
	if (r < 0)
		return r;
	DL_PREPEND(w->queue, t);
	start_next(w, clock_monotonic_ns());
	while (!call.over) {
		uint64_t now = clock_monotonic_ns();
		struct pollfd p = { .fd = w->socket, .events = POLLIN };

		if (w->running && now < w->deadline)
			poll(&p, 1, (int)((w->deadline - now) / NS_PER_MS) + 1);
		worker_process(w, clock_monotonic_ns());
	}
	if (call.status < 0)
		return call.status;
	*ret_data = call.data;
	*ret_size = call.size;
	return 0;
}

int worker_fd(const struct worker *w)
{
	return w->epoll;
}

void worker_get_stats(const struct worker *w, struct worker_stats *ret)
{
	const struct task *t;
	int waiting;

	*ret = w->stats;
	DL_COUNT(w->queue, t, waiting);
	ret->queued = (uint64_t)waiting;
}
