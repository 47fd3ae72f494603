/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job of the parser process (worker/worker.h): to read on in a file that tells of compiled code.
 * Descriptor 0 is the file, the arguments are the question; the answer is a jit_block.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "symbolize/jit_block.h"

enum jit_format {
	JIT_PERF_MAP,
	JIT_JITDUMP, /* knows more, and is preferred */
	JIT_FORMATS,
};

struct jit_question {
	uint32_t format; /* enum jit_format */
	uint32_t mark;	 /* of the last answer; if the file has another one it was written anew */
	struct jit_limits limits;
};

/* -ENODATA if there is nothing to read yet, -EBADMSG or -ENOTSUP if it is not of that format. */
int jit_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		size_t *ret_size);
