/* SPDX-License-Identifier: Apache-2.0 */
#include "process/debug_file.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "elf/debug_identity.h"
#include "process/rooted.h"

struct attempt {
	const struct debug_identity *id;
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

static int try_path(const struct attempt *a, const char *path)
{
	_cleanup_close_ int fd = rooted_open(a->root, path, 0);

	return fd >= 0 && is_code(fd) ? a->try(fd, a->userdata) : -ENOENT;
}

static int try_build_id(const struct attempt *a)
{
	char path[PATH_MAX], hex[2 * ELF_BUILD_ID_MAX + 1];

	if (a->id->build_id_size < 2)
		return -ENOENT;
	for (size_t i = 0; i < a->id->build_id_size; i++)
		sprintf(hex + 2 * i, "%02x", a->id->build_id[i]);
	if ((size_t)snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug",
			     a->search->debug_directory, hex, hex + 2) >= sizeof(path))
		return -ENOENT;
	return try_path(a, path);
}

/* @before, the directory of the executable, @after, and the name in the link. */
static int try_link(const struct attempt *a, const char *before, const char *after)
{
	const char *slash = strrchr(a->search->path, '/');
	char path[PATH_MAX];

	if (slash - a->search->path >= PATH_MAX ||
	    (size_t)snprintf(path, sizeof(path), "%s%.*s/%s%s", before,
			     (int)(slash - a->search->path), a->search->path, after,
			     a->id->link) >= sizeof(path))
		return -ENOENT;
	return try_path(a, path);
}

static int try_all(const struct attempt *a)
{
	int r = try_build_id(a);

	if (r != -ENOENT || a->id->link[0] == '\0' || a->search->path[0] != '/')
		return r;
	r = try_link(a, "", "");
	if (r == -ENOENT)
		r = try_link(a, "", ".debug/");
	if (r == -ENOENT)
		r = try_link(a, a->search->debug_directory, "");
	return r;
}

int debug_file_each(const struct debug_identity *id, const struct debug_file_search *search,
		    int (*try)(int fd, void *userdata), void *userdata)
{
	struct attempt a = {
		.id = id, .search = search, .root = search->root, .try = try, .userdata = userdata
	};
	int r = a.root ? try_all(&a) : -ENOENT;

	if (r != -ENOENT)
		return r;
	a.root = "/";
	return try_all(&a);
}
