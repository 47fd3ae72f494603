/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of libprofd as metrics: gathered from the modules of a profiler, printed from the
 * lists where they are declared (X-macros), so that none can be forgotten here.
 */
#pragma once

#include <stdio.h>

#include "pipeline.h"
#include "profiler.h"
#include "unwind/table_manager.h"

struct library_counters {
	struct stream_stats stream;
	struct process_table_stats processes;
	struct executable_table_stats executables;
	struct symbolizer_stats symbolizer;
	struct pipeline_stats pipeline;
	struct table_manager_stats tables;
	struct table_store_stats store;
	struct worker_stats parser;
	struct preload_stats preload;
	struct debuginfod_stats debuginfod;
	uint64_t table_states[TABLE_STATES_COUNT]; /* files by the state of their table */
};

void library_counters_gather(struct profiler *p, struct library_counters *ret);
void library_counters_print(const struct library_counters *c, FILE *f);
