/* SPDX-License-Identifier: Apache-2.0 */
#include "parser.h"

#include "base/cleanup.h"
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

int parser_new(bool idle, struct worker **ret, struct error *e)
{
	const struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.idle = idle,
	};

	return worker_new(&o, ret, e);
}

int parser_new_for_lines(struct worker **ret, struct error *e)
{
	const struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.memory_limit = LINES_MEMORY,
	};

	return worker_new(&o, ret, e);
}
