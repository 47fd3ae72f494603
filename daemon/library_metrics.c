/* SPDX-License-Identifier: Apache-2.0 */
#include "library_metrics.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "exposition.h"
#include "unwind_tables.h"

/* What can go down again; everything else in the lists only grows. */
static bool is_gauge(const char *name)
{
	static const char *const gauges[] = {
		"processes",
		"processes_exited",
		"mappings",
		"executables",
		"executables_unreadable",
		"executables_open",
		"file_ids",
		"symbolizer_kernel_symbols",
		"pipeline_slices_waiting",
		"unwind_tables_waiting",
		"unwind_store_tables",
		"unwind_store_rows",
		"unwind_store_row_bytes",
		"unwind_store_pages",
		"unwind_store_rules",
		"parser_queued",
		"debuginfod_waiting",
	};

	for (size_t i = 0; i < ARRAY_SIZE(gauges); i++)
		if (strcmp(gauges[i], name) == 0)
			return true;
	return false;
}

static void print(FILE *f, const char *name, const char *help, uint64_t value)
{
	if (is_gauge(name))
		exposition_single_gauge(f, name, help, (double)value);
	else
		exposition_single_counter(f, name, help, value);
}

void library_counters_gather(struct profiler *p, struct library_counters *ret)
{
	struct table_manager *tables = profiler_tables(p);

	stream_get_stats(profiler_stream(p), &ret->stream);
	process_table_get_stats(profiler_processes(p), &ret->processes);
	executable_table_get_stats(profiler_executables(p), &ret->executables);
	symbolizer_get_stats(profiler_symbolizer(p), &ret->symbolizer);
	pipeline_get_stats(profiler_pipeline(p), &ret->pipeline);
	table_manager_get_stats(tables, &ret->tables);
	table_store_get_stats(table_manager_store(tables), &ret->store);
	unwinding_get_worker_stats(profiler_unwinding(p), &ret->parser);
	unwinding_get_preload_stats(profiler_unwinding(p), &ret->preload);
	ret->debuginfod = (struct debuginfod_stats){};
	if (profiler_debuginfod(p))
		debuginfod_get_stats(profiler_debuginfod(p), &ret->debuginfod);
	unwind_tables_count(tables, ret->table_states);
}

static void print_table_states(const struct library_counters *c, FILE *f)
{
	static const char *const names[] = {
#define X(name, help) #name,
		TABLE_STATES(X)
#undef X
	};

	exposition_gauge(f, "unwind_tables", "files by the state of their unwinding table");
	for (unsigned int i = 0; i < TABLE_STATES_COUNT; i++)
		exposition_gauge_value(f, "unwind_tables", "state", names[i],
				       (double)c->table_states[i]);
}

static void print_unnamed(const struct library_counters *c, FILE *f)
{
	exposition_counter(f, "symbolizer_unnamed",
			   "frames for which there was no name, by the reason");
	for (unsigned int i = UNNAMED_NOT + 1; i < UNNAMED_COUNT; i++)
		exposition_counter_value(f, "symbolizer_unnamed", "reason", unnamed_reason_name(i),
					 c->symbolizer.unnamed[i]);
}

void library_counters_print(const struct library_counters *c, FILE *f)
{
#define X(name, help) print(f, "stream_" #name, help, c->stream.name);
	STREAM_COUNTERS(X)
#undef X
#define X(name, help) print(f, #name, help, c->processes.name);
	PROCESS_TABLE_COUNTERS(X)
#undef X
#define X(name, help) print(f, #name, help, c->executables.name);
	EXECUTABLE_TABLE_COUNTERS(X)
#undef X
#define X(name, help) print(f, "symbolizer_" #name, help, c->symbolizer.name);
	SYMBOLIZER_COUNTERS(X)
#undef X
	print_unnamed(c, f);
#define X(name, help) print(f, "pipeline_" #name, help, c->pipeline.name);
	PIPELINE_COUNTERS(X)
#undef X
	print_table_states(c, f);
#define X(name, help) print(f, "unwind_tables_" #name, help, c->tables.name);
	TABLE_MANAGER_COUNTERS(X)
#undef X
#define X(name, help) print(f, "unwind_store_" #name, help, c->store.name);
	TABLE_STORE_COUNTERS(X)
#undef X
#define X(name, help) print(f, "parser_" #name, help, c->parser.name);
	WORKER_COUNTERS(X)
#undef X
#define X(name, help) print(f, "preload_" #name, help, c->preload.name);
	PRELOAD_COUNTERS(X)
#undef X
#define X(name, help) print(f, "debuginfod_" #name, help, c->debuginfod.name);
	DEBUGINFOD_COUNTERS(X)
#undef X
}
