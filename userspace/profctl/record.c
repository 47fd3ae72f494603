/* SPDX-License-Identifier: Apache-2.0 */
/* profctl record */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "profctl/arguments.h"
#include "profctl/child.h"
#include "profctl/measure.h"
#include "profctl/output.h"
#include "profctl/profctl.h"
#include "profctl/signals.h"
#include "profctl/source.h"
#include "profctl/summary.h"
#include "profctl/text.h"

#define DEFAULT_DURATION (30 * NS_PER_S)
/* There is no next profile that would have the lines that come too late. */
#define LINE_PATIENCE (10 * NS_PER_S)

/* Descriptors that are watched: the signals, the program, then one for each process. */
enum { WATCH_SIGNALS, WATCH_CHILD, WATCH_PIDS };

struct recorder {
	const struct arguments *a;
	struct source source;
	struct output outputs[WANTED_MAX]; /* of each kind */
	struct signals signals;
	struct child child;
	struct pollfd fds[WATCH_MAX_FDS];
	size_t n_living; /* of the selected processes */
	uint64_t start;
	uint64_t duration; /* 0 = open */
	bool progress;	   /* a line on the terminal is kept up to date */
	bool finishing;
};

static void clear_progress(const struct recorder *r)
{
	if (r->progress)
		fputs("\r\033[K", stderr);
}

static void show_progress(const struct recorder *r)
{
	double elapsed = (double)(clock_monotonic_ns() - r->start) / NS_PER_S;

	if (!r->progress)
		return;
	fprintf(stderr, "\r\033[KRecording: %.1f s", elapsed);
	if (r->duration)
		fprintf(stderr, " of %g s", (double)r->duration / NS_PER_S);
	fputs(r->finishing ? ", ending" : ", Ctrl-C ends it", stderr);
	fflush(stderr);
}

/* The first one ends the recording, the second one gives up. */
static enum watch_answer look_at_signals(struct recorder *r)
{
	int number;

	while ((number = signals_take(&r->signals))) {
		/* A terminal sends SIGINT to the program too; SIGTERM came to us alone. */
		if (number == SIGTERM && r->child.pid > 0)
			kill(r->child.pid, SIGTERM);
		if (r->finishing)
			return WATCH_ABORT;
		r->finishing = true;
	}
	return WATCH_GO_ON;
}

static void look_at_pids(struct recorder *r)
{
	const struct selection *s = &r->a->selection;

	for (size_t i = 0; i < s->n_pids; i++) {
		struct pollfd *p = &r->fds[WATCH_PIDS + i];
		double elapsed = (double)(clock_monotonic_ns() - r->start) / NS_PER_S;

		if (p->fd < 0 || !p->revents)
			continue;
		closep(&p->fd);
		p->fd = -1;
		clear_progress(r);
		complain("process %u ended after %.1f s; what was recorded of it is kept",
			 s->pids[i], elapsed);
		if (--r->n_living == 0)
			r->finishing = true;
	}
}

static enum watch_answer look(void *userdata)
{
	struct recorder *r = userdata;

	if (look_at_signals(r) == WATCH_ABORT)
		return WATCH_ABORT;
	look_at_pids(r);
	if (r->child.pidfd >= 0 && r->fds[WATCH_CHILD].revents)
		r->finishing = true;
	show_progress(r);
	return r->finishing ? WATCH_FINISH : WATCH_GO_ON;
}

/* The process of a thread, 0 if it cannot be told. */
static unsigned int process_of(uint32_t tid)
{
	_cleanup_free_ char *text = NULL;
	char path[32], value[16];

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	if (file_read(AT_FDCWD, path, 65536, &text, NULL) < 0 ||
	    text_value(text, "Tgid", value, sizeof(value)) < 0)
		return 0;
	return (unsigned int)strtoul(value, NULL, 10);
}

/*
 * Opens what tells that a selected process ended. Only without a daemon is a process that is not
 * there an error: the daemon may count in another pid namespace.
 */
static int watch_pids(struct recorder *r, struct error *e)
{
	const struct selection *s = &r->a->selection;

	for (size_t i = 0; i < s->n_pids; i++) {
		int *fd = &r->fds[WATCH_PIDS + i].fd;

		*fd = pidfd_open((pid_t)s->pids[i], 0);
		r->n_living += *fd >= 0;
		if (*fd >= 0 || r->source.client)
			continue;
		if (errno == EINVAL)
			return error_set(e, ESRCH, "--pid %u: is a thread of process %u",
					 s->pids[i], process_of(s->pids[i]));
		if (errno != ESRCH)
			return error_set(e, errno, "--pid %u: %s", s->pids[i], strerror(errno));
		if (s->n_pids == 1)
			return error_set(e, ESRCH, "--pid %u: there is no such process",
					 s->pids[i]);
		complain("--pid %u: there is no such process; recording the others", s->pids[i]);
	}
	if (s->n_pids && !r->n_living && !r->source.client)
		return error_set(e, ESRCH, "--pid: none of these processes exists");
	return 0;
}

/* NULL when out of memory. */
static char *output_name(const struct recorder *r, uint8_t kind)
{
	bool several = r->a->wanted.n > 1;
	_cleanup_free_ char *label = NULL, *what = NULL;

	if (r->a->output)
		return several ? output_name_of_type(r->a->output, wanted_name(kind))
			       : strdup(r->a->output);
	label = output_label(&r->a->selection, r->a->command ? r->a->command[0] : NULL,
			     r->child.pid);
	if (!label)
		return NULL;
	if (!several && kind == ABI_KIND_CPU)
		return output_default_name(label, time(NULL));
	if (asprintf(&what, "%s-%s", label, wanted_name(kind)) < 0)
		return NULL;
	return output_default_name(what, time(NULL));
}

static int open_outputs(struct recorder *r, struct error *e)
{
	int result = 0;

	for (size_t i = 0; i < r->a->wanted.n && result == 0; i++) {
		_cleanup_free_ char *name = output_name(r, r->a->wanted.kinds[i]);

		result = name ? output_open(name, &r->outputs[i], e)
			      : error_set(e, ENOMEM, "out of memory");
	}
	return result;
}

/* All that can fail is tried before anything is recorded. */
static int prepare(struct recorder *r, struct error *e)
{
	const struct source_options options = {
		.prefer_local = r->a->command != NULL,
		.line_patience = LINE_PATIENCE,
	};
	int result;

	for (size_t i = 0; i < WATCH_MAX_FDS; i++)
		r->fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	result = signals_block(&r->signals);
	if (result < 0)
		return error_set(e, -result, "cannot watch signals: %s", strerror(-result));
	if (r->a->command) {
		result = child_start(r->a->command, &r->signals.before, &r->child, e);
		if (result < 0)
			return result;
	}
	r->fds[WATCH_SIGNALS].fd = r->signals.fd;
	r->fds[WATCH_CHILD].fd = r->child.pidfd;
	result = open_outputs(r, e);
	if (result == 0)
		result = source_open(r->a, &options, &r->source, e);
	return result < 0 ? result : watch_pids(r, e);
}

static int collect(struct recorder *r, struct recorded ret[static WANTED_MAX], struct error *e)
{
	const struct watch watch = { r->fds, WATCH_PIDS + r->a->selection.n_pids, look, r };
	const struct source_request request = {
		.selection = &r->a->selection,
		.wanted = &r->a->wanted,
		.duration = r->duration,
		.child = r->a->command ? &r->child : NULL,
		.watch = &watch,
	};
	int result;

	if (r->a->command && r->source.client)
		complain("without root only the program itself is recorded, not what it starts");
	r->start = clock_monotonic_ns();
	result = source_profile(&r->source, &request, ret, e);
	clear_progress(r);
	return result;
}

/*
 * With a program, its own status is the answer: it is waited for, also after the recording. One
 * that could not be run has ended with 126 or 127.
 */
static int exit_code(struct recorder *r, int result)
{
	bool released = r->child.pid > 0 && r->child.gate < 0;
	int code = profctl_exit_code(result);

	if (!r->a->command)
		return code;
	if (code == PROFCTL_INTERRUPTED)
		return code;
	/* Nothing is left to be kept: from here on Ctrl-C does what it does to any program. */
	signals_done(&r->signals);
	r->signals.fd = -1;
	if (released) {
		int status = child_wait(&r->child);

		if (result == 0 || status == PROFCTL_COMMAND_NOT_EXECUTABLE ||
		    status == PROFCTL_COMMAND_NOT_FOUND)
			return status;
	}
	return PROFCTL_COMMAND_FAILED;
}

static int keep(struct recorder *r, const struct recorded *recorded, struct error *e)
{
	for (size_t i = 0; i < r->a->wanted.n; i++) {
		struct output *o = &r->outputs[i];
		int result = output_commit(o, recorded[i].data, recorded[i].size, e);
		bool to_stdout;

		if (result < 0)
			return result;
		/* What a program prints and what profctl says do not mix. */
		to_stdout = o->path && !r->a->command;
		summary_print(to_stdout ? stdout : stderr, o->path, recorded[i].data,
			      recorded[i].size);
		fflush(stdout);
	}
	return 0;
}

static int record(struct recorder *r, struct error *e)
{
	struct recorded recorded[WANTED_MAX] = { 0 };
	int result;

	result = prepare(r, e);
	if (result == 0)
		result = collect(r, recorded, e);
	if (result == 0)
		result = keep(r, recorded, e);
	recorded_done(recorded);
	return result;
}

int record_run(const struct arguments *a)
{
	struct recorder r = {
		.a = a,
		.outputs = { OUTPUT_NONE, OUTPUT_NONE, OUTPUT_NONE },
		.signals.fd = -1,
		.child = CHILD_NONE,
		.duration = a->duration	 ? a->duration
			    : a->command ? 0
					 : DEFAULT_DURATION,
		.progress = isatty(STDERR_FILENO),
	};
	struct error e = {};
	int result, code;

	result = record(&r, &e);
	if (result < 0)
		complain("%s", e.text);
	for (size_t i = 0; i < WANTED_MAX; i++)
		output_done(&r.outputs[i]);
	source_close(&r.source);
	code = exit_code(&r, result);
	child_done(&r.child);
	for (size_t i = WATCH_PIDS; i < WATCH_MAX_FDS; i++)
		closep(&r.fds[i].fd);
	signals_done(&r.signals);
	return code;
}
