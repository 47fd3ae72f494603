/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "process/cgroups.h"
#include "process/mappings.h"
#include "process/process_object.h"

/* What the strings of a process point to while they are not known; never written to. */
static char nothing[1];

static struct process_object *object_of(const struct process *p)
{
	return (struct process_object *)p;
}

struct process *process_new(uint32_t tgid, const char *comm)
{
	struct process_object *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->process.refs = 1;
	o->process.tgid = tgid;
	o->process.comm = o->comm;
	o->process.executable = nothing;
	o->process.cgroup = nothing;
	process_set_comm(&o->process, comm);
	return &o->process;
}

struct process *process_clone(const struct process *p)
{
	struct process_object *o = malloc(sizeof(*o));

	if (!o)
		return NULL;
	*o = *object_of(p);
	o->process.refs = 1;
	o->process.comm = o->comm;
	shared_ref(o->executable);
	shared_ref(o->identity);
	return &o->process;
}

struct process *process_ref(struct process *p)
{
	p->refs++;
	return p;
}

struct process *process_unref(struct process *p)
{
	struct process_object *o;

	if (!p || --p->refs > 0)
		return NULL;
	o = object_of(p);
	shared_unref(o->executable);
	shared_unref(o->identity);
	free(o);
	return NULL;
}

void process_set_comm(struct process *p, const char *comm)
{
	utf8_copy(object_of(p)->comm, sizeof(object_of(p)->comm), comm);
}

bool process_has_comm(const struct process *p, const char *comm)
{
	char clean[PROCESS_COMM_SIZE];

	utf8_copy(clean, sizeof(clean), comm);
	return strcmp(p->comm, clean) == 0;
}

void process_set_executable(struct process *p, struct shared *file)
{
	struct process_object *o = object_of(p);

	shared_ref(file);
	shared_unref(o->executable);
	o->executable = file;
	p->executable = file ? file->data + offsetof(struct mapped_file, path) : nothing;
}

struct shared *process_executable_file(const struct process *p)
{
	return object_of(p)->executable;
}

void process_set_identity(struct process *p, struct shared *identity)
{
	struct process_object *o = object_of(p);

	shared_ref(identity);
	shared_unref(o->identity);
	o->identity = identity;
	p->cgroup = identity ? identity_path(identity) : nothing;
	p->unit = identity ? identity_unit(identity) : NULL;
	p->container = identity ? identity_container(identity) : NULL;
}

struct shared *process_identity(const struct process *p)
{
	return object_of(p)->identity;
}
