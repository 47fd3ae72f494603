/* SPDX-License-Identifier: Apache-2.0 */
/* profctl list */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/process.h"
#include "profctl/arguments.h"
#include "profctl/client.h"
#include "profctl/list_table.h"
#include "profctl/local.h"
#include "profctl/profctl.h"
#include "profctl/signals.h"
#include "profctl/source.h"
#include "profctl/terminal.h"
#include "profctl/text.h"
#include "profile/window.h"

#define DEFAULT_DURATION NS_PER_S

static void print(const struct arguments *a, struct process_row *rows, size_t n)
{
	unsigned int height, width = 0;

	if (isatty(STDOUT_FILENO))
		terminal_size(&height, &width);
	list_table_sort(rows, n);
	list_table_print(stdout, rows, n, a->lines ? a->lines : SIZE_MAX, width);
}

static int list_from_daemon(const struct arguments *a, struct client *client, struct error *e)
{
	_cleanup_free_ struct process_row *rows = NULL;
	_cleanup_free_ char *body = NULL;
	char path[64] = "/processes";
	struct reply reply;
	size_t n;
	int r;

	if (a->duration)
		snprintf(path, sizeof(path), "/processes?seconds=%llu",
			 (a->duration + NS_PER_S - 1) / NS_PER_S);
	r = client_get(client, path, &reply, e);
	if (r < 0)
		return r;
	body = reply.body;
	r = text_processes(body, &rows, &n);
	if (r < 0)
		return error_set(e, -r, "the daemon's list of processes cannot be read: %s",
				 strerror(-r));
	print(a, rows, n);
	if (n == 0)
		complain("the daemon has seen no process on a CPU yet that you may see");
	return 0;
}

/* CPU time by process number: a process that execs is one line, named as it was last seen. */
struct sum {
	uint32_t tgid;
	int64_t value;
	uint64_t samples;
	const struct process *process; /* borrowed from the window */
	UT_hash_handle hh;
};

static int add_entry(const struct window_entry *e, void *userdata)
{
	struct sum **sums = userdata, *sum;

	HASH_FIND(hh, *sums, &e->process->tgid, sizeof(sum->tgid), sum);
	if (!sum) {
		sum = calloc(1, sizeof(*sum));
		if (!sum)
			return -ENOMEM;
		sum->tgid = e->process->tgid;
		sum->process = e->process;
		HASH_ADD(hh, *sums, tgid, sizeof(sum->tgid), sum);
	}
	sum->value += e->value;
	sum->samples += (uint64_t)e->count;
	if (!e->process->exit_time)
		sum->process = e->process;
	return 0;
}

static void free_sums(struct sum **sums)
{
	struct sum *sum, *next;

	HASH_ITER(hh, *sums, sum, next) {
		HASH_DEL(*sums, sum);
		free(sum);
	}
}

static int print_window(const struct arguments *a, const struct window *w)
{
	_cleanup_(free_sums)
	struct sum *sums = NULL;
	_cleanup_free_ struct process_row *rows = NULL;
	double duration = (double)(window_end(w) - window_start(w));
	size_t n = 0;
	int r;

	r = window_each(w, add_entry, &sums);
	if (r < 0)
		return r;
	rows = calloc(HASH_COUNT(sums) + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (const struct sum *sum = sums; sum; sum = sum->hh.next)
		rows[n++] = (struct process_row){
			.pid = sum->tgid,
			.cpu_percent = duration > 0 ? 100 * (double)sum->value / duration : 0,
			.samples = sum->samples,
			.comm = sum->process->comm,
			.unit = sum->process->unit ? sum->process->unit : "",
			.container = sum->process->container ? sum->process->container : "",
			.executable = sum->process->executable,
		};
	print(a, rows, n);
	return 0;
}

static enum watch_answer look(void *userdata)
{
	struct signals *signals = userdata;

	return signals_take(signals) ? WATCH_ABORT : WATCH_GO_ON;
}

static int list_from_here(const struct arguments *a, struct local *local, struct error *e)
{
	static const struct selection everything;
	_cleanup_(signals_done)
	struct signals signals = { .fd = -1 };
	struct pollfd fd = { -1, POLLIN, 0 };
	const struct watch watch = { &fd, 1, look, &signals };
	const struct local_request request = {
		.selection = &everything,
		.wanted = &wanted_cpu,
		.duration = a->duration ? a->duration : DEFAULT_DURATION,
		.watch = &watch,
	};
	struct window *window;
	int r;

	r = signals_block(&signals);
	if (r < 0)
		return error_set(e, -r, "cannot watch signals: %s", strerror(-r));
	fd.fd = signals.fd;
	r = local_collect(local, &request, &window, e);
	if (r < 0)
		return r;
	r = print_window(a, window);
	window_free(window);
	return r < 0 ? error_set(e, -r, "cannot list: %s", strerror(-r)) : 0;
}

int list_run(const struct arguments *a)
{
	static const struct source_options options;
	struct source source = {};
	struct error e = {};
	int r;

	r = source_open(a, &options, &source, &e);
	if (r == 0 && source.client)
		r = list_from_daemon(a, source.client, &e);
	else if (r == 0)
		r = list_from_here(a, source.local, &e);
	source_close(&source);
	if (r < 0)
		complain("%s", e.text);
	return profctl_exit_code(r);
}
