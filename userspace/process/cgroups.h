/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the cgroup id of a sample to path, unit and container, and the cache of it. An id is never
 * given twice by the kernel and a cgroup cannot be renamed, so an answer stays right; what could
 * not be resolved (the cgroup was removed meanwhile) is remembered too.
 *
 * An id is a place in the unified hierarchy. Where systemd keeps its own v1 hierarchy beside that
 * (name=systemd), the id says nothing and only /proc/PID/cgroup does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/shared.h"

struct cgroups;

/*
 * @proc_fd: the directory of /proc, borrowed, or -1: nothing is looked up. NULL: no memory. The set
 * must outlive it.
 */
struct cgroups *cgroups_new(int proc_fd, struct shared_set *names);
struct cgroups *cgroups_free(struct cgroups *c);

/* True if an id of a sample names a cgroup of the hierarchy that systemd manages. */
bool cgroups_have_ids(const struct cgroups *c);

/* A reference to the identity of the cgroup with this id; NULL if it is not known. */
struct shared *cgroups_by_id(struct cgroups *c, uint64_t id);
/* The identity of a path. NULL: no memory. */
struct shared *cgroups_by_path(struct cgroups *c, const char *path);
/* Lets id mean identity from now on (it was learned from /proc/PID/cgroup). */
void cgroups_remember(struct cgroups *c, uint64_t id, struct shared *identity);

size_t cgroups_memory(const struct cgroups *c);

/* The content of an identity: three strings, of which unit and container may be empty. */
static inline char *identity_path(struct shared *identity)
{
	return identity->data;
}

char *identity_unit(struct shared *identity);	   /* NULL = none */
char *identity_container(struct shared *identity); /* NULL = none */
