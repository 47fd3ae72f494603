/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes a profile is about. All that is set must hold; an empty one selects everything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

#define SELECTION_MAX_PIDS 64

struct selection {
	uint32_t pids[SELECTION_MAX_PIDS]; /* any of these */
	size_t n_pids;			   /* 0 = any */
	char *comm;			   /* exact, NULL = any */
	char *unit;			   /* exact, also without its ".service"; NULL = any */
	char *container;		   /* id or a prefix of at least 8 characters; NULL = any */
	bool of_lives;			   /* a pid is meant in one of its lives only: */
	uint64_t lives[SELECTION_MAX_PIDS]; /* the start_time of that one */
	bool of_programs;		    /* and of that only since its last exec: */
	uint64_t execs[SELECTION_MAX_PIDS]; /* the exec_time */
};

bool selection_is_everything(const struct selection *s);
bool selection_matches(const struct selection *s, const struct process *p);
int selection_copy(const struct selection *s, struct selection *ret);
/* Frees what it holds, not the struct. */
void selection_done(struct selection *s);
