/* SPDX-License-Identifier: Apache-2.0 */
/* From a mapping that the side-band or /proc has told of to its executable. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "process/executable_object.h"
#include "process/process.h"

/* The announced name must be the mapping's: the records that tell of an exec may not be in yet. */
static bool is_mapping_of(const struct process_mapping *m, const struct abi_file_announcement *a)
{
	const char *slash = strrchr(m->path, '/');

	return strncmp(slash ? slash + 1 : m->path, a->name, sizeof(a->name) - 1) == 0;
}

int executable_object_find(struct executable_table *t, struct executable_object *pending,
			   struct executable_object **ret)
{
	const struct abi_file_announcement a = *pending->pending;
	struct wanted_file wanted = { .inode = a.key.inode, .s_device = a.key.device };
	struct process_mapping m;
	struct found_file f = { .fd = -1 };
	int r;

	if (!t->processes ||
	    process_table_mapping(t->processes, a.tgid, a.start_boottime, a.vm_start, &m) < 0)
		return -ENOENT;
	if (!is_mapping_of(&m, &a))
		return -ENOENT;
	free(TAKE_PTR(pending->pending));
	executable_object_set_path(pending, m.path);
	pending->executable.build_id_size = m.build_id_size;
	if (m.build_id_size)
		memcpy(pending->executable.build_id, m.build_id, m.build_id_size);
	wanted.path = m.path;
	wanted.build_id = m.build_id;
	wanted.build_id_size = m.build_id_size;
	if (t->proc_fd < 0) /* another machine's inode numbers */
		wanted.s_device = 0;
	r = found_file_by_path(t, a.tgid, a.start_boottime, &wanted, &f);
	if (r < 0) {
		*ret = executable_index_build_id(t, m.build_id, m.build_id_size);
		return *ret ? 0 : -ENOENT;
	}
	f.deleted |= m.deleted;
	r = executable_object_settle(t, &f, m.path, pending, ret);
	found_file_done(&f);
	return r;
}

/* Without a build id all there is to go by is the path; only what was announced is believed. */
static struct executable *find_by_path(const struct executable_table *t,
				       const struct process_mapping *m)
{
	struct executable_object *o = executable_index_path(t, m->path);

	while (o && o->executable.build_id_size)
		o = o->next_of_path;
	return o ? &o->executable : NULL;
}

struct executable *executable_table_find(const struct executable_table *t,
					 const struct process_mapping *m)
{
	struct executable_object *o = executable_index_build_id(t, m->build_id, m->build_id_size);

	if (o)
		return &o->executable;
	if (m->build_id_size)
		return find_by_path(t, m);
	o = executable_index_path(t, m->path);
	return o ? &o->executable : NULL;
}

/*
 * /proc told of the mappings of those who ran before profd, and it knows no build ids. While the
 * process has it mapped, what it has mapped can be compared with what is held open, or was until
 * other files needed the descriptor.
 */
static struct executable *find_by_inode(struct executable_table *t, uint32_t tgid,
					const struct process_mapping *m)
{
	struct executable_object *o;
	struct stat wanted, st;
	char name[64];
	int fd;

	if (t->proc_fd < 0)
		return NULL;
	snprintf(name, sizeof(name), "%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, tgid, m->start,
		 m->end);
	if (fstatat(t->proc_fd, name, &wanted, 0) < 0)
		return NULL;
	for (o = executable_index_path(t, m->path); o; o = o->next_of_path) {
		fd = executable_table_open(t, &o->executable);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == wanted.st_dev &&
		    st.st_ino == wanted.st_ino)
			return &o->executable;
	}
	return NULL;
}

struct executable *executable_table_of_mapping(struct executable_table *t,
					       struct process_table *processes, uint32_t tgid,
					       uint64_t start_boottime,
					       const struct process_mapping *m)
{
	const struct wanted_file wanted = {
		.path = m->path,
		.build_id = m->build_id,
		.build_id_size = m->build_id_size,
	};
	struct executable_object *o = NULL;
	struct found_file f = { .fd = -1 };
	int r;

	t->processes = processes;
	if (strcmp(m->path, "[vdso]") == 0)
		return &t->vdso->executable;
	if (!m->build_id_size) {
		struct executable *x = find_by_path(t, m);

		return x ? x : find_by_inode(t, tgid, m);
	}
	o = executable_index_build_id(t, m->build_id, m->build_id_size);
	if (o)
		return &o->executable;
	if (found_file_by_path(t, tgid, start_boottime, &wanted, &f) < 0)
		return NULL;
	f.deleted |= m->deleted;
	r = executable_object_settle(t, &f, m->path, NULL, &o);
	found_file_done(&f);
	return r < 0 ? NULL : &o->executable;
}
