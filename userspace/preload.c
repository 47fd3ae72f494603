/* SPDX-License-Identifier: Apache-2.0 */
#include "preload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/intern.h"
#include "collect/collector.h"
#include "process/executable.h"
#include "process/process.h"
#include "unwind/table_manager.h"

/* Files that wait for the parser at one time: they hold descriptors. */
#define MAX_WAITING 8

static const char *const usual_directories[] = {
	"/usr/lib",	"/usr/lib64", "/usr/bin", "/usr/sbin",
	"/usr/libexec", "/usr/local", "/opt",	  NULL,
};

struct preload {
	struct preload_options options;
	struct intern *seen; /* paths of mapped files, each with its container */
	struct process *visited;
	FTS *walk;
	struct preload_stats stats;
};

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

int preload_new(const struct preload_options *o, struct preload **ret)
{
	struct preload *p = calloc(1, sizeof(*p));
	const char *const *directories = o->directories ? o->directories : usual_directories;

	if (!p)
		return -ENOMEM;
	p->options = *o;
	p->seen = intern_new();
	/* fts_open() wants strings that can be written, and does not write them. */
	p->walk = fts_open((char *const *)(uintptr_t)directories,
			   FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, by_name);
	if (!p->seen || !p->walk) {
		preload_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

struct preload *preload_free(struct preload *p)
{
	if (!p)
		return NULL;
	intern_free(p->seen);
	if (p->walk)
		fts_close(p->walk);
	free(p);
	return NULL;
}

static bool is_elf(int fd)
{
	char magic[SELFMAG];

	return fd_pread_full(fd, magic, sizeof(magic), 0) == 0 &&
	       memcmp(magic, ELFMAG, sizeof(magic)) == 0;
}

/* Has the kernel give the file an id, and a table made for it. */
static void load(struct preload *p, int fd, const char *path, enum table_priority priority)
{
	struct executable *x;
	uint32_t file_id;

	if (!is_elf(fd) || collector_learn_file(p->options.collector, fd, &file_id) < 0 ||
	    executable_table_add(p->options.executables, file_id, fd, path, &x) < 0 ||
	    table_manager_bind(p->options.tables, x, file_id, priority) < 0)
		p->stats.skipped++;
	else
		p->stats.files++;
}

/* Only regular files: opening anything else can wait, or do something. */
static int open_regular(const char *path)
{
	struct stat st;
	int fd;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOEXEC;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* One path can be different files in different containers. */
static bool is_first(struct preload *p, const char *path)
{
	const char *container = p->visited->container ? p->visited->container : "";
	uint32_t before = intern_count(p->seen);
	_cleanup_free_ char *key = NULL;

	if (asprintf(&key, "%s%s", container, path) < 0)
		return false;
	return intern_string(p->seen, key) > before;
}

static int visit_mapping(const struct process_mapping *m, void *userdata)
{
	struct preload *p = userdata;
	char path[96];

	if (m->path[0] != '/' || m->path[1] == '/' || !is_first(p, m->path))
		return 0;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64,
		 p->visited->tgid, m->start, m->end);
	_cleanup_close_ int fd = open_regular(path);

	if (fd < 0)
		p->stats.skipped++;
	else
		load(p, fd, m->path, TABLE_URGENT);
	return 0;
}

static int visit_process(struct process *process, void *userdata)
{
	struct preload *p = userdata;

	p->visited = process;
	return process_table_each_mapping(p->options.processes, process, visit_mapping, p);
}

int preload_processes(struct preload *p)
{
	int r = process_table_each(p->options.processes, visit_process, p);

	p->visited = NULL;
	return r;
}

static bool is_full(const struct preload *p)
{
	struct table_store_stats store;
	struct executable_table_stats executables;

	table_store_get_stats(table_manager_store(p->options.tables), &store);
	executable_table_get_stats(p->options.executables, &executables);
	return store.rows * sizeof(struct unwind_row) > p->options.row_bytes ||
	       executables.file_ids > p->options.max_files;
}

static bool is_waiting(const struct preload *p)
{
	struct table_manager_stats stats;

	table_manager_get_stats(p->options.tables, &stats);
	return stats.waiting > MAX_WAITING;
}

/* Objects and debug files are ELF too, but nobody runs them. */
static bool is_candidate(const FTSENT *entry)
{
	size_t n = entry->fts_namelen;

	if (entry->fts_info != FTS_F || !S_ISREG(entry->fts_statp->st_mode))
		return false;
	if (n > 2 &&
	    (!strcmp(entry->fts_name + n - 2, ".o") || !strcmp(entry->fts_name + n - 2, ".a")))
		return false;
	return (entry->fts_statp->st_mode & S_IXUSR) || strstr(entry->fts_name, ".so");
}

bool preload_step(struct preload *p, uint64_t budget)
{
	uint64_t end = clock_monotonic_ns() + budget;

	while (clock_monotonic_ns() < end && !is_waiting(p)) {
		FTSENT *entry = is_full(p) ? NULL : fts_read(p->walk);

		if (!entry)
			return false;
		if (entry->fts_info == FTS_D && strcmp(entry->fts_path, "/usr/lib/debug") == 0)
			fts_set(p->walk, entry, FTS_SKIP);
		if (!is_candidate(entry))
			continue;
		_cleanup_close_ int fd = open_regular(entry->fts_path);

		if (fd >= 0)
			load(p, fd, entry->fts_path, TABLE_BACKGROUND);
	}
	return true;
}

void preload_get_stats(const struct preload *p, struct preload_stats *ret)
{
	*ret = p->stats;
}
