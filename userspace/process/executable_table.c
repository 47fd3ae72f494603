/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File ids and the executables they name.
 *
 * Ownership: the table holds one reference of each executable and, with it, its descriptor.
 * An announcement comes before the side-band records of its time are applied. If the process is
 * gone by then, the executable is pending: its file is looked for again, through the mapping that
 * the side-band tells, when somebody asks for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "process/executable_object.h"
#include "process/process.h"

#define DEFAULT_MAX_OPEN 256

/* With valid UTF-8 only. NULL: no memory. */
static char *copy_path(const char *path)
{
	char clean[PATH_MAX];

	utf8_copy(clean, sizeof(clean), path);
	return strdup(clean);
}

static struct executable_object *object_new(struct executable_table *t, const char *path)
{
	struct executable_object *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->executable.refs = 1;
	o->fd = -1;
	o->executable.path = copy_path(path);
	if (!o->executable.path) {
		free(o);
		return NULL;
	}
	DL_APPEND(t->all, o);
	DL_APPEND2(t->unreadable, o, open_prev, open_next);
	t->n_all++;
	t->n_unreadable++;
	return o;
}

static void object_forget(struct executable_table *t, struct executable_object *o)
{
	executable_object_close(t, o);
	executable_index_remove(t, o);
	free(TAKE_PTR(o->pending));
	if (o->hh.tbl)
		HASH_DEL(t->by_key, o);
	DL_DELETE(t->all, o);
	t->n_all--;
	if (!o->executable.readable) {
		DL_DELETE2(t->unreadable, o, open_prev, open_next);
		t->n_unreadable--;
	}
	executable_unref(&o->executable);
}

struct executable_key executable_key_of_file(const struct found_file *f)
{
	struct executable_key key;

	memset(&key, 0, sizeof(key));
	if (f->elf.build_id_size == 0) {
		key.numbers[0] = f->device;
		key.numbers[1] = f->inode;
		key.numbers[2] = f->size;
		key.numbers[3] = f->changed;
		return key;
	}
	key.has_build_id = 1;
	key.build_id_size = f->elf.build_id_size;
	memcpy(key.build_id, f->elf.build_id, f->elf.build_id_size);
	key.numbers[2] = f->elf.n_segments;
	if (f->elf.n_segments) {
		key.numbers[0] = f->elf.segments[0].offset;
		key.numbers[1] = f->elf.segments[0].size;
	}
	return key;
}

static struct executable_object *find_by_key(struct executable_table *t,
					     const struct executable_key *key)
{
	struct executable_object *o;

	HASH_FIND(hh, t->by_key, key, sizeof(*key), o);
	return o;
}

/* @x could not be read, and is not looked for any more: samples that have it mean @known. */
static void settle_as(struct executable *x, struct executable *known)
{
	if (!x->readable && !x->same && x != known)
		x->same = executable_ref(known);
}

/* Others with its build id that could not be read. There are few, if the machine is healthy. */
static void settle_others(struct executable_table *t, struct executable *known)
{
	struct executable_object *o;

	if (known->build_id_size == 0)
		return;
	DL_FOREACH2(t->unreadable, o, open_next)
	if (!o->pending && o->executable.build_id_size == known->build_id_size &&
	    memcmp(o->executable.build_id, known->build_id, known->build_id_size) == 0)
		settle_as(&o->executable, known);
}

/* Takes over what was found, the descriptor included. */
static int fill_in(struct executable_table *t, struct executable_object *o, struct found_file *f)
{
	struct executable *x = &o->executable;
	struct executable_segment *segments;
	int r;

	segments = calloc(f->elf.n_segments + 1, sizeof(*segments));
	if (!segments)
		return -ENOMEM;
	o->key = executable_key_of_file(f);
	r = executable_index_add(t, o);
	if (r == 0) {
		HASH_ADD(hh, t->by_key, key, sizeof(o->key), o);
		if (!o->hh.tbl)
			r = -ENOMEM;
	}
	if (r < 0) {
		executable_index_remove(t, o);
		free(segments);
		return r;
	}
	for (uint32_t i = 0; i < f->elf.n_segments; i++)
		segments[i] = (struct executable_segment){ .offset = f->elf.segments[i].offset,
							   .size = f->elf.segments[i].size,
							   .address = f->elf.segments[i].address };
	x->segments = segments;
	x->n_segments = f->elf.n_segments;
	x->build_id_size = f->elf.build_id_size;
	memcpy(x->build_id, f->elf.build_id, sizeof(x->build_id));
	x->inode = f->inode;
	x->device = f->device;
	x->inode_size = f->size;
	x->readable = true;
	DL_DELETE2(t->unreadable, o, open_prev, open_next);
	t->n_unreadable--;
	o->deleted = f->deleted;
	free(TAKE_PTR(o->pending));
	executable_object_keep(t, o, TAKE_FD(f->fd));
	settle_others(t, x);
	return 0;
}

static void free_ids(struct executable_table *t)
{
	struct file_id *id, *next = NULL;

	HASH_ITER(hh, t->ids, id, next) {
		HASH_DEL(t->ids, id);
		free(id);
	}
}

struct executable_table *executable_table_free(struct executable_table *t)
{
	if (!t)
		return NULL;
	free_ids(t);
	while (t->all)
		object_forget(t, t->all);
	closep(&t->proc_fd);
	free(t);
	return NULL;
}

/* Ids are given one after the other: each is a hash of itself. It is asked for with every frame. */
static struct file_id *find_id(const struct executable_table *t, uint32_t file_id)
{
	struct file_id *id;

	HASH_FIND_BYHASHVALUE(hh, t->ids, &file_id, sizeof(file_id), file_id, id);
	return id;
}

static int add_id(struct executable_table *t, uint32_t file_id, struct executable_object *o)
{
	struct file_id *id = calloc(1, sizeof(*id));

	if (!id)
		return -ENOMEM;
	id->id = file_id;
	id->object = o;
	HASH_ADD_BYHASHVALUE(hh, t->ids, id, sizeof(id->id), file_id, id);
	if (!id->hh.tbl) {
		free(id);
		return -ENOMEM;
	}
	o->ids++;
	return 0;
}

static int add_vdso(struct executable_table *t, bool same)
{
	struct found_file f = { .fd = -1 };
	int r = 0;

	t->vdso = object_new(t, "[vdso]");
	if (!t->vdso)
		return -ENOMEM;
	if (same && found_file_vdso(&f) == 0) {
		r = fill_in(t, t->vdso, &f);
		found_file_done(&f);
	}
	return r < 0 ? r : add_id(t, ABI_FILE_ID_VDSO, t->vdso);
}

int executable_table_new(const struct executable_table_options *o, struct executable_table **ret)
{
	struct executable_table *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->proc_fd = -1;
	/* One for the vdso, one for whatever else is in use. */
	t->max_open = MAX(o && o->max_open ? o->max_open : DEFAULT_MAX_OPEN, 2);
	if (!o || !o->without_proc) {
		t->proc_fd =
			open(o && o->proc ? o->proc : "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (t->proc_fd < 0) {
			r = -errno;
			executable_table_free(t);
			return r;
		}
	}
	r = add_vdso(t, t->proc_fd >= 0 || o->same_vdso);
	if (r < 0) {
		executable_table_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

int executable_object_settle(struct executable_table *t, struct found_file *f, const char *path,
			     struct executable_object *pending, struct executable_object **ret)
{
	struct executable_key key = executable_key_of_file(f);
	struct executable_object *o = find_by_key(t, &key);
	int r;

	if (o) {
		if (o->fd < 0)
			executable_object_keep(t, o, TAKE_FD(f->fd));
		*ret = o;
		return 0;
	}
	o = pending ? pending : object_new(t, path);
	if (!o)
		return -ENOMEM;
	r = fill_in(t, o, f);
	if (r < 0) {
		if (!pending)
			object_forget(t, o);
		return r;
	}
	*ret = o;
	return 0;
}

void executable_object_set_path(struct executable_object *o, const char *path)
{
	char *copy = copy_path(path);

	if (!copy)
		return;
	free(o->executable.path);
	o->executable.path = copy;
}

static int announce_pending(struct executable_table *t, const struct abi_file_announcement *a,
			    struct executable_object **ret)
{
	char name[ABI_FILE_NAME_LEN + 1];
	struct executable_object *o;

	memcpy(name, a->name, ABI_FILE_NAME_LEN);
	name[ABI_FILE_NAME_LEN] = '\0';
	o = object_new(t, name);
	if (!o)
		return -ENOMEM;
	o->pending = malloc(sizeof(*a));
	if (!o->pending) {
		object_forget(t, o);
		return -ENOMEM;
	}
	*o->pending = *a;
	*ret = o;
	return 0;
}

int executable_table_announce(struct executable_table *t, const struct abi_file_announcement *a,
			      struct process_table *processes)
{
	struct executable_object *o = NULL;
	struct found_file f = { .fd = -1 };
	int r;

	t->processes = processes;
	if (find_id(t, a->file_id) || a->file_id < ABI_FILE_ID_FIRST ||
	    a->file_id > ABI_FRAME_FILE_MASK)
		return 0;
	r = found_file_of_announcement(t, a, &f);
	if (r == 0) {
		r = executable_object_settle(t, &f, f.path, NULL, &o);
		found_file_done(&f);
	} else {
		r = announce_pending(t, a, &o);
	}
	return r < 0 ? r : add_id(t, a->file_id, o);
}

int executable_table_add(struct executable_table *t, uint32_t file_id, int fd, const char *path,
			 struct executable **ret)
{
	struct executable_object *o = NULL;
	struct found_file f = { .fd = -1 };
	const struct file_id *id = find_id(t, file_id);
	int r;

	if (id && id->object->executable.readable) {
		*ret = &id->object->executable;
		return 0;
	}
	if (id) /* announced, and being looked for */
		return -EBUSY;
	r = found_file_of_fd(fd, &f);
	if (r < 0)
		return r;
	r = executable_object_settle(t, &f, path, NULL, &o);
	found_file_done(&f);
	if (r == 0)
		r = add_id(t, file_id, o);
	if (r == 0)
		*ret = &o->executable;
	return r;
}

/* Looks again for the file of a pending executable. */
static void retry(struct executable_table *t, struct file_id *id)
{
	struct executable_object *pending = id->object, *found;

	if (executable_object_find(t, pending, &found) < 0 || found == pending)
		return;
	/* It is one that was known. */
	settle_as(&pending->executable, &found->executable);
	id->object = found;
	found->ids++;
	pending->ids--;
	if (pending->executable.refs == 1)
		object_forget(t, pending);
}

struct executable *executable_table_get(struct executable_table *t, uint32_t file_id)
{
	struct file_id *id = find_id(t, file_id);

	if (!id)
		return NULL;
	if (id->object->pending)
		retry(t, id);
	return executable_known_as(&id->object->executable);
}

/* Gives up what was evicted at an earlier call and is held by nobody. */
static void sweep(struct executable_table *t)
{
	struct executable_object *o, *next_object;
	struct file_id *id, *next = NULL;

	HASH_ITER(hh, t->ids, id, next) {
		if (!id->evicted || id->object->executable.refs > 1)
			continue;
		id->object->ids--;
		HASH_DEL(t->ids, id);
		free(id);
	}
	DL_FOREACH_SAFE(t->all, o, next_object)
		if (o->ids == 0 && o->executable.refs == 1)
			object_forget(t, o);
}

void executable_table_forget(struct executable_table *t, const uint32_t *file_ids, size_t n)
{
	/* Samples with the ids that are evicted now may still be on their way: they stay until the
	 * next time. */
	sweep(t);
	for (size_t i = 0; i < n; i++) {
		struct file_id *id = find_id(t, file_ids[i]);

		if (id && id->id != ABI_FILE_ID_VDSO)
			id->evicted = true;
	}
}

int executable_table_each(struct executable_table *t,
			  int (*visit)(struct executable *x, void *userdata), void *userdata)
{
	struct executable_object *o;
	int r = 0;

	DL_FOREACH(t->all, o) {
		r = visit(&o->executable, userdata);
		if (r)
			break;
	}
	return r;
}

void executable_table_get_stats(const struct executable_table *t,
				struct executable_table_stats *ret)
{
	*ret = (struct executable_table_stats){
		.executables = t->n_all,
		.executables_unreadable = t->n_unreadable,
		.executables_open = t->n_open,
		.file_ids = HASH_COUNT(t->ids),
		.file_searches = t->searches.searches,
		.file_searches_refused = t->searches.refused,
	};
}

size_t executable_table_memory(const struct executable_table *t)
{
	size_t memory = sizeof(*t) + HASH_COUNT(t->ids) * sizeof(struct file_id) +
			HASH_OVERHEAD(hh, t->ids) + HASH_OVERHEAD(hh, t->by_key) +
			executable_index_memory(t);
	const struct executable_object *o;

	DL_FOREACH(t->all, o)
		memory += sizeof(*o) + (o->pending ? sizeof(*o->pending) : 0) +
			  strlen(o->executable.path) + 1 +
			  (o->executable.n_segments + 1) * sizeof(*o->executable.segments);
	return memory;
}
