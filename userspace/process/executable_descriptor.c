/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors that are held for executables: at most so many, the least recently used is closed
 * for the next. What can be opened again by its path goes first.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "process/executable_object.h"

void executable_object_close(struct executable_table *t, struct executable_object *o)
{
	if (o->fd < 0)
		return;
	DL_DELETE2(t->open, o, open_prev, open_next);
	t->n_open--;
	close(TAKE_FD(o->fd));
}

/* The least recently used one whose path leads to it; else of those that have none. */
static struct executable_object *to_close(struct executable_table *t)
{
	struct executable_object *o;

	DL_FOREACH2(t->open, o, open_next)
	if (!o->deleted)
		return o;
	return t->open != t->vdso ? t->open : t->open->open_next;
}

void executable_object_keep(struct executable_table *t, struct executable_object *o, int fd)
{
	executable_object_close(t, o);
	if (t->n_open >= t->max_open) {
		struct executable_object *victim = to_close(t);

		if (victim)
			executable_object_close(t, victim);
	}
	o->fd = fd;
	DL_APPEND2(t->open, o, open_prev, open_next);
	t->n_open++;
}

static int reopen(struct executable_table *t, struct executable_object *o)
{
	const struct executable *x = &o->executable;
	const struct wanted_file wanted = {
		.path = x->path,
		.build_id = x->build_id,
		.build_id_size = x->build_id_size,
		.inode = x->inode,
		.device = x->device,
		.size = x->inode_size,
	};
	struct found_file f = { .fd = -1 };
	struct executable_key key;
	int r;

	r = found_file_by_path(t, 0, 0, &wanted, &f);
	if (r < 0)
		return r;
	key = executable_key_of_file(&f);
	if (memcmp(&key, &o->key, sizeof(key)) != 0) {
		found_file_done(&f);
		return -ESTALE;
	}
	o->deleted = f.deleted;
	executable_object_keep(t, o, TAKE_FD(f.fd));
	found_file_done(&f);
	return 0;
}

int executable_table_open(struct executable_table *t, struct executable *x)
{
	struct executable_object *o = (struct executable_object *)x;
	int r;

	if (!x->readable)
		return -ENOENT;
	if (o->fd < 0) {
		r = reopen(t, o);
		if (r < 0)
			return r;
	}
	DL_DELETE2(t->open, o, open_prev, open_next);
	DL_APPEND2(t->open, o, open_prev, open_next);
	return o->fd;
}
