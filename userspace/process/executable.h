/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executables: ELF files by identity, shared by all processes that map them. BPF announces a file
 * once with an id; here it is opened while it can still be opened, so that it stays nameable after
 * its process, or its name, is gone. Several ids may turn out to be one executable (the same build
 * id in two images, or an id given anew after eviction).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_MAX 64

struct abi_file_announcement;
struct process_table;

/* One executable PT_LOAD. */
struct executable_segment {
	uint64_t offset;  /* in the file */
	uint64_t size;	  /* in the file */
	uint64_t address; /* ELF virtual address of offset */
};

struct executable {
	uint32_t refs;
	char *path; /* as a process saw it, without " (deleted)"; "[vdso]"; valid UTF-8. While not
		       readable it can still change, as can the rest */
	uint8_t build_id[BUILD_ID_MAX];
	uint8_t build_id_size; /* 0 = it has none, or it could not be read */
	bool readable; /* the file was opened and is ELF; else all that is known is its name */
	uint32_t n_segments;
	struct executable_segment *segments;
	uint64_t inode_size; /* bytes; with the next, tells whether a file without build id that is
				opened again is the same */
	uint64_t inode, device;
	struct executable *same; /* not readable, but this one is it; owned. NULL = is not known */
	void *names;		 /* the symbolizer's, freed by names_free() */
	void (*names_free)(void *names);
	void *lines; /* the same, for source lines */
	void (*lines_free)(void *lines);
};

struct executable *executable_ref(struct executable *x);
struct executable *executable_unref(struct executable *x);

/* What it turned out to be: of a file that could not be read, one with its build id that could. */
static inline struct executable *executable_known_as(struct executable *x)
{
	return x->same ? x->same : x;
}

/*
 * The ELF virtual address of a file offset. An offset in no executable segment, or of a file that
 * could not be read, is returned as it is.
 */
uint64_t executable_address(const struct executable *x, uint64_t offset);

/* The segment that holds @offset, NULL if none does. */
const struct executable_segment *executable_segment_of(const struct executable *x, uint64_t offset);

struct executable_table;

#define EXECUTABLE_TABLE_COUNTERS(X)                                                               \
	X(executables, "executables known")                                                        \
	X(executables_unreadable, "executables whose file could not be opened or is not ELF")      \
	X(executables_open, "file descriptors held for executables")                               \
	X(file_ids, "file ids given by the kernel side")                                           \
	X(file_searches, "searches of all processes' mappings for a file that was not found")      \
	X(file_searches_refused,                                                                   \
	  "searches left out or cut off: in vain a moment ago, or too many of them")

struct executable_table_stats {
#define X(name, help) uint64_t name;
	EXECUTABLE_TABLE_COUNTERS(X)
#undef X
};

struct executable_table_options {
	const char *proc;  /* "/proc" if NULL */
	uint32_t max_open; /* descriptors to hold; 0 = 256. Deleted files keep theirs for as long as
			      they can */
	bool without_proc; /* replay: only paths, and only if the build id agrees */
	bool same_vdso;	   /* without_proc: but our vdso is that of the processes */
};

int executable_table_new(const struct executable_table_options *o, struct executable_table **ret);
struct executable_table *executable_table_free(struct executable_table *t);

/*
 * Learns what file an id is. Opens it at once: /proc/PID/map_files; else the path of the process's
 * mapping, in its root or in ours, accepted only if the build id agrees. A file that cannot be
 * opened is still an executable, with a name and no symbols. -ENOMEM or 0.
 *
 * Announcements are ahead of the side-band. If the process is gone already, its mapping is told
 * only later: the file is looked for again by executable_table_get(). So @processes must live as
 * long as @t.
 */
int executable_table_announce(struct executable_table *t, const struct abi_file_announcement *a,
			      struct process_table *processes);

/*
 * Learns what file an id is from an open descriptor (which stays the caller's) and a path, before
 * it is announced. -ENOEXEC if it is not ELF, -ENOMEM. Borrowed.
 */
int executable_table_add(struct executable_table *t, uint32_t file_id, int fd, const char *path,
			 struct executable **ret);

struct process_mapping;

/*
 * The executable that a mapping of a process is of, also if the kernel side has not announced it:
 * then its file is looked for by path, and accepted only if the build id agrees. NULL if it cannot
 * be found. Borrowed.
 */
struct executable *executable_table_of_mapping(struct executable_table *t,
					       struct process_table *processes, uint32_t tgid,
					       uint64_t start_boottime,
					       const struct process_mapping *m);

/*
 * The same among those that are known and readable: by build id, else by path if one of them has no
 * build id. It opens nothing. NULL if there is none. Borrowed.
 */
struct executable *executable_table_find(const struct executable_table *t,
					 const struct process_mapping *m);

/* The executable of a file id; NULL if it was never announced. Borrowed. */
struct executable *executable_table_get(struct executable_table *t, uint32_t file_id);

/*
 * A descriptor to read the executable's bytes with pread, opened again if it had been closed;
 * -errno if the file is gone or is not the same any more. Borrowed, valid until the next call.
 */
int executable_table_open(struct executable_table *t, struct executable *x);

/*
 * The kernel side has given up these ids. They, and executables without ids, are forgotten at a
 * later call of this, when samples that are still on their way have been handled and nobody but the
 * table refers to the executable.
 */
void executable_table_forget(struct executable_table *t, const uint32_t *file_ids, size_t n);

/* Calls @visit for every executable; stops at non-zero. */
int executable_table_each(struct executable_table *t,
			  int (*visit)(struct executable *x, void *userdata), void *userdata);

void executable_table_get_stats(const struct executable_table *t,
				struct executable_table_stats *ret);
size_t executable_table_memory(const struct executable_table *t);
