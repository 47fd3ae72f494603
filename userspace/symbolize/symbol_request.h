/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question about the names of one executable: one or more jobs (symbol_job.h), with the search
 * for its debug file in between. In the parser process if there is one, and then nobody waits for
 * it; else right here. What comes back is as little to be trusted as the file, and checked.
 *
 * How it can be wrong: the file, or a parser process that it took over, may call its functions what
 * it likes, and choose which ELF file beside it is read for them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "symbolize/symbol_job.h"

struct debug_file_search;
struct symbol_request;
struct worker;

struct symbol_reader {
	struct worker *worker; /* borrowed; NULL = parse in this process */
	unsigned int job;      /* the worker's number of symbol_job_run() */
	size_t max_table;      /* bytes of one table */
};

/* All of it is copied; descriptors are duplicated. */
struct symbol_wish {
	int fd;
	const uint64_t *addresses;		/* rising, at most SYMBOL_JOB_MAX_ADDRESSES */
	size_t n;				/* 0 = all that the file has */
	const struct debug_file_search *search; /* NULL = no debug file is looked for */
	const struct symbol_answer *known;	/* what an earlier reading told; NULL = nothing */
	size_t whole_bytes;			/* as in struct elf_symbols_request */
};

struct symbol_reading {
	struct elf_symbols *table; /* the receiver's */
	struct symbol_answer answer;
	int debug_error; /* why a debug file could not be read, and @table is without it; else 0 */
};

/*
 * The end: the request frees itself. @status: 0, -ECHILD if the parser crashed, -ETIME if it took
 * too long, or another -errno; @reading is valid for 0.
 */
typedef void (*symbol_done_fn)(void *userdata, int status, const struct symbol_reading *reading);

/*
 * Asks for the symbols of a file, or of its debug file if it has none and one is found. @done is
 * called once: from worker_process(), or without a worker before this returns, and @ret is NULL. 0,
 * or -errno and it will not be called.
 */
int symbol_request_start(const struct symbol_reader *reader, const struct symbol_wish *wish,
			 symbol_done_fn done, void *userdata, struct symbol_request **ret);

/* Drops one that was not done. Only when worker_process() is not called any more. */
struct symbol_request *symbol_request_free(struct symbol_request *q);
