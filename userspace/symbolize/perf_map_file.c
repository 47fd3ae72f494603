/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/perf_map_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "process/rooted.h"

#define MAX_STATUS ((size_t)64 << 10)
/* Times of files come from a clock that ticks, and start times are rounded. */
#define SLACK_NS (1 * NS_PER_S)

/* The last number of NStgid is the one in the innermost namespace: proc(5). */
static uint32_t number_inside(const char *proc, uint32_t tgid)
{
	_cleanup_free_ char *status = NULL;
	const char *line;
	uint32_t number = tgid;
	char path[PATH_MAX], *end;

	snprintf(path, sizeof(path), "%s/%u/status", proc, tgid);
	if (file_read(AT_FDCWD, path, MAX_STATUS, &status, NULL) < 0)
		return tgid;
	line = strstr(status, "\nNStgid:");
	if (!line)
		return tgid;
	for (line += strlen("\nNStgid:"); *line == '\t' || *line == ' '; line = end) {
		unsigned long n = strtoul(line, &end, 10);

		if (end == line)
			break;
		number = (uint32_t)n;
	}
	return number;
}

static bool written_since(const struct stat *st, uint64_t start_boottime)
{
	int64_t boot = (int64_t)clock_ns(CLOCK_REALTIME) - (int64_t)clock_ns(CLOCK_BOOTTIME);
	int64_t written = st->st_mtim.tv_sec * (int64_t)NS_PER_S + st->st_mtim.tv_nsec;

	return start_boottime == 0 || written + (int64_t)SLACK_NS >= boot + (int64_t)start_boottime;
}

/* What is at @path of a root, if it may be believed. */
static int open_in(const char *root, const char *path, uid_t owner, uint64_t start_boottime)
{
	_cleanup_close_ int fd = rooted_open(root, path, O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return fd == -ELOOP || fd == -EINVAL ? -EPERM : -ENOENT;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != owner && st.st_uid != 0) || !written_since(&st, start_boottime))
		return -EPERM;
	return TAKE_FD(fd);
}

static int open_map_in(const char *root, uint32_t number, uid_t owner, uint64_t start_boottime)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%u.map", number);
	return open_in(root, path, owner, start_boottime);
}

/* Where the process sees files, and whose it is. */
static int find_process(const char *proc, uint32_t tgid, char root[static PATH_MAX],
			uid_t *ret_owner)
{
	char directory[PATH_MAX / 2];
	struct stat st;

	snprintf(directory, sizeof(directory), "%s/%u", proc, tgid);
	if (stat(directory, &st) < 0)
		return -ESRCH;
	snprintf(root, PATH_MAX, "%s/root", directory);
	*ret_owner = st.st_uid;
	return 0;
}

int perf_map_file_open(const char *proc, uint32_t tgid, uint64_t start_boottime)
{
	char root[PATH_MAX];
	uid_t owner;
	int fd, r;

	r = find_process(proc, tgid, root, &owner);
	if (r < 0)
		return r;
	fd = open_map_in(root, number_inside(proc, tgid), owner, start_boottime);
	if (fd >= 0)
		return fd;
	r = open_map_in("/", tgid, owner, start_boottime);
	return r == -ENOENT ? fd : r;
}

bool jitdump_file_is_named(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t digits;

	if (strncmp(name, "jit-", 4) != 0)
		return false;
	digits = strspn(name + 4, "0123456789");
	return digits > 0 && strcmp(name + 4 + digits, ".dump") == 0;
}

int jitdump_file_open(const char *proc, uint32_t tgid, uint64_t start_boottime, const char *path)
{
	char root[PATH_MAX], wanted[32];
	const char *slash = strrchr(path, '/');
	uid_t owner;
	int r;

	/* A child has its parent's mappings, and would take the parent's file for its own. */
	snprintf(wanted, sizeof(wanted), "/jit-%u.dump", number_inside(proc, tgid));
	if (!slash || strcmp(slash, wanted) != 0)
		return -ENOENT;
	r = find_process(proc, tgid, root, &owner);
	return r < 0 ? r : open_in(root, path, owner, start_boottime);
}
