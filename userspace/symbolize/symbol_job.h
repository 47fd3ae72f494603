/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser process does for names: a symbol table from descriptors (worker/worker.h). It
 * cannot open files, so the debug file of a program takes two jobs: the first tells what to look
 * for and gives the names that there are without it, the second gets a file that was found.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "elf/debug_identity.h"

struct elf_symbols;

/* What comes with a table. */
struct symbol_answer {
	uint32_t wants_debug_file; /* the file has no symbol table of its own */
	struct debug_identity identity;
};

/*
 * Descriptor 0 is the executable, 1 (if there is one) a file that may be its separate debug file;
 * the arguments are a struct elf_symbols_limits. -ENOENT if the second file does not belong to the
 * first. Can as well be called without a parser process.
 */
int symbol_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size,
		   void **ret_data, size_t *ret_size);

/*
 * Checks an answer of @size bytes, malloced, and takes it apart. @ret_table is then @data itself,
 * and its owner's to free. -EBADMSG if it contradicts itself.
 */
int symbol_job_take(void *data, size_t size, struct elf_symbols **ret_table,
		    struct symbol_answer *ret);
