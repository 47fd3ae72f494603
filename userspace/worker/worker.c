/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's side: a queue, one child, one job in flight. Requests go over a SOCK_SEQPACKET
 * socket with their descriptors; the answer's bytes come in a memfd and are copied before anybody
 * looks at them, because the child could still write to it.
 *
 * A task goes from the queue to running to finished, where it waits for worker_process(): nobody is
 * called back out of worker_submit().
 */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "worker/child.h"
#include "worker/message.h"

#define DEFAULT_MEMORY_LIMIT (1ULL << 30)
#define DEFAULT_CPU_LIMIT    (10 * NS_PER_S)
#define TIMES_CPU_LIMIT	     6

/* The child ends itself in time; one that does not is ended so much later. */
#define GRACE_NS (NS_PER_S / 4)

struct task {
	struct worker_request request;
	int fds[WORKER_MAX_FDS];
	size_t n_fds;
	worker_done_fn done;
	void *userdata;
	/* Once it is finished. */
	int status;
	void *data;
	size_t size;
	struct task *prev, *next;
};

struct worker {
	struct worker_options options;
	pid_t child;   /* 0 = none */
	pid_t left[8]; /* that could not be ended, or did not end yet; 0 = none */
	size_t n_left;
	int socket;
	int epoll;
	int finished_event;    /* readable while there are finished ones */
	struct task *queue;    /* waiting */
	struct task *running;  /* NULL = the child is idle */
	struct task *finished; /* whose callers were not told yet */
	uint64_t deadline;     /* of the running one */
	struct worker_stats stats;
};

static struct task *task_free(struct task *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n_fds; i++)
		close(t->fds[i]);
	free(t->data);
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

static bool has_ended(pid_t child, int options)
{
	pid_t ended;

	do
		ended = waitpid(child, NULL, options);
	while (ended < 0 && errno == EINTR);
	return ended != 0;
}

static void reap_left(struct worker *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->left); i++)
		if (w->left[i] > 0 && has_ended(w->left[i], WNOHANG))
			w->left[i] = 0;
}

/*
 * The child may be another user by now. A caller that has given up CAP_KILL cannot end it then: it
 * ends when it next looks at its socket, when its own timer does it, or when the caller does. It is
 * not waited for, as it may be stuck in a file system. What is overwritten stays a zombie; that
 * takes many hostile files at one time.
 */
static void child_stop(struct worker *w)
{
	if (w->socket >= 0)
		close(w->socket); /* leaves the epoll set with it */
	w->socket = -1;
	reap_left(w);
	if (w->child > 0) {
		kill(w->child, SIGKILL);
		if (!has_ended(w->child, WNOHANG))
			w->left[w->n_left++ % ARRAY_SIZE(w->left)] = w->child;
	}
	w->child = 0;
}

/*
 * At the end, nobody who can be ended is left behind. To die takes CPU time too, and while others
 * work an idle process gets none.
 */
static void wait_for_left(struct worker *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(w->left); i++)
		if (w->left[i] > 0 && w->options.priority != WORKER_IDLE &&
		    kill(w->left[i], SIGKILL) == 0)
			has_ended(w->left[i], 0);
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

static int make_fds(struct worker *w)
{
	struct epoll_event event = { .events = EPOLLIN };

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->finished_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epoll < 0 || w->finished_event < 0 ||
	    epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->finished_event, &event) < 0)
		return -errno;
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
	if (!w->options.cpu_limit)
		w->options.cpu_limit = o->time_limit ? o->time_limit : DEFAULT_CPU_LIMIT;
	if (!w->options.time_limit)
		w->options.time_limit = TIMES_CPU_LIMIT * w->options.cpu_limit;
	w->socket = -1;
	r = make_fds(w);
	if (r == 0)
		r = child_start(w);
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
	wait_for_left(w);
	closep(&w->epoll);
	closep(&w->finished_event);
	task_free(w->running);
	DL_FOREACH_SAFE(w->queue, t, next)
		task_free(t);
	DL_FOREACH_SAFE(w->finished, t, next)
		task_free(t);
	free(w);
	return NULL;
}

/* Ends the running task; takes over @data. */
static void finish(struct worker *w, int status, void *data, size_t size)
{
	struct task *t = TAKE_PTR(w->running);

	if (status < 0)
		w->stats.jobs_failed++;
	t->status = status;
	t->data = data;
	t->size = size;
	DL_APPEND(w->finished, t);
	eventfd_write(w->finished_event, 1);
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
		w->deadline = now + w->options.time_limit + GRACE_NS;
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

static void timed_out(struct worker *w)
{
	w->stats.jobs_timed_out++;
	child_failed(w, -ETIME);
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
	if (r == -ETIME) { /* it is about to end */
		timed_out(w);
		return;
	}
	if (r == 0)
		r = read_answer(fd, reply.size, &data);
	finish(w, r, TAKE_PTR(data), r == 0 ? reply.size : 0);
}

static void go_on(struct worker *w, uint64_t now)
{
	struct pollfd p = { .fd = w->socket, .events = POLLIN };

	if (w->child > 0 && poll(&p, 1, 0) > 0)
		take_answer(w);
	if (w->running && now >= w->deadline)
		timed_out(w);
	start_next(w, now);
}

/* Those that finish meanwhile are for the next time: it ends. */
static void tell_finished(struct worker *w)
{
	struct task *list = TAKE_PTR(w->finished);
	struct task *t, *next;
	eventfd_t ignored;

	eventfd_read(w->finished_event, &ignored);
	DL_FOREACH_SAFE(list, t, next) {
		t->done(t->userdata, t->status, t->data, t->size);
		task_free(t);
	}
}

void worker_process(struct worker *w, uint64_t now)
{
	reap_left(w);
	go_on(w, now);
	if (w->finished)
		tell_finished(w);
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
