/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics: what profd knows of itself, and every counter of every module (library_metrics.h).
 */
#include "base/clock.h"
#include "exposition.h"
#include "http.h"
#include "http_request.h"
#include "library_metrics.h"
#include "manager.h"
#include "memory.h"
#include "rotation.h"
#include "store.h"

static void counter(FILE *f, const char *name, const char *help, uint64_t value)
{
	exposition_single_counter(f, name, help, value);
}

static void gauge(FILE *f, const char *name, const char *help, double value)
{
	exposition_single_gauge(f, name, help, value);
}

static void print_build(struct manager *m, FILE *f)
{
	exposition_gauge(f, "build_info", "always 1; the version is in the label");
	exposition_gauge_value(f, "build_info", "version", PROFD_VERSION, 1);
	gauge(f, "uptime_seconds", "since profd started",
	      (double)(clock_monotonic_ns() - m->started) / (double)NS_PER_S);
	if (manager_tables_after(m))
		gauge(f, "unwind_running_loaded_seconds",
		      "from the start of profd until the unwinding tables of all that ran were in "
		      "the kernel; missing before that",
		      (double)manager_tables_after(m) / (double)NS_PER_S);
	counter(f, "reloads", "times that the configuration was read again", m->reloads);
}

static void print_collector(const struct collector_state *s, FILE *f)
{
	for (unsigned int i = 0; i < ABI_COUNTERS_COUNT; i++)
		counter(f, collector_counter_name(i), collector_counter_help(i), s->counters[i]);
	gauge(f, "sample_frequency_hertz", "samples per second and CPU", s->sample_frequency);
	gauge(f, "cpus_sampled", "CPUs that are sampled", s->cpus);
	gauge(f, "vma_walk_works", "1 if the start-up self-test passed", s->vma_walk_works);
	exposition_seconds(f, "bpf_run_seconds",
			   "time in the sampling program; 0 unless kernel.bpf_stats_enabled is set",
			   s->run_ns);
	counter(f, "bpf_runs", "runs of the sampling program; as above", s->run_count);
	counter(f, "sideband_buffers_bad",
		"times that the content of a side-band buffer was thrown away as it contradicted "
		"itself",
		s->sideband_bad);
}

static void print_quality(struct manager *m, FILE *f)
{
	const struct quality *q = m->quality;
	struct quality waits = q[ABI_KIND_BLOCK];

	exposition_counter(f, "user_stacks",
			   "user stacks of closed windows, kind cpu, by how they ended");
	for (unsigned int i = 0; i < ABI_STACK_ENDS_COUNT; i++)
		exposition_counter_value(f, "user_stacks", "end", quality_end_name(i),
					 q[ABI_KIND_CPU].user_stacks[i]);
	quality_add(&waits, &q[ABI_KIND_MUTEX]);
	exposition_counter(f, "wait_stacks",
			   "the same of kinds block and mutex; idle waits are not counted");
	for (unsigned int i = 0; i < ABI_STACK_ENDS_COUNT; i++)
		exposition_counter_value(f, "wait_stacks", "end", quality_end_name(i),
					 waits.user_stacks[i]);
	counter(f, "frames", "frames of the stacks of closed windows, kind cpu",
		q[ABI_KIND_CPU].frames);
	counter(f, "user_stacks_from_slices", "user stacks unwound in user space, kind cpu",
		q[ABI_KIND_CPU].user_stacks_from_slices);
}

static void print_waits(const struct collector_state *s, FILE *f)
{
	exposition_gauge(f, "wait_hook", "1 for the place where stacks of waits are taken");
	for (unsigned int i = 0; i < ABI_WAIT_HOOKS_COUNT; i++)
		exposition_gauge_value(f, "wait_hook", "hook", collector_wait_hook_name(i),
				       s->wait_hook == i);
	gauge(f, "block_rate_seconds", "waiting per stack that is taken, now; 0 = none is",
	      (double)s->block_rate / (double)NS_PER_S);
	exposition_seconds(
		f, "bpf_wait_run_seconds",
		"time in the programs of waits; 0 unless kernel.bpf_stats_enabled is set",
		s->wait_run_ns);
	counter(f, "bpf_wait_runs", "runs of the programs of waits; as above", s->wait_run_count);
	counter(f, "bpf_wait_missed",
		"events that the programs of waits did not see, as they came while the same "
		"program ran on that CPU",
		s->wait_missed);
}

static void print_library(struct manager *m, FILE *f)
{
	struct library_counters counters;

	library_counters_gather(m->profiler, &counters);
	library_counters_print(&counters, f);
}

static void print_resident(FILE *f)
{
	struct resident_parts parts;

	memory_resident(&parts);
	exposition_gauge(f, "resident_memory_bytes", "resident memory of profd, by what backs it");
#define X(name, label)                                                                             \
	exposition_gauge_value(f, "resident_memory_bytes", "kind", label, (double)parts.name);
	RESIDENT_PARTS(X)
#undef X
}

static void print_memory(struct manager *m, const struct collector_state *s, FILE *f)
{
	struct memory_parts parts;

	memory_measure(m, s, &parts);
#define X(name, help) gauge(f, "memory_" #name "_bytes", help, (double)parts.name);
	MEMORY_PARTS(X)
#undef X
	gauge(f, "memory_budget_bytes", "the option memory_budget",
	      (double)m->options.memory_budget);
	gauge(f, "memory_unwind_budget_bytes", "what memory_unwind_rows_bytes may become",
	      (double)manager_unwind_budget(m));
}

static void print_http(struct http_request *r, FILE *f)
{
	static const char *const names[] = {
#define X(name, text) text,
		HTTP_ENDPOINTS(X)
#undef X
	};
	const struct http_stats *s = http_get_stats(r->http);

	exposition_counter(f, "http_requests", "requests received, by what they ask for");
	for (unsigned int i = 0; i < HTTP_ENDPOINTS_COUNT; i++)
		exposition_counter_value(f, "http_requests", "endpoint", names[i], s->requests[i]);
#define X(name, help) counter(f, #name, help, s->name);
	HTTP_COUNTERS(X)
#undef X
	gauge(f, "http_connections_active", "connections open now", (double)s->connections_active);
	gauge(f, "http_profiles_active", "profiles being collected for clients now",
	      (double)s->profiles_active);
}

static void print_files(struct manager *m, FILE *f)
{
	struct rotation_stats s = { 0 };
	struct store_stats store;

	store_get_stats(m->store, &store);
	gauge(f, "windows", "closed windows kept in memory", (double)store.windows);
	counter(f, "windows_dropped", "windows dropped before they could be written to a file",
		store.dropped_unwritten);
	if (!m->rotation)
		return;
	rotation_get_stats(m->rotation, &s);
	counter(f, "files_written", "profile files written", s.history.written);
	counter(f, "files_written_bytes", "bytes of profile files written",
		s.history.written_bytes);
	counter(f, "files_removed", "profile files removed to keep retain_bytes and retain_age",
		s.history.removed);
	counter(f, "files_failures", "rotations that could not write or remove all files",
		s.failures);
	counter(f, "files_lost", "profile files given up, others of the same time were written",
		s.lost);
	gauge(f, "files", "profile files kept", (double)s.history.files);
	gauge(f, "files_bytes", "bytes of disk that profile files take", (double)s.history.bytes);
}

void http_metrics(struct http_request *r)
{
	struct http_page page;
	FILE *f = http_page_open(&page);
	struct collector_state state;

	if (!f)
		return;
	collector_get_state(profiler_collector(r->manager->profiler), &state);
	print_build(r->manager, f);
	print_collector(&state, f);
	print_waits(&state, f);
	print_quality(r->manager, f);
	print_library(r->manager, f);
	print_resident(f);
	print_memory(r->manager, &state, f);
	print_http(r, f);
	print_files(r->manager, f);
	http_page_send(r, &page, "text/plain; version=0.0.4; charset=utf-8");
}
