/* SPDX-License-Identifier: Apache-2.0 */
#include "process/debug_file.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "elf/debug_identity.h"
#include "fetch/debuginfod.h"
#include "process/rooted.h"

struct attempt {
	const struct debug_file_search *search;
	const char *root; /* the one that is searched now */
	int (*try)(int fd, void *userdata);
	void *userdata;
};

/* Neither somebody's secrets nor his core dumps. */
static bool is_code(int fd)
{
	struct {
		unsigned char ident[EI_NIDENT];
		uint16_t type;
	} head;

	return fd_pread_full(fd, &head, sizeof(head), 0) == 0 &&
	       memcmp(head.ident, ELFMAG, SELFMAG) == 0 &&
	       (head.type == ET_EXEC || head.type == ET_DYN || head.type == ET_REL);
}

/* -ENOENT if there is none. */
static int open_code(const char *root, const char *path)
{
	_cleanup_close_ int fd = rooted_open(root, path, 0);

	return fd >= 0 && is_code(fd) ? TAKE_FD(fd) : -ENOENT;
}

static int try_path(const struct attempt *a, const char *path)
{
	_cleanup_close_ int fd = open_code(a->root, path);

	return fd >= 0 ? a->try(fd, a->userdata) : -ENOENT;
}

/* @rest is relative to each debug directory. */
static int try_directories(const struct attempt *a, const char *rest)
{
	const char *p = a->search->directories ? a->search->directories : DEBUG_FILE_DIRECTORIES;
	int r = -ENOENT;

	for (; *p && r == -ENOENT; p += strspn(p, ":")) {
		size_t n = strcspn(p, ":");
		char path[PATH_MAX];

		if (n < PATH_MAX && p[0] == '/' &&
		    (size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)n, p, rest) < sizeof(path))
			r = try_path(a, path);
		p += n;
	}
	return r;
}

static int try_build_id(const struct attempt *a, const uint8_t *build_id, size_t size)
{
	char hex[2 * ELF_BUILD_ID_MAX + 1], rest[sizeof(hex) + 32];

	if (size < 2)
		return -ENOENT;
	build_id_format(build_id, size, hex);
	snprintf(rest, sizeof(rest), ".build-id/%.2s/%s.debug", hex, hex + 2);
	return try_directories(a, rest);
}

/* How much of a path with a slash is its directory. */
static int directory_of(const char *path)
{
	return (int)MIN(strrchr(path, '/') - path, (ptrdiff_t)PATH_MAX);
}

/* In the directory of the executable, or in one in it. */
static int try_beside(const struct attempt *a, int directory, const char *below, const char *link)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%.*s/%s%s", directory, a->search->path, below,
			     link) >= sizeof(path))
		return -ENOENT;
	return try_path(a, path);
}

static int try_link(const struct attempt *a, const char *link)
{
	int directory = directory_of(a->search->path);
	char rest[PATH_MAX];
	int r;

	r = try_beside(a, directory, "", link);
	if (r == -ENOENT)
		r = try_beside(a, directory, ".debug/", link);
	if (r == -ENOENT && directory > 0 &&
	    (size_t)snprintf(rest, sizeof(rest), "%.*s/%s", directory - 1, a->search->path + 1,
			     link) < sizeof(rest))
		r = try_directories(a, rest);
	return r;
}

static int try_all(const struct attempt *a, const struct debug_identity *id)
{
	int r = try_build_id(a, id->build_id, id->build_id_size);

	if (r != -ENOENT || id->link[0] == '\0' || a->search->path[0] != '/')
		return r;
	return try_link(a, id->link);
}

static int try_debuginfod(const struct attempt *a, const uint8_t *build_id, size_t size)
{
	_cleanup_close_ int fd =
		a->search->debuginfod ? debuginfod_open(a->search->debuginfod, build_id, size) : -1;

	return fd >= 0 && is_code(fd) ? a->try(fd, a->userdata) : -ENOENT;
}

int debug_file_each(const struct debug_identity *id, const struct debug_file_search *search,
		    int (*try)(int fd, void *userdata), void *userdata)
{
	struct attempt a = {
		.search = search, .root = search->root, .try = try, .userdata = userdata
	};
	int r = a.root ? try_all(&a, id) : -ENOENT;

	a.root = "/";
	if (r == -ENOENT)
		r = try_all(&a, id);
	if (r == -ENOENT)
		r = try_debuginfod(&a, id->build_id, id->build_id_size);
	return r;
}

static int try_alt(const struct attempt *a, const struct debug_alt_link *link)
{
	const char *shared = strstr(link->path, ".dwz/");
	int r = -ENOENT;

	/* Where the debug file is is not known here: a relative path may be from the executable. */
	if (link->path[0] == '/')
		r = try_path(a, link->path);
	else if (a->search->path[0] == '/')
		r = try_beside(a, directory_of(a->search->path), "", link->path);
	if (r == -ENOENT && shared)
		r = try_directories(a, shared);
	if (r == -ENOENT && !link->is_checksum)
		r = try_build_id(a, link->id, link->id_size);
	return r;
}

int debug_file_each_alt(const struct debug_alt_link *link, const struct debug_file_search *search,
			int (*try)(int fd, void *userdata), void *userdata)
{
	struct attempt a = {
		.search = search, .root = search->root, .try = try, .userdata = userdata
	};
	int r = a.root ? try_alt(&a, link) : -ENOENT;

	a.root = "/";
	if (r == -ENOENT)
		r = try_alt(&a, link);
	if (r == -ENOENT && !link->is_checksum)
		r = try_debuginfod(&a, link->id, link->id_size);
	return r;
}

int debug_file_open(const struct debug_file_search *search, const char *path)
{
	int fd = search->root ? open_code(search->root, path) : -ENOENT;

	return fd >= 0 ? fd : open_code("/", path);
}
