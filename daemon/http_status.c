/* SPDX-License-Identifier: Apache-2.0 */
/* The pages about the machine and about profd itself: home, processes, executables, status,
 * healthz. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "http.h"
#include "http_request.h"
#include "library_metrics.h"
#include "manager.h"
#include "memory.h"
#include "profile/window.h"
#include "rotation.h"
#include "store.h"
#include "unwind_tables.h"
#include "units.h"

#define PROCESSES_SECONDS 60
/* Older than this, the last drain says that nothing is taken in any more. */
#define HEALTHY_NS (5 * NS_PER_S)

void http_home(struct http_request *r)
{
	static const struct {
		const char *link, *text;
	} links[] = {
		{ "debug/pprof/", "profiles, where Go programs have theirs" },
		{ "debug/pprof/profile?seconds=10", "CPU profile of all processes, next 10 s" },
		{ "debug/pprof/block", "what processes wait for, since the start" },
		{ "debug/pprof/mutex", "who keeps them waiting for locks, since the start" },
		{ "processes", "processes by CPU time" },
		{ "executables", "executables, their unwinding tables and names" },
		{ "status", "what profd does" },
		{ "metrics", "metrics of profd, for Prometheus" },
		{ "healthz", "whether profd is well" },
	};
	struct http_page page;
	FILE *f = http_page_open(&page);

	if (!f)
		return;
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<title>profd</title>\n</head>\n<body>\n<h1>profd</h1>\n<ul>\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		fprintf(f, "<li><a href=\"%s\">/%s</a>: %s</li>\n", links[i].link, links[i].link,
			links[i].text);
	fputs("</ul>\n<p>One process: put <code>/pid/1234</code>, <code>/comm/nginx</code> or "
	      "<code>/unit/nginx.service</code> before <code>/debug/pprof/</code>.</p>\n"
	      "<pre>go tool pprof 'http://ADDRESS/debug/pprof/profile?seconds=10'</pre>\n"
	      "</body>\n</html>\n",
	      f);
	http_page_send(r, &page, HTTP_HTML);
}

/* One life of a process, summed over windows. */
struct row {
	const struct process *process; /* borrowed from a window of the store */
	uint64_t count;
	int64_t value;
};

struct rows {
	struct row *list;
	size_t n, allocated;
};

static int add_row(const struct window_entry *entry, void *userdata)
{
	struct rows *rows = userdata;

	if (entry->kind != ABI_KIND_CPU)
		return 0;
	if (rows->n == rows->allocated) {
		size_t n = rows->allocated ? rows->allocated * 2 : 256;
		struct row *list = reallocarray(rows->list, n, sizeof(*list));

		if (!list)
			return -1;
		rows->list = list;
		rows->allocated = n;
	}
	rows->list[rows->n++] =
		(struct row){ entry->process, (uint64_t)entry->count, entry->value };
	return 0;
}

static int by_life(const void *a, const void *b)
{
	const struct process *x = ((const struct row *)a)->process;
	const struct process *y = ((const struct row *)b)->process;

	if (x->tgid != y->tgid)
		return x->tgid < y->tgid ? -1 : 1;
	if (x->start_time != y->start_time)
		return x->start_time < y->start_time ? -1 : 1;
	/* An exec gives a life a new name. The last one is shown, which alone tells of its end. */
	return x->exit_time > y->exit_time ? -1 : x->exit_time < y->exit_time;
}

static int by_value(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return x->process->tgid < y->process->tgid ? -1 : x->process->tgid > y->process->tgid;
}

/* Sums up the rows of one life, so that no more are held than there are processes. */
static void merge(struct rows *rows)
{
	size_t kept = 0;

	if (rows->n)
		qsort(rows->list, rows->n, sizeof(*rows->list), by_life);
	for (size_t i = 0; i < rows->n; i++) {
		struct row *last = kept ? &rows->list[kept - 1] : NULL;
		const struct process *p = rows->list[i].process;

		if (last && process_is_same_life(last->process, p)) {
			last->count += rows->list[i].count;
			last->value += rows->list[i].value;
		} else {
			rows->list[kept++] = rows->list[i];
		}
	}
	rows->n = kept;
}

/* A field of a table: what would break the table is replaced. */
static void print_field(FILE *f, const char *text, char end)
{
	for (; text && *text; text++)
		fputc(iscntrl((unsigned char)*text) ? '?' : *text, f);
	fputc(end, f);
}

/*
 * What a life is called now: its samples may be of before an exec. NULL if it is not for this
 * client: one that has ended may have been another user's, whoever has its pid now.
 */
static const struct process *latest(struct http_request *r, const struct process *p)
{
	struct process_table *processes = profiler_processes(r->manager->profiler);
	const struct process *now = process_table_find(processes, p->tgid);
	bool lives = now && process_is_same_life(now, p);

	if (r->access.everything)
		return lives ? now : p;
	return lives && access_allows(&r->access, p->tgid) &&
			       process_table_still_runs(processes, now)
		       ? now
		       : NULL;
}

static void print_rows(struct http_request *r, const struct rows *rows, uint64_t span, FILE *f)
{
	fputs("pid\tcpu_percent\tsamples\tcomm\tunit\tcontainer\texecutable\n", f);
	for (size_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->list[i];
		const struct process *p = latest(r, row->process);

		if (!p)
			continue;
		fprintf(f, "%" PRIu32 "\t%.2f\t%" PRIu64 "\t", p->tgid,
			span ? 100.0 * (double)row->value / (double)span : 0.0, row->count);
		print_field(f, p->comm, '\t');
		print_field(f, p->unit, '\t');
		print_field(f, p->container, '\t');
		print_field(f, p->executable, '\n');
	}
}

/* False without memory. */
static bool add_window(struct rows *rows, const struct window *w)
{
	if (window_each(w, add_row, rows) != 0)
		return false;
	merge(rows);
	return true;
}

void http_processes(struct http_request *r)
{
	uint64_t now = clock_monotonic_ns(), seconds = PROCESSES_SECONDS, span = 0, until = 0;
	const struct window *open = profiler_window(r->manager->profiler, &until);
	char value[HTTP_VALUE_LEN];
	struct window *const *windows;
	struct rows rows = { 0 };
	struct http_page page;
	bool ok = true;
	size_t n;
	FILE *f;

	if (http_query_get(r->query, "seconds", value) && atoi(value) > 0)
		seconds = (uint64_t)atoi(value);
	n = store_since(r->manager->store, now - MIN(now, seconds * NS_PER_S), &windows);
	for (size_t i = 0; ok && i < n; i++) {
		ok = add_window(&rows, windows[i]);
		span += window_end(windows[i]) - window_start(windows[i]);
	}
	if (ok && open) { /* who has just started is in no other */
		ok = add_window(&rows, open);
		span += until - window_start(open);
	}
	if (!ok) {
		free(rows.list);
		return;
	}
	if (rows.n)
		qsort(rows.list, rows.n, sizeof(*rows.list), by_value);
	f = http_page_open(&page);
	if (f) {
		print_rows(r, &rows, span, f);
		http_page_send(r, &page, HTTP_TEXT);
	}
	free(rows.list);
}

static void print_waits(struct manager *m, const struct collector_state *s, FILE *f)
{
	char rate[UNITS_TEXT_LEN];

	fprintf(f, "block_rate: %s%s\n", units_format_duration(s->block_rate, rate),
		m->options.block_rate == OPTIONS_AUTO ? " (auto)" : "");
	fprintf(f, "wait_hook: %s\n", collector_wait_hook_name(s->wait_hook));
	if (s->wait_hook_text[0])
		fprintf(f, "wait_hook_reason: %s\n", s->wait_hook_text);
	fprintf(f, "waits: %" PRIu64 "\nwaits_kept: %" PRIu64 "\nlocks_kept: %" PRIu64 "\n",
		s->counters[ABI_COUNTER_waits], s->counters[ABI_COUNTER_waits_kept],
		s->counters[ABI_COUNTER_locks_kept]);
}

static void print_sampling(struct manager *m, const struct collector_state *s, FILE *f)
{
	const uint64_t *c = s->counters;

	fprintf(f, "event: %s\nfrequency: %u\ncpus: %u\n", s->event, s->sample_frequency, s->cpus);
	fprintf(f, "selftest: %s\n", s->vma_walk_works ? "ok" : "failed");
	fprintf(f, "samples: %" PRIu64 "\n", c[ABI_COUNTER_samples_attempted]);
	fprintf(f, "samples_lost: %" PRIu64 "\n",
		c[ABI_COUNTER_samples_lost_ring_full] + c[ABI_COUNTER_samples_lost_nested]);
	print_waits(m, s, f);
}

static void print_unwinding(struct manager *m, FILE *f)
{
	static const char *const states[] = {
#define X(name, help) #name,
		TABLE_STATES(X)
#undef X
	};
	struct library_counters c;

	library_counters_gather(m->profiler, &c);
	for (unsigned int i = 0; i < TABLE_STATES_COUNT; i++)
		fprintf(f, "unwind_tables_%s: %" PRIu64 "\n", states[i], c.table_states[i]);
	fprintf(f, "unwind_rows: %" PRIu64 "\nunwind_row_bytes: %" PRIu64 "\n", c.store.rows,
		c.store.row_bytes);
	fprintf(f, "unwind_row_bytes_budget: %" PRIu64 "\n", manager_unwind_budget(m));
	if (manager_tables_after(m))
		fprintf(f, "unwind_running_loaded_ms: %" PRIu64 "\n",
			(uint64_t)(manager_tables_after(m) / NS_PER_MS));
	fprintf(f, "unwind_cache: %s\npreload: %s\n", m->options.unwind_cache, m->options.preload);
	fprintf(f, "slices: %" PRIu64 "\nslices_unwound_early: %" PRIu64 "\n",
		c.pipeline.slices_unwound, c.pipeline.slices_unwound_early);
	/* Each is started once at the start of profd. */
	fprintf(f, "parser_restarts: %" PRIu64 "\nparser_queued: %" PRIu64 "\n",
		c.parser.starts - MIN(c.parser.starts, UNWINDING_PARSERS), c.parser.queued);
}

static void print_memory(struct manager *m, const struct collector_state *s, FILE *f)
{
	struct memory_parts parts;
	struct resident_parts resident;

	memory_resident(&resident);
	fprintf(f, "memory_resident: %" PRIu64 "\n", memory_resident_sum(&resident));
#define X(name, label) fprintf(f, "memory_resident_%s: %" PRIu64 "\n", label, resident.name);
	RESIDENT_PARTS(X)
#undef X
	memory_measure(m, s, &parts);
#define X(name, help) fprintf(f, "memory_%s: %" PRIu64 "\n", #name, parts.name);
	MEMORY_PARTS(X)
#undef X
}

static void print_files(struct manager *m, FILE *f)
{
	struct rotation_stats stats;

	fprintf(f, "directory: %s\n", m->options.directory);
	if (!m->rotation)
		return;
	rotation_get_stats(m->rotation, &stats);
	fprintf(f, "files: %" PRIu64 "\nfiles_bytes: %" PRIu64 "\nfiles_failures: %" PRIu64 "\n",
		stats.history.files, stats.history.bytes, stats.failures);
}

static void print_debuginfod(struct manager *m, FILE *f)
{
	struct debuginfod_stats s;

	if (!profiler_debuginfod(m->profiler))
		return;
	debuginfod_get_stats(profiler_debuginfod(m->profiler), &s);
	fprintf(f, "debuginfod_found: %" PRIu64 "\ndebuginfod_not_found: %" PRIu64 "\n", s.found,
		s.not_found);
	fprintf(f, "debuginfod_failed: %" PRIu64 "\ndebuginfod_waiting: %" PRIu64 "\n", s.failed,
		s.waiting);
}

void http_status(struct http_request *r)
{
	struct manager *m = r->manager;
	struct http_page page;
	FILE *f = http_page_open(&page);
	struct collector_state state;

	if (!f)
		return;
	collector_get_state(profiler_collector(m->profiler), &state);
	fprintf(f, "version: %s\npid: %d\nuptime: %" PRIu64 "\nkernel: %s\n", PROFD_VERSION,
		getpid(), (uint64_t)((clock_monotonic_ns() - m->started) / NS_PER_S), m->kernel);
	print_sampling(m, &state, f);
	print_unwinding(m, f);
	print_debuginfod(m, f);
	print_memory(m, &state, f);
	for (size_t i = 0; i < m->listeners.n; i++)
		fprintf(f, "listener: %s\n", m->listeners.list[i].name);
	print_files(m, f);
	http_page_send(r, &page, HTTP_TEXT);
}

void http_executables(struct http_request *r)
{
	struct profiler *p = r->manager->profiler;
	struct unwind_table_line *lines;
	struct http_page page;
	size_t n;
	FILE *f;

	if (!r->access.everything) {
		http_error(r, MHD_HTTP_FORBIDDEN,
			   "this page is about everybody's programs; to see it, be root or in "
			   "group " ACCESS_GROUP);
		return;
	}
	if (unwind_tables_list(profiler_tables(p), profiler_executables(p), &lines, &n) < 0)
		return;
	f = http_page_open(&page);
	if (f) {
		unwind_tables_print(lines, n, f);
		unwind_tables_print_jit(symbolizer_jit_programs(profiler_symbolizer(p)), f);
		http_page_send(r, &page, HTTP_TEXT);
	}
	free(lines);
}

void http_healthz(struct http_request *r)
{
	uint64_t age = clock_monotonic_ns() - r->manager->last_drain;
	char *text;

	if (age > HEALTHY_NS) {
		http_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "no samples taken in for %" PRIu64 " s",
			   (uint64_t)(age / NS_PER_S));
		return;
	}
	text = strdup("ok\n");
	if (text)
		http_reply(r, MHD_HTTP_OK, HTTP_TEXT, text, strlen(text));
}
