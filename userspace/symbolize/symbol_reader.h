/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the names of files read: in the parser process if there is one, else right here. What
 * comes back is as little to be trusted as the file, and checked.
 *
 * How it can be wrong: the file, or a parser process that it took over, may call its functions what
 * it likes, and choose which ELF file beside it is read for them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "symbolize/symbol_job.h"

struct debug_file_search;
struct worker;

struct symbol_reader {
	struct worker *worker; /* borrowed; NULL = parse in this process */
	unsigned int job;      /* the worker's number of symbol_job_run() */
	size_t max_table;      /* bytes of one table */
	size_t whole_bytes;    /* as in struct elf_symbols_request */
};

struct symbol_wish {
	int fd;
	const uint64_t *addresses;		/* rising, at most SYMBOL_JOB_MAX_ADDRESSES */
	size_t n;				/* 0 = all that the file has */
	const struct debug_file_search *search; /* NULL = no debug file is looked for */
	const struct symbol_answer *known;	/* what an earlier reading told; NULL = nothing */
};

struct symbol_reading {
	struct elf_symbols *table; /* the caller's */
	struct symbol_answer answer;
	int debug_error; /* why a debug file could not be read, and @table is without it; else 0 */
};

/*
 * Reads the symbols of a file, or of its debug file if it has none and one is found. Waits for
 * the parser. -ECHILD if it crashed, -ETIME if it took too long, or another -errno.
 */
int symbol_reader_read(const struct symbol_reader *reader, const struct symbol_wish *wish,
		       struct symbol_reading *ret);
