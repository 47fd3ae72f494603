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

static int open_in(const char *root, uint32_t number, uid_t owner, uint64_t start_boottime)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/tmp/perf-%u.map", number);
	fd = rooted_open(root, path, O_NOFOLLOW);
	if (fd < 0)
		return fd == -ELOOP || fd == -EINVAL ? -EPERM : -ENOENT;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != owner && st.st_uid != 0) || !written_since(&st, start_boottime))
		return -EPERM;
	return TAKE_FD(fd);
}

int perf_map_file_open(const char *proc, uint32_t tgid, uint64_t start_boottime)
{
	char directory[PATH_MAX / 2], root[PATH_MAX];
	struct stat st;
	int fd, r;

	snprintf(directory, sizeof(directory), "%s/%u", proc, tgid);
	if (stat(directory, &st) < 0)
		return -ESRCH;
	snprintf(root, sizeof(root), "%s/root", directory);
	fd = open_in(root, number_inside(proc, tgid), st.st_uid, start_boottime);
	if (fd >= 0)
		return fd;
	r = open_in("/", tgid, st.st_uid, start_boottime);
	return r == -ENOENT ? fd : r;
}
