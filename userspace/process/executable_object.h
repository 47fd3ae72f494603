/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the executable table, shared by executable_table.c (ids and what they name),
 * executable_mapping.c (from mappings), executable_index.c (by build id and path),
 * executable_descriptor.c (what is held open) and executable_open.c (finding files).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "abi.h"
#include "elf/elf_file.h"
#include "process/executable.h"
#include "process/search_budget.h"

/*
 * What makes two files one executable: a build id with the same code segments, else, of files
 * without a build id, the inode. (Somebody who forges a build id and the layout of a file can lend
 * it his symbols' names, as with every tool that goes by build ids.)
 */
struct executable_key {
	uint8_t has_build_id;
	uint8_t build_id_size;
	uint8_t build_id[BUILD_ID_MAX];
	uint8_t reserved[6]; /* no hidden padding: it is compared as bytes */
	uint64_t numbers[4]; /* device, inode, size, time of change; or of the first segment, and
				their number */
};

_Static_assert(sizeof(struct executable_key) == 104, "no hidden padding");

struct executable_object {
	struct executable executable; /* must be first */
	int fd;			      /* -1 = closed */
	bool deleted;		      /* its path does not lead to it: opening it again may fail */
	uint32_t ids;		      /* file ids that name it */
	/* Not found yet, but its process's mapping may still be told. NULL = it is not awaited. */
	struct abi_file_announcement *pending;
	struct executable_object *prev, *next;		 /* in the table's list of all */
	struct executable_object *open_prev, *open_next; /* in its list of those with a descriptor,
							    least recently used first; or of those
							    that are not readable */
	struct executable_key key;
	UT_hash_handle hh;					   /* by key, if it has one */
	struct executable_group *of_build_id, *of_path;		   /* in the index; NULL = not */
	struct executable_object *next_of_build_id, *next_of_path; /* the others there */
};

struct file_id {
	uint32_t id;
	bool evicted;
	struct executable_object *object;
	UT_hash_handle hh;
};

struct executable_table {
	struct executable_object *all, *open, *unreadable; /* lists */
	struct executable_object *by_key;		   /* hash */
	struct executable_group *by_build_id, *by_path;	   /* hashes */
	struct file_id *ids;				   /* hash */
	struct executable_object *vdso;
	struct process_table *processes; /* of the last announcement; borrowed */
	int proc_fd;			 /* -1 = without */
	uint32_t max_open, n_open, n_all, n_unreadable;
	struct search_budget searches; /* through the mappings of all processes */
};

/* A file that was found and read. */
struct found_file {
	int fd;
	bool deleted;
	char *path; /* as read from /proc; NULL = as it was looked for */
	uint64_t inode, device, size;
	uint64_t changed; /* ns since 1970 */
	struct elf_file elf;
};

/* What the file that is looked for must be like; NULL or 0 = not known. */
struct wanted_file {
	const char *path;
	const uint8_t *build_id;
	uint8_t build_id_size;
	uint64_t inode, size;
	uint64_t device;   /* as of stat() */
	uint32_t s_device; /* as of the kernel, in struct abi_file_key */
};

/* Opens a file where a process has it mapped: also deleted ones, and those of other namespaces. */
int found_file_of_announcement(const struct executable_table *t,
			       const struct abi_file_announcement *a, struct found_file *ret);

/*
 * Opens a file by its path: in the root of the process that has it mapped (tgid 0 = not known), in
 * ours, in those of the process's ancestors, in that of any process which maps the same path, or a
 * file with its build id elsewhere (that is left out if it costs too much).
 * -ENOENT if none of them leads to what is wanted.
 */
int found_file_by_path(struct executable_table *t, uint32_t tgid, uint64_t start_boottime,
		       const struct wanted_file *wanted, struct found_file *ret);

/* Of an open descriptor, which stays the caller's. */
int found_file_of_fd(int fd, struct found_file *ret);

/* A copy of our own vdso in memory. */
int found_file_vdso(struct found_file *ret);

void found_file_done(struct found_file *f);

struct executable_key executable_key_of_file(const struct found_file *f);

/*
 * The executable of a found file, whose descriptor is taken over if it is wanted: the one that is
 * known already, else @pending or, without one, a new one of @path. Somebody who holds @pending
 * keeps it, and it is filled in. -ENOMEM or 0.
 */
int executable_object_settle(struct executable_table *t, struct found_file *f, const char *path,
			     struct executable_object *pending, struct executable_object **ret);
/* Not to be called on a readable one. Without memory it keeps the path it has. */
void executable_object_set_path(struct executable_object *o, const char *path);

/*
 * Looks for the file of @pending by its process's mapping, and names it, found or not. What is
 * found may be another one, that was known. -ENOENT, -ENOMEM.
 */
int executable_object_find(struct executable_table *t, struct executable_object *pending,
			   struct executable_object **ret);

/* Gives it a descriptor, which is the table's then; another may be closed for it. */
void executable_object_keep(struct executable_table *t, struct executable_object *o, int fd);
/* Nothing if it has none. */
void executable_object_close(struct executable_table *t, struct executable_object *o);

/* Of one that has its key and its last path. -ENOMEM or 0. */
int executable_index_add(struct executable_table *t, struct executable_object *o);
/* Nothing if it is not in it. */
void executable_index_remove(struct executable_table *t, struct executable_object *o);
/* The first that was read; the others are its next_of_build_id. NULL if there is none. */
struct executable_object *executable_index_build_id(const struct executable_table *t,
						    const uint8_t *build_id, uint8_t size);
/* The same by path: next_of_path. */
struct executable_object *executable_index_path(const struct executable_table *t, const char *path);
size_t executable_index_memory(const struct executable_table *t);
