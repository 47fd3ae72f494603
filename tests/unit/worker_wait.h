/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a job of a worker, waited for. */
#pragma once

#include <stddef.h>

struct worker;

/* Submits a job and processes the worker's answers until its own has come. Caller frees. */
int worker_wait(struct worker *w, unsigned int job, const int *fds, size_t n_fds, const void *args,
		size_t args_size, void **ret_data, size_t *ret_size);
