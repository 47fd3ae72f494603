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
#include "elf/elf_symbols.h"

#define SYMBOL_JOB_MAX_ADDRESSES (1U << 20)

/* The arguments. Descriptors: the executable, its debug file if there is one, the addresses. */
struct symbol_question {
	struct elf_symbols_limits limits;
	uint64_t whole_bytes; /* as in struct elf_symbols_request */
	uint32_t has_debug_file;
	uint32_t n; /* addresses, 8 bytes each, rising; 0 = all, and no descriptor for them */
};

/* What comes with a table. */
struct symbol_answer {
	uint32_t wants_debug_file; /* the file has no symbol table of its own */
	struct debug_identity identity;
};

/*
 * -ENOENT if the debug file does not belong to the executable. Can as well be called without a
 * parser process.
 */
int symbol_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size,
		   void **ret_data, size_t *ret_size);

/*
 * Checks an answer of @size bytes, malloced, and takes it apart. @ret_table is then @data itself,
 * and its owner's to free. -EBADMSG if it contradicts itself.
 */
int symbol_job_take(void *data, size_t size, struct elf_symbols **ret_table,
		    struct symbol_answer *ret);
