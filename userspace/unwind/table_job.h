/* SPDX-License-Identifier: Apache-2.0 */
/* What the parser process does for unwinding: a table from descriptors (worker/worker.h). */
#pragma once

#include <stddef.h>

/*
 * Descriptor 0 is the executable, 1 (if there is one) its separate debug file. Answers with a
 * struct unwind_table, to be checked by unwind_table_check().
 */
int table_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		  size_t *ret_size);
