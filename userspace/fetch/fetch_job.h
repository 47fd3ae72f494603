/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fetcher process does: gets the debug file of a build id from the first debuginfod server
 * that has it and writes it into the descriptor it is given. It is a worker (worker/worker.h) with
 * a network and nothing else: no rights, no other files, limits on bytes and time.
 *
 * Protocol: GET URL/buildid/HEX/debuginfo, debuginfod(8) of elfutils. Only http and https.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "elf/build_id.h"

#define FETCH_MAX_URLS 2048 /* bytes of them all */

struct fetch_question {
	uint8_t build_id[ELF_BUILD_ID_MAX];
	uint32_t build_id_size;
	uint32_t timeout_ms; /* of all servers together */
	uint64_t max_bytes;
	char urls[FETCH_MAX_URLS]; /* separated by spaces */
};

/*
 * Descriptor 0 is a file to write. Answers 8 bytes: how many were written. -ENOENT if all servers
 * say that they have no such file, -EBADMSG if what came is not of that build id, -EFBIG if it
 * is larger than allowed, else -EHOSTUNREACH: it is not known whether there is one.
 */
int fetch_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		  size_t *ret_size);
