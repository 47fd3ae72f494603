/* SPDX-License-Identifier: Apache-2.0 */
/* profctl top */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profctl/arguments.h"
#include "profctl/measure.h"
#include "profctl/profctl.h"
#include "profctl/signals.h"
#include "profctl/source.h"
#include "profctl/summary.h"
#include "profctl/terminal.h"
#include "profctl/text.h"
#include "profctl/top_table.h"
#include "profile/lock_frames.h"
#include "profile/pprof.h"
#include "profile/report.h"

#define DEFAULT_INTERVAL (3 * NS_PER_S)
#define DEFAULT_LINES	 30
/* Keys are not looked at meanwhile; what comes later is in the next report. */
#define NAME_PATIENCE (2 * NS_PER_S)
/* Lines of a screen that are not rows of the table: the header of the report and of the table. */
#define HEADER_LINES 4

enum { WATCH_SIGNALS, WATCH_KEYS, N_WATCHED };

struct top {
	const struct arguments *a;
	struct source source;
	struct signals signals;
	struct terminal terminal;
	struct pollfd fds[N_WATCHED];
	struct pprof_profile *profile; /* the last one, NULL before the first */
	uint64_t interval;
	bool refresh; /* on a terminal, until it is ended */
	bool cumulative;
	bool quit;
};

static const char *selection_name(const struct selection *s, char *text, size_t size)
{
	if (s->n_pids == 1)
		snprintf(text, size, "process %u", s->pids[0]);
	else if (s->n_pids)
		snprintf(text, size, "%zu processes", s->n_pids);
	else if (s->comm || s->unit)
		snprintf(text, size, "%.60s", s->comm ? s->comm : s->unit);
	else
		snprintf(text, size, "whole machine");
	return text;
}

/* A line no longer than the screen is wide; 0 = as long as it is. */
static void print_line(size_t columns, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void print_line(size_t columns, const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	text_print(stdout, line, columns ? columns : SIZE_MAX);
	putchar('\n');
}

static uint32_t value_column(const struct pprof_profile *p)
{
	return summary_column(p, summary_has_column(p, "delay") ? "delay" : "cpu");
}

static void print_header(const struct top *t, const struct top_table *table)
{
	const struct pprof_profile *p = t->profile;
	bool waits = summary_has_column(p, "delay");
	int64_t total = summary_total(p, value_column(p));
	char amount[MEASURE_TEXT_LEN], duration[MEASURE_TEXT_LEN], share[MEASURE_TEXT_LEN];
	char clock[16], name[64], lost[64] = "";
	time_t when = (time_t)(p->time / (int64_t)NS_PER_S);
	struct tm tm;

	localtime_r(&when, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	measure_format_share(total, p->duration, share);
	if (summary_quality(p, "samples_lost"))
		snprintf(lost, sizeof(lost), ", %" PRIu64 " samples of all processes lost",
			 summary_quality(p, "samples_lost"));
	print_line(table->columns, "%s  %s: %s of %s in %s%s%s%s", clock,
		   selection_name(&t->a->selection, name, sizeof(name)),
		   measure_format_time(total, amount), waits ? "waiting" : "CPU time",
		   measure_format_duration(p->duration, duration), waits ? "" : " (",
		   waits ? "" : share + strspn(share, " "), waits ? "" : " of a CPU)");
	print_line(table->columns, "%" PRId64 " %s, %zu of %zu functions by %s time%s",
		   summary_total(p, summary_column(p, waits ? "contentions" : "samples")),
		   !waits		 ? "samples"
		   : summary_is_mutex(p) ? "contentions"
					 : "waits",
		   MIN(table->n, table->max_rows), table->n, t->cumulative ? "cumulative" : "flat",
		   lost);
	putchar('\n');
}

/* As in the profile, which says so to other readers. */
static const char *drop_frames(const struct top *t)
{
	bool waits = summary_has_column(t->profile, "delay");

	return waits && !t->a->wanted.wakers ? lock_frames() : NULL;
}

static int show(const struct top *t)
{
	const struct pprof_profile *p = t->profile;
	uint32_t column = value_column(p);
	_cleanup_free_ struct report_row *rows = NULL;
	struct top_table table = { .max_rows = t->a->lines ? t->a->lines : DEFAULT_LINES };
	size_t n;
	int r;

	r = report_top(p, column, drop_frames(t), t->cumulative, &rows, &n, &table.total);
	if (r < 0)
		return r;
	if (t->refresh) {
		unsigned int height, width;

		terminal_size(&height, &width);
		table.columns = width;
		table.max_rows = height > HEADER_LINES ? height - HEADER_LINES : 1;
		if (t->a->lines)
			table.max_rows = MIN(table.max_rows, t->a->lines);
		fputs("\033[H\033[J", stdout);
	}
	table.rows = rows;
	table.n = n;
	table.unit = column < p->n_types ? p->units[column] : "";
	print_header(t, &table);
	top_table_print(stdout, &table);
	fflush(stdout);
	return 0;
}

static void look_at_keys(struct top *t)
{
	bool before = t->cumulative;
	int key;

	while (!t->quit && (key = terminal_key(&t->terminal))) {
		if (key == 'q' || key == 'Q')
			t->quit = true;
		else if (key == 'c')
			t->cumulative = true;
		else if (key == 'f')
			t->cumulative = false;
	}
	if (t->cumulative != before && t->profile)
		show(t);
}

/* On a terminal leaving is at once; a single report is kept, as that of record. */
static enum watch_answer look(void *userdata)
{
	struct top *t = userdata;

	if (signals_take(&t->signals)) {
		if (t->quit)
			return WATCH_ABORT;
		t->quit = true;
	}
	look_at_keys(t);
	if (!t->quit)
		return WATCH_GO_ON;
	return t->refresh ? WATCH_ABORT : WATCH_FINISH;
}

static int collect(struct top *t, struct error *e)
{
	const struct watch watch = { t->fds, N_WATCHED, look, t };
	const struct source_request request = {
		.selection = &t->a->selection,
		.wanted = &t->a->wanted,
		.duration = t->interval,
		.watch = &watch,
	};
	struct recorded recorded[WANTED_MAX] = { 0 };
	struct pprof_profile *profile;
	int r;

	r = source_profile(&t->source, &request, recorded, e);
	if (r < 0)
		return r;
	r = pprof_decode(recorded[0].data, recorded[0].size, &profile);
	recorded_done(recorded);
	if (r < 0)
		return error_set(e, -r, "%s sent what is not a profile", source_name(&t->source));
	pprof_profile_free(t->profile);
	t->profile = profile;
	return 0;
}

static int run(struct top *t, struct error *e)
{
	static const struct source_options options = { .patience = NAME_PATIENCE };
	int r;

	r = source_open(t->a, &options, &t->source, e);
	if (r < 0)
		return r;
	r = signals_block(&t->signals);
	if (r < 0)
		return error_set(e, -r, "cannot watch signals: %s", strerror(-r));
	t->fds[WATCH_SIGNALS] = (struct pollfd){ t->signals.fd, POLLIN, 0 };
	t->fds[WATCH_KEYS] = (struct pollfd){ -1, POLLIN, 0 };
	if (t->refresh) {
		terminal_take(&t->terminal);
		t->fds[WATCH_KEYS].fd = t->terminal.keys ? STDIN_FILENO : -1;
		fputs("Collecting; q ends, c sorts by cumulative, f by flat time\n", stdout);
		fflush(stdout);
	}
	do {
		r = collect(t, e);
		if (r == -ECANCELED && t->refresh)
			return 0;
		if (r == 0)
			r = show(t) < 0 ? error_set(e, ENOMEM, "out of memory") : 0;
	} while (r == 0 && t->refresh && !t->quit);
	return r;
}

int top_run(const struct arguments *a)
{
	struct top t = {
		.a = a,
		.signals.fd = -1,
		.interval = a->duration ? a->duration : DEFAULT_INTERVAL,
		.refresh = !a->once && isatty(STDOUT_FILENO),
		.cumulative = a->cumulative,
	};
	struct error e = {};
	int r;

	r = run(&t, &e);
	terminal_restore(&t.terminal);
	signals_done(&t.signals);
	source_close(&t.source);
	pprof_profile_free(t.profile);
	if (r < 0)
		complain("%s", e.text);
	return profctl_exit_code(r);
}
