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

struct debug_file_search;
struct elf_symbols;
struct worker;

struct symbol_reader {
	struct worker *worker; /* borrowed; NULL = parse in this process */
	unsigned int job;      /* the worker's number of symbol_job_run() */
	size_t max_table;      /* bytes of one table */
};

/*
 * Reads the symbols of @fd, or of its debug file if it has none and one is found. @search may be
 * NULL: no debug file is looked for. Waits for the parser. -ECHILD if it crashed, -ETIME if it took
 * too long, or another -errno.
 *
 * When reading a debug file fails, @ret_debug_error says why (else 0) and the table is what there
 * is without it.
 */
int symbol_reader_read(const struct symbol_reader *reader, int fd,
		       const struct debug_file_search *search, struct elf_symbols **ret,
		       int *ret_debug_error);
