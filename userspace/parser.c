/* SPDX-License-Identifier: Apache-2.0 */
#include "parser.h"

#include "base/cleanup.h"
#include "symbolize/symbol_job.h"
#include "unwind/table_job.h"
#include "worker/worker.h"

static const struct worker_job jobs[] = {
	[PARSER_UNWIND_TABLE] = { "unwinding table", table_job_run },
	[PARSER_SYMBOLS] = { "symbols", symbol_job_run },
};

int parser_new(bool idle, struct worker **ret, struct error *e)
{
	const struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.idle = idle,
	};

	return worker_new(&o, ret, e);
}
