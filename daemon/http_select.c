/* SPDX-License-Identifier: Apache-2.0 */
#include "http_select.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "http_request.h"
#include "manager.h"
#include "profile/window.h"

/* "pid 1234", "comm nginx": what was asked for, in words. */
static void describe(const struct selection *s, char *text, size_t size)
{
	const char *separator = "";
	int n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < s->n_pids && (size_t)n < size; i++, separator = ", ")
		n += snprintf(text + n, size - (size_t)n, "%spid %" PRIu32, separator, s->pids[i]);
	if (s->comm && (size_t)n < size) {
		n += snprintf(text + n, size - (size_t)n, "%scomm %s", separator, s->comm);
		separator = ", ";
	}
	if (s->unit && (size_t)n < size) {
		n += snprintf(text + n, size - (size_t)n, "%sunit %s", separator, s->unit);
		separator = ", ";
	}
	if (s->container && (size_t)n < size)
		snprintf(text + n, size - (size_t)n, "%scontainer %s", separator, s->container);
}

struct narrowing {
	const struct access *access;
	const struct process_table *processes;
	const struct selection *wanted;
	struct selection own; /* only pids, each in the life it has now */
	bool too_many;
};

static int add_own(struct process *p, void *userdata)
{
	struct narrowing *n = userdata;
	struct selection *own = &n->own;

	if (p->exit_time || !selection_matches(n->wanted, p))
		return 0;
	/* In this order: the pid may get another owner in between. */
	if (!access_allows(n->access, p->tgid) || !process_table_still_runs(n->processes, p))
		return 0;
	if (own->n_pids == SELECTION_MAX_PIDS) {
		n->too_many = true;
		return 1;
	}
	own->lives[own->n_pids] = p->start_time;
	own->execs[own->n_pids] = p->exec_time;
	own->pids[own->n_pids++] = p->tgid;
	return 0;
}

/* The client's own processes among those that are wanted. */
static struct narrowing find_own(const struct http_request *r, const struct selection *wanted)
{
	struct process_table *processes = profiler_processes(r->manager->profiler);
	struct narrowing n = {
		.access = &r->access,
		.processes = processes,
		.wanted = wanted,
		.own.of_lives = true,
	};

	process_table_each(processes, add_own, &n);
	return n;
}

/*
 * From what was asked for to the client's own processes among them. -E2BIG if they are too many,
 * -ESRCH if there are none.
 */
static int narrow(const struct http_request *r, enum http_select_time time, struct selection *s)
{
	struct narrowing n;

	if (r->access.everything)
		return 0;
	n = find_own(r, s);
	if (n.too_many)
		return -E2BIG;
	if (n.own.n_pids == 0)
		return -ESRCH;
	n.own.of_programs = time == HTTP_SELECT_PAST;
	selection_done(s);
	*s = n.own;
	return 0;
}

bool http_select_own(const struct http_request *r, struct selection *s)
{
	return narrow(r, HTTP_SELECT_PAST, s) == 0;
}

static int is_entry_of(const struct window_entry *e, void *userdata)
{
	return selection_matches(userdata, e->process);
}

/* Is there one of the pids that are asked for? It costs less than a look at all processes. */
static bool may_run(const struct selection *s)
{
	char path[32];

	for (size_t i = 0; i < s->n_pids; i++) {
		snprintf(path, sizeof(path), "/proc/%" PRIu32, s->pids[i]);
		if (!access(path, F_OK))
			return true;
	}
	return s->n_pids == 0;
}

/*
 * Whether there is anything of it. What has just started may not be known yet: it is looked for.
 * And for some seconds the stream may be held up by a stack that waits for a table.
 */
static bool matches_something(struct profiler *p, struct selection *s, enum http_select_time time)
{
	const struct window *past = profiler_cumulative(p);

	if (selection_is_everything(s) || profiler_count_matches(p, s))
		return true;
	if (time == HTTP_SELECT_PAST && past && window_each(past, is_entry_of, s))
		return true;
	if (profiler_catch_up(p, clock_monotonic_ns()))
		return profiler_count_matches(p, s) > 0;
	return profiler_count_matches(p, s) > 0 || (may_run(s) && profiler_count_running(s) > 0);
}

bool http_select(struct http_request *r, const char *query, enum http_select_time time,
		 struct selection *ret)
{
	const char *bad = "out of memory";
	struct selection s;
	char what[256];

	if (http_selection(&r->route, query, &s, &bad) < 0) {
		http_error(r, MHD_HTTP_BAD_REQUEST, "%s", bad);
		return false;
	}
	if (!matches_something(r->manager->profiler, &s, time)) {
		describe(&s, what, sizeof(what));
		selection_done(&s);
		http_error(r, MHD_HTTP_NOT_FOUND, "no process matches %s", what);
		return false;
	}
	switch (narrow(r, time, &s)) {
	case 0:
		*ret = s;
		return true;
	case -E2BIG:
		http_error(r, MHD_HTTP_FORBIDDEN,
			   "more than %d of your processes match; select some by pid, or ask as "
			   "root or as a member of group " ACCESS_GROUP,
			   SELECTION_MAX_PIDS);
		break;
	default:
		http_error(r, MHD_HTTP_FORBIDDEN,
			   "none of your processes matches; to see those of others, be root or in "
			   "group " ACCESS_GROUP);
	}
	selection_done(&s);
	return false;
}

struct examination {
	const struct selection *selection;
	const struct process_table *processes;
	const struct process *passed[2]; /* who did last, of processes and of wakers */
};

/*
 * The owner in /proc tells of what a process runs now. Of what it ran before another exec, or its
 * end, the program must tell: one with rights of its own made it somebody else.
 */
static bool passes(struct examination *x, const struct process *p, const struct process **passed)
{
	if (!p || p == *passed || !selection_matches(x->selection, p))
		return true;
	*passed = p;
	return process_table_still_runs(x->processes, p) || access_is_plain_program(p->executable);
}

static int examine(const struct window_entry *e, void *userdata)
{
	struct examination *x = userdata;

	return !passes(x, e->process, &x->passed[0]) || !passes(x, e->waker, &x->passed[1]);
}

bool http_select_still_allowed(const struct http_request *r)
{
	struct examination x = {
		.selection = &r->selection,
		.processes = profiler_processes(r->manager->profiler),
	};

	if (r->access.everything)
		return true;
	for (size_t i = 0; i < r->selection.n_pids; i++) {
		char path[32];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%" PRIu32, r->selection.pids[i]);
		if (stat(path, &st) == 0 && st.st_uid != r->access.uid)
			return false;
	}
	return window_each(r->window, examine, &x) == 0;
}

struct search {
	const struct selection *selection;
	uint32_t pid;
};

static int find_first(struct process *p, void *userdata)
{
	struct search *s = userdata;

	if (!p->exit_time && selection_matches(s->selection, p) &&
	    (s->pid == 0 || p->tgid < s->pid))
		s->pid = p->tgid;
	return 0;
}

uint32_t http_select_first(struct http_request *r, const struct selection *s)
{
	struct search search = { .selection = s };

	process_table_each(profiler_processes(r->manager->profiler), find_first, &search);
	return search.pid;
}
