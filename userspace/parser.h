/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs of the parser process (worker/worker.h): everything that reads what is in foreign files.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct worker;

enum parser_job {
	PARSER_UNWIND_TABLE, /* unwind/table_job.h */
	PARSER_SYMBOLS,	     /* symbolize/symbol_job.h */
	PARSER_LINES,	     /* symbolize/line_job.h */
	PARSER_JIT,	     /* symbolize/jit_job.h */
};

/* A parser process; with @idle one that runs only when nobody else wants the CPU. */
int parser_new(bool idle, struct worker **ret, struct error *e);
/* One for PARSER_LINES alone, which can take long, with less memory. */
int parser_new_for_lines(struct worker **ret, struct error *e);
