/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process_proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "process/cgroup.h"

#define STAT_MAX    4096
#define CGROUP_MAX  (64 * 1024)
#define MAPS_MAX    (64 << 20) /* vm.max_map_count lines of usual length are 7 MB */
#define THREADS_MAX (1 << 22)  /* PID_MAX_LIMIT */

uint64_t proc_tick_ns(void)
{
	long hz = sysconf(_SC_CLK_TCK);

	return NS_PER_S / (uint64_t)(hz > 0 ? hz : 100);
}

static int open_process(int proc_fd, uint32_t tgid)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%" PRIu32, tgid);
	fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The name in /proc/PID/stat has its newlines and backslashes escaped. */
static void copy_comm(char *to, size_t size, const char *from, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < length && n + 1 < size; i++) {
		if (from[i] == '\\' && i + 1 < length && strchr("n\\", from[i + 1])) {
			to[n++] = from[i + 1] == 'n' ? '\n' : '\\';
			i++;
		} else {
			to[n++] = from[i];
		}
	}
	to[n] = '\0';
}

/*
 * /proc appends to the name of a kernel worker what it does just now (wq_worker_comm() of the
 * kernel: "kworker/1:0-events"); samples and COMM records have the name itself.
 */
static void cut_worker_name(char *comm)
{
	const size_t max = 15; /* TASK_COMM_LEN, NUL excluded */

	if (strncmp(comm, "kworker/", strlen("kworker/")) != 0)
		return;
	/* The rescuers' own names are kworker/R-QUEUE. */
	if (comm[strlen("kworker/")] != 'R')
		comm[strcspn(comm, "+-")] = '\0';
	else if (strlen(comm) > max)
		comm[max] = '\0';
}

/* proc(5): pid (comm) state ppid ... num_threads(20) itrealvalue starttime(22). */
static int parse_stat(const char *stat, struct proc_facts *f)
{
	const char *open = strchr(stat, '(');
	const char *close = strrchr(stat, ')');
	unsigned long long ticks;
	unsigned int parent;
	char state;

	/* The name may hold parentheses itself. */
	if (!open || !close || close < open)
		return -ESRCH;
	if (sscanf(close + 1,
		   " %c %u %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		   "%llu",
		   &state, &parent, &ticks) != 3)
		return -ESRCH;
	copy_comm(f->comm, sizeof(f->comm), open + 1, (size_t)(close - open - 1));
	cut_worker_name(f->comm);
	f->parent = parent;
	f->start_boottime = ticks * proc_tick_ns();
	f->leader_exited = state == 'Z' || state == 'X';
	return 0;
}

static int read_stat(int fd, struct proc_facts *f)
{
	_cleanup_free_ char *stat = NULL;
	int r;

	r = file_read(fd, "stat", STAT_MAX, &stat, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : -ESRCH;
	return parse_stat(stat, f);
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The ids of all threads but the first. */
static int read_threads(int fd, struct proc_facts *f)
{
	_cleanup_closedir_ DIR *dir = NULL;
	uint32_t allocated = 0;
	struct dirent *entry;
	int task_fd;

	task_fd = openat(fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (task_fd < 0)
		return 0;
	dir = fdopendir(task_fd);
	if (!dir) {
		close(task_fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir)) && f->n_threads < THREADS_MAX) {
		uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (!isdigit((unsigned char)entry->d_name[0]) || tid == f->tgid)
			continue;
		if (f->n_threads == allocated) {
			uint32_t n = allocated ? allocated * 2 : 8;
			uint32_t *threads = reallocarray(f->threads, n, sizeof(*threads));

			if (!threads)
				return -ENOMEM;
			f->threads = threads;
			allocated = n;
		}
		f->threads[f->n_threads++] = tid;
	}
	if (f->n_threads > 1)
		qsort(f->threads, f->n_threads, sizeof(*f->threads), compare_ids);
	return 0;
}

static int read_executable(int fd, struct shared_set *names, struct proc_facts *f)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(fd, "exe", path, sizeof(path) - 1);

	if (n < 0)
		return 0;
	path[n] = '\0';
	f->executable = mapped_file_get(names, path, NULL, 0);
	return f->executable ? 0 : -ENOMEM;
}

/* Undoes the "\012" that stands for a newline in a path, the only escape there. */
static void unescape_newlines(char *path)
{
	char *found;

	while ((found = strstr(path, "\\012"))) {
		*found = '\n';
		memmove(found + 1, found + 4, strlen(found + 4) + 1);
		path = found + 1;
	}
}

static int parse_maps_line(char *line, struct shared_set *names, struct mappings **m)
{
	struct mapping mapping;
	char permissions[5];
	int path_at = 0, r;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &mapping.start,
		   &mapping.end, permissions, &mapping.offset, &path_at) < 4)
		return 0;
	if (permissions[2] != 'x' || path_at == 0 || mapping.start >= mapping.end ||
	    (line[path_at] != '/' && strcmp(line + path_at, "[vdso]") != 0))
		return 0;
	unescape_newlines(line + path_at);
	mapping.file = mapped_file_get(names, line + path_at, NULL, 0);
	if (!mapping.file)
		return -ENOMEM;
	r = mappings_add(m, &mapping);
	shared_unref(mapping.file);
	return r;
}

static int read_mappings(int fd, const struct proc_reader *reader, struct proc_facts *f)
{
	_cleanup_free_ char *data = NULL;
	char *rest, *line;
	int r;

	f->mappings = mappings_new(reader->account);
	if (!f->mappings)
		return -ENOMEM;
	r = file_read(fd, "maps", MAPS_MAX, &data, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	rest = data;
	while (r == 0 && (line = strsep(&rest, "\n")))
		r = parse_maps_line(line, reader->names, &f->mappings);
	return r;
}

static int read_cgroup(int fd, char **ret_path)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r;

	r = file_read(fd, "cgroup", CGROUP_MAX, &text, NULL);
	if (r < 0)
		return r;
	if (!cgroup_of_proc(text, path, sizeof(path)))
		return -ENOENT;
	*ret_path = strdup(path);
	return *ret_path ? 0 : -ENOMEM;
}

/* exe, maps and cgroup of a first thread that has exited are empty: any other thread has them. */
static int open_living_thread(int fd, const struct proc_facts *f)
{
	char name[32];
	int thread_fd;

	if (!f->leader_exited || f->n_threads == 0)
		return dup(fd);
	snprintf(name, sizeof(name), "task/%" PRIu32, f->threads[f->n_threads - 1]);
	thread_fd = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return thread_fd < 0 ? dup(fd) : thread_fd;
}

static int read_rest(int fd, const struct proc_reader *reader, struct proc_facts *f)
{
	_cleanup_close_ int thread_fd = -1;
	int r;

	thread_fd = open_living_thread(fd, f);
	if (thread_fd < 0)
		return -errno;
	r = read_executable(thread_fd, reader->names, f);
	if (r == 0)
		r = read_mappings(thread_fd, reader, f);
	if (r == 0 && read_cgroup(thread_fd, &f->cgroup) == -ENOMEM)
		r = -ENOMEM;
	return r;
}

int proc_read(const struct proc_reader *reader, uint32_t tgid, struct proc_facts *ret)
{
	struct proc_facts f = { .tgid = tgid };
	_cleanup_close_ int fd = -1;
	int r;

	fd = open_process(reader->proc_fd, tgid);
	if (fd < 0)
		return -ESRCH;
	r = read_stat(fd, &f);
	if (r == 0)
		r = read_threads(fd, &f);
	if (r == 0 && f.leader_exited && f.n_threads == 0)
		r = -ESRCH;
	if (r == 0)
		r = read_rest(fd, reader, &f);
	if (r < 0) {
		proc_facts_done(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void proc_facts_done(struct proc_facts *f)
{
	free(f->threads);
	shared_unref(f->executable);
	mappings_unref(f->mappings);
	free(f->cgroup);
	*f = (struct proc_facts){ 0 };
}

int proc_read_start(int proc_fd, uint32_t tgid, uint64_t *ret_boottime)
{
	_cleanup_close_ int fd = open_process(proc_fd, tgid);
	struct proc_facts f = { 0 };
	int r;

	if (fd < 0)
		return -ESRCH;
	r = read_stat(fd, &f);
	if (r == 0)
		*ret_boottime = f.start_boottime;
	return r;
}

int proc_read_cgroup(int proc_fd, uint32_t tgid, char **ret_path)
{
	_cleanup_close_ int fd = open_process(proc_fd, tgid);

	return fd < 0 ? fd : read_cgroup(fd, ret_path);
}
