/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/packages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SUFFIX ".list"

/* Without the /usr that a merged system has before /bin, /lib and /sbin. */
static const char *plain(const char *path)
{
	return strncmp(path, "/usr/", 5) == 0 ? path + 4 : path;
}

/* "libfoo1:amd64.list" -> "libfoo1"; 0 if it is no list. */
static size_t name_length(const char *file)
{
	size_t n = strlen(file);

	if (n <= strlen(SUFFIX) || strcmp(file + n - strlen(SUFFIX), SUFFIX) != 0)
		return 0;
	n -= strlen(SUFFIX);
	return strcspn(file, ":") < n ? strcspn(file, ":") : n;
}

static int take_line(const char *line, const char *file, const char *const *paths, size_t n,
		     char **names)
{
	for (size_t i = 0; i < n; i++) {
		if (names[i] || strcmp(plain(line), plain(paths[i])) != 0)
			continue;
		names[i] = strndup(file, name_length(file));
		if (!names[i])
			return -ENOMEM;
	}
	return 0;
}

static int read_list(int dirfd, const char *file, const char *const *paths, size_t n, char **names)
{
	int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);
	_cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	_cleanup_free_ char *line = NULL;
	size_t allocated = 0;
	int r = 0;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while (r == 0 && getline(&line, &allocated, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		r = take_line(line, file, paths, n, names);
	}
	return r;
}

int packages_find(const char *directory, const char *const *paths, size_t n, char **ret)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	struct dirent *entry;
	int r = 0;

	memset(ret, 0, n * sizeof(*ret));
	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (name_length(entry->d_name) > 0)
			r = read_list(dirfd(dir), entry->d_name, paths, n, ret);
	for (size_t i = 0; r < 0 && i < n; i++) {
		free(ret[i]);
		ret[i] = NULL;
	}
	return r;
}
