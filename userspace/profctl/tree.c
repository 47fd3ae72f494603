/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "profile/window.h"

struct member {
	uint32_t tgid;
	uint64_t start_time, exit_time; /* as in struct process */
	UT_hash_handle hh;
};

struct tree {
	uint32_t root;
	struct member *members;
	bool changed;
};

struct tree *tree_new(uint32_t root)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (t)
		t->root = root;
	return t;
}

struct tree *tree_free(struct tree *t)
{
	struct member *m, *next;

	if (!t)
		return NULL;
	HASH_ITER(hh, t->members, m, next) {
		HASH_DEL(t->members, m);
		free(m);
	}
	free(t);
	return NULL;
}

static struct member *find(const struct tree *t, uint32_t tgid)
{
	struct member *m;

	HASH_FIND(hh, t->members, &tgid, sizeof(tgid), m);
	return m;
}

/* A process whose parent is a member, and was there when it began. */
static bool is_child(const struct tree *t, const struct process *p)
{
	const struct member *parent = p->parent ? find(t, p->parent) : NULL;

	return parent && parent->start_time <= p->start_time &&
	       (!parent->exit_time || p->start_time <= parent->exit_time);
}

bool tree_has(const struct tree *t, const struct process *p)
{
	const struct member *m = find(t, p->tgid);

	return p->tgid == t->root || (m && m->start_time == p->start_time) || is_child(t, p);
}

static int visit(struct process *p, void *userdata)
{
	struct tree *t = userdata;
	struct member *m;

	if (!tree_has(t, p))
		return 0;
	m = find(t, p->tgid);
	if (m && m->start_time == p->start_time && m->exit_time == p->exit_time)
		return 0;
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return -ENOMEM;
		m->tgid = p->tgid;
		HASH_ADD(hh, t->members, tgid, sizeof(m->tgid), m);
	}
	m->start_time = p->start_time;
	m->exit_time = p->exit_time;
	t->changed = true;
	return 0;
}

/* The table has no order: a grandchild may be met before its parent is known to belong. */
#define MAX_ROUNDS 64

int tree_update(struct tree *t, struct process_table *processes)
{
	for (int round = 0; round < MAX_ROUNDS; round++) {
		int r;

		t->changed = false;
		r = process_table_each(processes, visit, t);
		if (r < 0)
			return r;
		if (!t->changed)
			break;
	}
	return 0;
}

struct filter {
	const struct tree *tree;
	struct window *window;
};

/*
 * An entry stands for @count observations of equal value. A window counts observations for its
 * quality record, so it is given as many; the values add up to what they were.
 */
static int copy_entry(const struct window_entry *e, void *userdata)
{
	struct filter *f = userdata;
	struct sample sample = {
		.kind = e->kind,
		.user_end = e->user_end,
		.tid = e->tid,
		.count = 1,
		.process = e->process,
		.n_frames = e->n_frames,
		.frames = e->frames,
	};
	int r = 0;

	if (!tree_has(f->tree, e->process))
		return 0;
	for (int64_t i = 0; i < e->count && r == 0; i++) {
		sample.value = e->value / e->count + (i < e->value % e->count);
		r = window_add(f->window, &sample);
	}
	return r;
}

int tree_filter(const struct tree *t, struct window *w, struct window **ret)
{
	struct window *filtered = window_new(window_start(w));
	struct filter f = { .tree = t, .window = filtered };
	int r;

	if (!filtered)
		return -ENOMEM;
	r = window_each(w, copy_entry, &f);
	if (r < 0) {
		window_free(filtered);
		return r;
	}
	window_quality(filtered)->samples_lost = window_quality(w)->samples_lost;
	window_quality(filtered)->sideband_lost = window_quality(w)->sideband_lost;
	window_close(filtered, window_end(w));
	*ret = filtered;
	return 0;
}
