/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files stay. Sums are kept as files are written and removed, so that a rotation costs one
 * listing of the oldest day at most; everything is counted anew now and then, in case somebody
 * else removed files.
 */
#include "history_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define RESCAN_EVERY 60 /* calls of history_retain() */

/* The names in a directory, sorted: oldest first, as they begin with their time. */
struct names {
	struct dirent **list;
	int n;
};

static void names_done(struct names *names)
{
	for (int i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}

static int names_read(int dirfd, const char *path, struct names *ret)
{
	struct names names = { 0 };

	names.n = scandirat(dirfd, path, &names.list, NULL, alphasort);
	if (names.n < 0)
		return -errno;
	*ret = names;
	return 0;
}

static bool is_leftover(const char *name)
{
	size_t length = strlen(name), suffix = strlen(HISTORY_TEMPORARY);

	return name[0] == '.' && length > suffix &&
	       strcmp(name + length - suffix, HISTORY_TEMPORARY) == 0;
}

static int open_day(const struct history *h, const char *day)
{
	int fd = openat(h->fd, day, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static void remove_leftover(struct history *h, int fd, const char *name)
{
	if (is_leftover(name) && unlinkat(fd, name, 0) == 0)
		h->stats.leftovers++;
}

static int scan_day(struct history *h, const char *day, bool leftovers)
{
	_cleanup_close_ int fd = open_day(h, day);
	_cleanup_(names_done)
	struct names names = { 0 };
	int r = fd < 0 ? fd : names_read(fd, ".", &names);

	/* Not a directory, or somebody removed it: nothing of ours. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (int i = 0; i < names.n; i++) {
		const char *name = names.list[i]->d_name;
		struct stat st;
		int64_t time;

		if (leftovers)
			remove_leftover(h, fd, name);
		if (history_name_time(day, name, &time) < 0)
			continue;
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		h->stats.files++;
		h->stats.bytes += history_file_bytes(&st);
	}
	return 0;
}

int history_scan(struct history *h, bool leftovers)
{
	_cleanup_(names_done)
	struct names days = { 0 };
	int r = names_read(h->fd, ".", &days);

	if (r < 0)
		return r;
	h->stats.files = 0;
	h->stats.bytes = 0;
	for (int i = 0; i < days.n && r == 0; i++) {
		if (leftovers)
			remove_leftover(h, h->fd, days.list[i]->d_name);
		if (history_is_day(days.list[i]->d_name))
			r = scan_day(h, days.list[i]->d_name, leftovers);
	}
	return r;
}

static int remove_file(struct history *h, int fd, const char *name)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (unlinkat(fd, name, 0) < 0)
		return -errno;
	h->stats.removed++;
	h->stats.files -= MIN(h->stats.files, 1U);
	h->stats.bytes -= MIN(h->stats.bytes, history_file_bytes(&st));
	return 0;
}

/* Removes from one day, oldest first, until everything fits. 1: it all fits now. */
static int prune_day(struct history *h, const char *day, int64_t oldest, uint64_t bytes)
{
	_cleanup_close_ int fd = open_day(h, day);
	_cleanup_(names_done)
	struct names names = { 0 };
	int r = fd < 0 ? fd : names_read(fd, ".", &names);

	if (r < 0)
		return r == -ENOTDIR || r == -ENOENT || r == -ELOOP ? 0 : r;
	for (int i = 0; i < names.n; i++) {
		int64_t time;

		if (history_name_time(day, names.list[i]->d_name, &time) < 0)
			continue;
		if (time >= oldest && h->stats.bytes <= bytes)
			return 1;
		r = remove_file(h, fd, names.list[i]->d_name);
		if (r < 0 && r != -ENOENT && r != -EINVAL)
			return r;
	}
	/* Goes only if it is empty: what others put there stays. */
	unlinkat(h->fd, day, AT_REMOVEDIR);
	return 0;
}

int history_retain(struct history *h, int64_t now, uint64_t bytes, uint64_t age)
{
	int64_t oldest = (uint64_t)now > age ? now - (int64_t)age : 0;
	_cleanup_(names_done)
	struct names days = { 0 };
	int r = 0;

	if (++h->retained % RESCAN_EVERY == 0)
		r = history_scan(h, false);
	if (r == 0)
		r = names_read(h->fd, ".", &days);
	for (int i = 0; i < days.n && r == 0; i++)
		if (history_is_day(days.list[i]->d_name))
			r = prune_day(h, days.list[i]->d_name, oldest, bytes);
	return r < 0 ? r : 0;
}
