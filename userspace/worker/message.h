/* SPDX-License-Identifier: Apache-2.0 */
/* The messages between the two sides of the parser worker, and how they travel with descriptors. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "worker/worker.h"

struct worker_request {
	uint32_t job;
	uint32_t args_size;
	uint8_t args[WORKER_MAX_ARGS];
};

/* A status of 0 comes with a descriptor whose first size bytes are the answer. */
struct worker_reply {
	int32_t status;
	uint32_t reserved;
	uint64_t size;
};

/* Sends one whole message; 0 or -errno. */
int worker_send(int socket, const void *message, size_t size, const int *fds, size_t n_fds);

/*
 * Receives one message of exactly @size bytes with at most @max_fds descriptors, which are then the
 * caller's. 1; 0 if the other side is gone; -EBADMSG if it is of another size; -errno.
 * Descriptors that did not come are left as they were.
 */
int worker_receive(int socket, void *message, size_t size, int *fds, size_t max_fds);
