/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct worker_options;

/*
 * Forks a child that gives up everything it does not need and then answers requests until the other
 * end of @ret_socket is closed. It does not outlive its parent.
 */
int worker_child_start(const struct worker_options *o, pid_t *ret_pid, int *ret_socket);

/*
 * Gives up what a parser does not need: descriptors but @socket, user and group where that is
 * allowed, capabilities, memory beyond the limit, and all system calls but a few. 0 or -errno;
 * a caller that gets an error must exit. Not reversible. It ends when @parent does.
 */
int worker_child_confine(const struct worker_options *o, int socket, pid_t parent);
