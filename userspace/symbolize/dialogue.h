/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a parser process of which the next depends on the answer to the last; or, without
 * that process, to the same function right here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct worker;

/* A part of who asks, who lives until @take returns false. */
struct dialogue {
	struct worker *worker; /* borrowed; NULL = in this process, and at once */
	unsigned int job;      /* the worker's number of @run */
	int (*run)(const int *fds, size_t n_fds, const void *args, size_t args_size,
		   void **ret_data, size_t *ret_size);
	/* Asks the next question, with dialogue_ask(), and returns what that does; or an -errno. */
	int (*next)(struct dialogue *d);
	/*
	 * Takes the answer, or @status as of worker_submit(), or the error of @next. True if there
	 * is one more question; else it is over, and @d can be gone.
	 */
	bool (*take)(struct dialogue *d, int status, const void *data, size_t size);
	void *data; /* the answer in this process */
	size_t size;
};

int dialogue_ask(struct dialogue *d, const int *fds, size_t n_fds, const void *args,
		 size_t args_size);

/*
 * Begins. With a worker: 0, or -errno of the first question and @take will not be called. Without
 * one it is over when this returns 0.
 */
int dialogue_start(struct dialogue *d);
