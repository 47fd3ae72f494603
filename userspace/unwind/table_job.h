/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser process does for unwinding: a table from descriptors (worker/worker.h). It cannot
 * open files, so a table from a separate debug file takes two jobs: the first tells what to look
 * for, the second gets what was found.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "elf/debug_identity.h"

/* What comes with a table. */
struct table_answer {
	uint32_t wants_debug_file; /* the file describes less than half of its code */
	uint32_t has_debug_file;   /* one of those that were offered belonged to it and was used */
	struct debug_identity identity;
};

/*
 * Descriptor 0 is the executable; the others, if there are any, are files of which one may be its
 * separate debug file. Answers with a struct unwind_table and more, to be checked by
 * table_job_check().
 */
int table_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		  size_t *ret_size);

/* Checks an answer: 0, and @data can be used as a struct unwind_table; or -EBADMSG. */
int table_job_check(const void *data, size_t size, struct table_answer *ret);
