/* SPDX-License-Identifier: Apache-2.0 */
#include "base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

struct cached {
	char *name;
	uint64_t bytes;
	struct timespec used;
};

struct listing {
	struct cached *files;
	size_t n, room;
};

static void listing_done(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->files[i].name);
	free(l->files);
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && !strcmp(name + n - m, suffix);
}

static int list_file(struct listing *l, int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return 0;
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		void *files = reallocarray(l->files, room, sizeof(*l->files));

		if (!files)
			return -ENOMEM;
		l->files = files;
		l->room = room;
	}
	l->files[l->n] = (struct cached){ .name = strdup(name),
					  .bytes = (uint64_t)st.st_size,
					  .used = st.st_mtim };
	if (!l->files[l->n].name)
		return -ENOMEM;
	l->n++;
	return 0;
}

static int list(int dirfd, const char *suffix, const char *temporary, struct listing *l)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *e;
	int fd, r = 0;

	/* Its own open directory: reading one moves a position that others share. */
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (!r && (e = readdir(dir))) {
		if (ends_with(e->d_name, temporary))
			unlinkat(dirfd, e->d_name, 0);
		else if (ends_with(e->d_name, suffix))
			r = list_file(l, dirfd, e->d_name);
	}
	return r;
}

static int newest_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct cached *)a)->used;
	const struct timespec *y = &((const struct cached *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec > y->tv_sec ? -1 : 1;
	return x->tv_nsec > y->tv_nsec ? -1 : x->tv_nsec < y->tv_nsec;
}

int directory_trim(int dirfd, const char *suffix, const char *temporary, uint64_t max_bytes,
		   uint64_t *ret_bytes)
{
	_cleanup_(listing_done)
	struct listing l = {};
	uint64_t bytes = 0;
	int r;

	r = list(dirfd, suffix, temporary, &l);
	if (r)
		return r;
	if (l.n)
		qsort(l.files, l.n, sizeof(*l.files), newest_first);
	for (size_t i = 0; i < l.n; i++) {
		if (bytes + l.files[i].bytes > max_bytes && !unlinkat(dirfd, l.files[i].name, 0))
			continue;
		bytes += l.files[i].bytes;
	}
	if (ret_bytes)
		*ret_bytes = bytes;
	return 0;
}
