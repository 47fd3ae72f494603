/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/cumulative_merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "process/process.h"
#include "process/process_object.h"
#include "profile/window.h"

/*
 * What the processes of a group have in common. Equal strings are one object (process/shared.h),
 * and the old window holds them while this is compared as bytes.
 */
struct group_key {
	const struct shared *executable, *identity;
	char comm[PROCESS_COMM_SIZE];
};

struct merging {
	const struct cumulative_merge_options *options;
	struct intern *keys;	 /* struct group_key */
	struct process **groups; /* by id - 1, one reference each */
	uint32_t n_allocated;
	struct window *window; /* the new one */
	uint64_t visited;
};

static void merging_done(struct merging *m)
{
	for (uint32_t i = 0; m->keys && i < intern_count(m->keys); i++)
		process_unref(m->groups[i]);
	free(m->groups);
	intern_free(m->keys);
	window_free(m->window);
}

/* Has what @p has, and is nobody. NULL when out of memory. */
static struct process *group_new(const struct process *p)
{
	struct process *group = process_clone(p);

	if (!group)
		return NULL;
	group->tgid = group->parent = 0;
	group->start_boottime = group->start_time = group->exec_time = 0;
	group->exit_time = 1;
	return group;
}

static int reserve(struct merging *m)
{
	uint32_t n = m->n_allocated ? 2 * m->n_allocated : 64;
	struct process **groups;

	if (intern_count(m->keys) < m->n_allocated)
		return 0;
	groups = reallocarray(m->groups, n, sizeof(struct process *));
	if (!groups)
		return -ENOMEM;
	m->groups = groups;
	m->n_allocated = n;
	return 0;
}

/* @p itself, if it is a group and the first one seen with what it has. Borrowed. */
static struct process *find_or_add(struct merging *m, struct process *p)
{
	struct group_key key = { process_executable_file(p), process_identity(p), "" };
	struct process *group;
	uint32_t id;

	snprintf(key.comm, sizeof(key.comm), "%s", p->comm);
	id = intern_find(m->keys, &key, sizeof(key));
	if (id)
		return m->groups[id - 1];
	if (reserve(m) < 0)
		return NULL;
	group = p->tgid ? group_new(p) : process_ref(p);
	if (!group)
		return NULL;
	id = intern_bytes(m->keys, &key, sizeof(key));
	if (!id) {
		process_unref(group);
		return NULL;
	}
	m->groups[id - 1] = group;
	return group;
}

/* A group ends with the last of it. */
static struct process *group_of(struct merging *m, struct process *p)
{
	struct process *group = find_or_add(m, p);

	if (group)
		group->exit_time = MAX(group->exit_time, p->exit_time);
	return group;
}

static bool is_over(const struct merging *m, const struct process *p)
{
	const struct cumulative_merge_options *o = m->options;

	return !p->tgid ||
	       (p->exit_time + CUMULATIVE_GRACE_NS <= o->now && o->has_ended(o->userdata, p));
}

static bool is_of_files(const struct window *w, const uint32_t *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (window_frame(w, frames[i], NULL).kind == FRAME_ADDRESS)
			return false;
	return true;
}

/* Whose the stack is from now on: borrowed, NULL when out of memory. */
static struct process *owner_of(struct merging *m, const struct window *w, struct process *p,
				const uint32_t *frames, size_t n)
{
	return is_over(m, p) && is_of_files(w, frames, n) ? group_of(m, p) : p;
}

static int merge_entry(const struct window_entry *e, void *userdata)
{
	struct merging *m = userdata;
	struct window_entry merged = *e;

	m->visited++;
	if (!e->folded) {
		merged.process = owner_of(m, e->window, e->process, e->frames, e->n_frames);
		if (e->waker)
			merged.waker = owner_of(m, e->window, e->waker, e->waker_frames,
						e->n_waker_frames);
		if (!merged.process || (e->waker && !merged.waker))
			return -ENOMEM;
	}
	return window_add_entry(m->window, &merged);
}

DEFINE_CLEANUP(struct merging *, merging_done);

int cumulative_merge(const struct window *w, const struct cumulative_merge_options *o,
		     struct window **ret, uint64_t *ret_merged)
{
	struct merging merging = { .options = o };
	_cleanup_(merging_donep)
	struct merging *m = &merging;
	int r;

	m->keys = intern_new();
	m->window = window_new(window_start(w));
	if (!m->keys || !m->window)
		return -ENOMEM;
	r = window_each(w, merge_entry, m);
	if (r < 0)
		return r;
	*ret_merged = m->visited - window_entries(m->window);
	*ret = TAKE_PTR(m->window);
	return 0;
}
