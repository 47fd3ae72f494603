/* SPDX-License-Identifier: Apache-2.0 */
#include "parser.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolize/jit_job.h"
#include "symbolize/line_job.h"
#include "symbolize/symbol_job.h"
#include "unwind/table_job.h"
#include "worker/worker.h"

static const struct worker_job jobs[] = {
	[PARSER_UNWIND_TABLE] = { "unwinding table", table_job_run },
	[PARSER_SYMBOLS] = { "symbols", symbol_job_run },
	[PARSER_LINES] = { "lines", line_job_run },
	[PARSER_JIT] = { "names of compiled code", jit_job_run },
};

/* Bytes of address space: two of the largest units, and what compressed sections need (dwarf.h). */
#define LINES_MEMORY ((size_t)512 << 20)

/* Nobody waits for lines. A kernel takes 0.2 s, in an emulated machine 10. */
#define LINES_CPU_NS  (30 * NS_PER_S)
#define LINES_TIME_NS (60 * NS_PER_S)

int parser_new(enum worker_priority priority, struct worker **ret, struct error *e)
{
	const struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.priority = priority,
	};

	return worker_new(&o, ret, e);
}

int parser_new_for_lines(struct worker **ret, struct error *e)
{
	const struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.memory_limit = LINES_MEMORY,
		.cpu_limit = LINES_CPU_NS,
		.time_limit = LINES_TIME_NS,
	};

	return worker_new(&o, ret, e);
}
