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

static int copy_entry(const struct window_entry *e, void *userdata)
{
	struct filter *f = userdata;

	return tree_has(f->tree, e->process) ? window_add_entry(f->window, e) : 0;
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
	for (unsigned int kind = ABI_KIND_CPU; kind <= ABI_KIND_MUTEX; kind++) {
		struct quality *q = window_quality(filtered, kind);

		q->samples_lost = window_quality(w, kind)->samples_lost;
		q->sideband_lost = window_quality(w, kind)->sideband_lost;
	}
	window_close(filtered, window_end(w));
	*ret = filtered;
	return 0;
}
