/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits of processes that have ended, told by name, executable and cgroup and no longer by process:
 * a machine that starts fifty processes a second shows the same stacks in all of them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct process;
struct window;

/* How long an ended process is told of by itself. */
#define CUMULATIVE_GRACE_NS (60 * 1000000000ULL)

struct cumulative_merge_options {
	/* Whether the life that @p is (or was, before an exec) of is over. */
	bool (*has_ended)(void *userdata, const struct process *p);
	void *userdata;
	uint64_t now; /* monotonic ns; UINT64_MAX = the grace of all is over */
};

/*
 * A copy of @w, in which waits and wakers of ended processes are those of a process without number
 * (tgid 0) that has what they had in common. Not merged are stacks with code that no file backs: it
 * is named by what the process told of it. @ret_merged: entries that there are fewer. 0 or -ENOMEM.
 */
int cumulative_merge(const struct window *w, const struct cumulative_merge_options *o,
		     struct window **ret, uint64_t *ret_merged);
