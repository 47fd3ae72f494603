/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the file of an executable, and being sure that it is the one.
 *
 * A path is looked up as its process would: below that process's root, symbolic links included
 * (RESOLVE_IN_ROOT), never leaving it. A file is first opened without touching it (O_PATH), so that
 * nothing but a regular file is ever opened for reading.
 *
 * How it can be wrong: a file without build id that was changed in place is taken for what was
 * mapped. A file on a file system whose server does not answer (FUSE with allow_other, NFS) can
 * make opening it wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "process/executable_object.h"
#include "process/process.h"
#include "process/process_proc.h"

#define DELETED " (deleted)"

/* Processes that may map the same file are asked for it at most so often. */
#define OTHERS_MAX  16
#define GUESSES_MAX 4 /* and so often those of which only the file's name is known */

#define ANCESTORS_MAX 4

#define VDSO_MAX (1 << 20)
#define MAPS_MAX (16 << 20)

void found_file_done(struct found_file *f)
{
	closep(&f->fd);
	free(f->path);
	f->fd = -1;
	f->path = NULL;
}

/* s_dev of the kernel: 12 bits of major above 20 bits of minor. */
static bool is_device(uint32_t s_device, uint64_t device)
{
	return major(device) == s_device >> 20 && minor(device) == (s_device & 0xfffff);
}

/* Opens for reading what @path_fd (O_PATH) stands for, if it is a regular ELF file. */
static int read_file(int path_fd, struct found_file *ret)
{
	struct found_file f = { .fd = -1 };
	char link[40];
	struct stat st;
	int r;

	if (fstat(path_fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	f.fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (f.fd < 0)
		return -errno;
	r = elf_file_read(f.fd, &f.elf);
	if (r < 0) {
		found_file_done(&f);
		return r;
	}
	f.inode = st.st_ino;
	f.device = st.st_dev;
	f.size = (uint64_t)st.st_size;
	f.changed = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
	f.deleted = st.st_nlink == 0;
	*ret = f;
	return 0;
}

int found_file_of_fd(int fd, struct found_file *ret)
{
	return read_file(fd, ret);
}

static bool is_build_id(const struct wanted_file *w, const uint8_t *build_id, uint8_t size)
{
	return w->build_id_size == size && memcmp(w->build_id, build_id, size) == 0;
}

static bool is_wanted(const struct found_file *f, const struct wanted_file *w)
{
	/* A copy is as good: what was mapped may have been in a container that is gone. */
	if (w->build_id_size)
		return is_build_id(w, f->elf.build_id, f->elf.build_id_size);
	if (w->size && w->size != f->size)
		return false;
	if (w->device)
		return w->device == f->device && w->inode == f->inode;
	/* On overlayfs the kernel's numbers are of another file system and say nothing. */
	if (w->s_device && is_device(w->s_device, f->device))
		return w->inode == f->inode;
	return false;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The announced name is cut to ABI_FILE_NAME_LEN - 1 bytes. */
static bool is_name(const struct abi_file_announcement *a, const char *path)
{
	return strncmp(last_part(path), a->name, sizeof(a->name) - 1) == 0;
}

static int open_map_files(int proc_fd, uint32_t tgid, uint64_t start, uint64_t end, char *ret_path,
			  size_t size)
{
	char name[80];
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, tgid, start,
		 end);
	n = readlinkat(proc_fd, name, ret_path, size - 1);
	if (n < 0)
		return -errno;
	ret_path[n] = '\0';
	fd = openat(proc_fd, name, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Takes " (deleted)" off; true if it was there. */
static bool strip_deleted(char *path)
{
	size_t length = strlen(path);

	if (length <= strlen(DELETED) || strcmp(path + length - strlen(DELETED), DELETED) != 0)
		return false;
	path[length - strlen(DELETED)] = '\0';
	return true;
}

/* The number may be another process's by now, and the place in memory another file's. */
static bool is_announced(const struct executable_table *t, const struct abi_file_announcement *a,
			 const struct found_file *f, const char *path)
{
	uint64_t start;

	if (a->start_boottime && proc_read_start(t->proc_fd, a->tgid, &start) == 0 &&
	    a->start_boottime - start >= 2 * proc_tick_ns())
		return false;
	if (is_device(a->key.device, f->device))
		return a->key.inode == f->inode;
	return is_name(a, path);
}

int found_file_of_announcement(const struct executable_table *t,
			       const struct abi_file_announcement *a, struct found_file *ret)
{
	_cleanup_close_ int path_fd = -1;
	struct found_file f = { .fd = -1 };
	char path[PATH_MAX];
	int r;

	if (t->proc_fd < 0)
		return -ENOENT;
	path_fd = open_map_files(t->proc_fd, a->tgid, a->vm_start, a->vm_end, path, sizeof(path));
	if (path_fd < 0)
		return path_fd;
	r = read_file(path_fd, &f);
	if (r < 0)
		return r;
	f.deleted |= strip_deleted(path);
	f.path = strdup(path);
	if (!f.path || !is_announced(t, a, &f, path)) {
		r = f.path ? -ESTALE : -ENOMEM;
		found_file_done(&f);
		return r;
	}
	*ret = f;
	return 0;
}

static int try_fd(int path_fd, const struct wanted_file *wanted, struct found_file *ret)
{
	struct found_file f = { .fd = -1 };
	int r;

	r = read_file(path_fd, &f);
	if (r < 0)
		return r;
	if (!is_wanted(&f, wanted)) {
		found_file_done(&f);
		return -ESTALE;
	}
	*ret = f;
	return 0;
}

static int try_root(const struct executable_table *t, uint32_t tgid,
		    const struct wanted_file *wanted, struct found_file *ret)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int root_fd = -1;
	_cleanup_close_ int path_fd = -1;
	char root[32];

	snprintf(root, sizeof(root), "%" PRIu32 "/root", tgid);
	root_fd = openat(t->proc_fd, root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return -errno;
	path_fd = (int)syscall(SYS_openat2, root_fd, wanted->path, &how, sizeof(how));
	if (path_fd < 0)
		return -errno;
	return try_fd(path_fd, wanted, ret);
}

static int try_own_root(const struct wanted_file *wanted, struct found_file *ret)
{
	_cleanup_close_ int path_fd = open(wanted->path, O_PATH | O_CLOEXEC);

	return path_fd < 0 ? -errno : try_fd(path_fd, wanted, ret);
}

/* A process that is gone was most likely in the same mount namespace as the one that started it. */
static int try_ancestors(const struct executable_table *t, uint32_t tgid, uint64_t start_boottime,
			 const struct wanted_file *wanted, struct found_file *ret)
{
	for (int i = 0; i < ANCESTORS_MAX; i++) {
		tgid = process_table_parent(t->processes, tgid, start_boottime);
		start_boottime = 0;
		/* Below init it is our own root, mostly. */
		if (tgid <= 1)
			break;
		if (try_root(t, tgid, wanted, ret) == 0)
			return 0;
	}
	return -ENOENT;
}

/* The walk through all processes in search of one that maps what is wanted. */
struct search {
	const struct executable_table *t;
	const struct wanted_file *wanted;
	struct found_file *ret;
	const struct process *process; /* whose mappings are being looked at */
	int tries, guesses;
	uint64_t n, max; /* mappings and processes that were, and may be looked at */
};

/* With a build id the path may be another one in each mount namespace. */
static bool maps_wanted(const struct process_mapping *m, const struct wanted_file *w)
{
	return strcmp(m->path, w->path) == 0 ||
	       (w->build_id_size && is_build_id(w, m->build_id, m->build_id_size));
}

/* Of what was mapped before profd came /proc tells no build ids. */
static bool may_map_wanted(const struct process_mapping *m, const struct wanted_file *w)
{
	return w->build_id_size && !m->build_id_size &&
	       strcmp(last_part(m->path), last_part(w->path)) == 0;
}

static int search_mapping(const struct process_mapping *m, void *userdata)
{
	struct search *s = userdata;
	_cleanup_close_ int path_fd = -1;
	struct wanted_file wanted = *s->wanted;
	char path[PATH_MAX];

	if (s->n++ >= s->max)
		return -EAGAIN;
	if (maps_wanted(m, s->wanted)) {
		if (s->tries++ >= OTHERS_MAX)
			return -ENOENT;
	} else if (!may_map_wanted(m, s->wanted) || s->guesses++ >= GUESSES_MAX) {
		return 0;
	}
	wanted.path = m->path;
	if (s->t->proc_fd < 0)
		return try_own_root(&wanted, s->ret) == 0;
	path_fd = open_map_files(s->t->proc_fd, s->process->tgid, m->start, m->end, path,
				 sizeof(path));
	if (path_fd >= 0 && try_fd(path_fd, &wanted, s->ret) == 0)
		return 1;
	return try_root(s->t, s->process->tgid, &wanted, s->ret) == 0;
}

static int search_process(struct process *p, void *userdata)
{
	struct search *s = userdata;

	if (s->n++ >= s->max)
		return -EAGAIN;
	if (p->exit_time)
		return 0;
	s->process = p;
	return process_table_each_mapping(s->t->processes, p, search_mapping, s);
}

static uint64_t search_key(const struct wanted_file *w)
{
	uint64_t key = hash_bytes(w->path, strlen(w->path));

	if (w->build_id_size)
		key = hash_step(key, hash_bytes(w->build_id, w->build_id_size));
	return hash_mix(hash_step(key, w->inode));
}

/* All processes are asked, as far as that may cost anything. */
static int search_all(struct executable_table *t, const struct wanted_file *wanted,
		      struct found_file *ret)
{
	struct search s = { .t = t, .wanted = wanted, .ret = ret };
	/* A replay gives the same whenever it runs. */
	uint64_t key = search_key(wanted), now = t->proc_fd < 0 ? 1 : clock_monotonic_ns();
	int r;

	s.max = search_budget_ask(&t->searches, key, now);
	if (s.max == 0)
		return -ENOENT;
	r = process_table_each(t->processes, search_process, &s);
	search_budget_spend(&t->searches, key, s.n,
			    r == 1	   ? SEARCH_FOUND
			    : r == -EAGAIN ? SEARCH_CUT
					   : SEARCH_IN_VAIN,
			    now);
	return r == 1 ? 0 : -ENOENT;
}

int found_file_by_path(struct executable_table *t, uint32_t tgid, uint64_t start_boottime,
		       const struct wanted_file *wanted, struct found_file *ret)
{
	/* "[vdso]", "memfd:" and the like lead nowhere. */
	if (wanted->path[0] != '/')
		return -ENOENT;
	if (t->proc_fd >= 0 && tgid && try_root(t, tgid, wanted, ret) == 0)
		return 0;
	if (try_own_root(wanted, ret) == 0)
		return 0;
	if (!t->processes)
		return -ENOENT;
	if (t->proc_fd >= 0 && tgid && try_ancestors(t, tgid, start_boottime, wanted, ret) == 0)
		return 0;
	return search_all(t, wanted, ret);
}

/* Where our own vdso lies. */
static int find_vdso(uint64_t *ret_start, uint64_t *ret_end)
{
	_cleanup_free_ char *maps = NULL;
	char *rest, *line;
	int r;

	r = file_read(AT_FDCWD, "/proc/self/maps", MAPS_MAX, &maps, NULL);
	if (r < 0)
		return r;
	rest = maps;
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, "[vdso]") &&
		    sscanf(line, "%" SCNx64 "-%" SCNx64, ret_start, ret_end) == 2 &&
		    *ret_end > *ret_start && *ret_end - *ret_start <= VDSO_MAX)
			return 0;
	return -ENOENT;
}

int found_file_vdso(struct found_file *ret)
{
	struct found_file f = { .fd = -1 };
	uint64_t start, end;
	struct stat st;
	int r;

	r = find_vdso(&start, &end);
	if (r < 0)
		return r;
	f.fd = memfd_create("vdso", MFD_CLOEXEC);
	if (f.fd < 0)
		return -errno;
	r = fd_write_full(f.fd, (const void *)(uintptr_t)start, end - start);
	if (r == 0)
		r = elf_file_read(f.fd, &f.elf);
	if (r == 0 && fstat(f.fd, &st) < 0)
		r = -errno;
	if (r < 0) {
		found_file_done(&f);
		return r;
	}
	f.inode = st.st_ino;
	f.device = st.st_dev;
	f.size = (uint64_t)st.st_size;
	f.deleted = true;
	*ret = f;
	return 0;
}
