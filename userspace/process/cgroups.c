/* SPDX-License-Identifier: Apache-2.0 */
#include "process/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/utf8.h"
#include "process/cgroup.h"

/* More live cgroups than this are rare; the cache is then begun anew. */
#define CACHE_MAX 8192

/* FILEID_KERNFS of include/linux/exportfs.h: the handle is the 64-bit id (Linux 5.5). */
#define KERNFS_HANDLE_TYPE 0xfe

#define MOUNTINFO_MAX (16 << 20)

struct cached {
	uint64_t id;
	struct shared *identity; /* NULL = could not be resolved */
	UT_hash_handle hh;
};

struct cgroups {
	struct shared_set *names;
	struct cached *cache;
	int mount_fd;	   /* the root of the unified hierarchy; -1 = not to be had */
	char *mount_point; /* of mount_fd, without the slash of "/" */
	bool have_ids;
};

/* Undoes the octal escapes of /proc/PID/mountinfo in place. */
static void unescape_octal(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		unsigned int byte;

		if (from[0] == '\\' && sscanf(from + 1, "%3o", &byte) == 1 &&
		    strspn(from + 1, "01234567") >= 3) {
			*to++ = (char)byte;
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/* The mount point of a line of mountinfo (proc(5)) if it is the whole unified hierarchy. */
static char *cgroup2_mount_point(char *line)
{
	char *type = strstr(line, " - ");
	char *field = line, *root;

	if (!type || strncmp(type, " - cgroup2 ", strlen(" - cgroup2 ")) != 0)
		return NULL;
	*type = '\0';
	for (int i = 0; i < 3; i++)
		strsep(&field, " ");
	root = strsep(&field, " ");
	if (!root || strcmp(root, "/") != 0)
		return NULL;
	return strsep(&field, " ");
}

static int find_mount(struct cgroups *c, int proc_fd)
{
	_cleanup_free_ char *data = NULL;
	char *rest, *line;
	int r;

	r = file_read(proc_fd, "self/mountinfo", MOUNTINFO_MAX, &data, NULL);
	if (r < 0)
		return r;
	rest = data;
	while ((line = strsep(&rest, "\n"))) {
		char *point = cgroup2_mount_point(line);

		if (!point)
			continue;
		unescape_octal(point);
		c->mount_fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (c->mount_fd < 0)
			continue;
		c->mount_point = strdup(strcmp(point, "/") == 0 ? "" : point);
		return c->mount_point ? 0 : -ENOMEM;
	}
	return 0;
}

static bool systemd_has_own_hierarchy(int proc_fd)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(proc_fd, "self/cgroup", MOUNTINFO_MAX, &text, NULL) < 0)
		return false;
	return strstr(text, ":name=systemd:");
}

struct cgroups *cgroups_new(int proc_fd, struct shared_set *names)
{
	struct cgroups *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->names = names;
	c->mount_fd = -1;
	if (proc_fd < 0)
		return c;
	c->have_ids = !systemd_has_own_hierarchy(proc_fd);
	if (c->have_ids && find_mount(c, proc_fd) == -ENOMEM)
		return cgroups_free(c);
	return c;
}

static void empty_cache(struct cgroups *c)
{
	struct cached *entry, *next = NULL;

	HASH_ITER(hh, c->cache, entry, next) {
		HASH_DEL(c->cache, entry);
		shared_unref(entry->identity);
		free(entry);
	}
}

struct cgroups *cgroups_free(struct cgroups *c)
{
	if (!c)
		return NULL;
	empty_cache(c);
	closep(&c->mount_fd);
	free(c->mount_point);
	free(c);
	return NULL;
}

bool cgroups_have_ids(const struct cgroups *c)
{
	return c->have_ids;
}

size_t cgroups_memory(const struct cgroups *c)
{
	return sizeof(*c) + HASH_COUNT(c->cache) * sizeof(struct cached) +
	       HASH_OVERHEAD(hh, c->cache);
}

struct shared *cgroups_by_path(struct cgroups *c, const char *path)
{
	char key[PATH_MAX + 2 * CGROUP_NAME_MAX];
	char name[CGROUP_NAME_MAX];
	size_t n;

	n = utf8_copy(key, PATH_MAX, path) + 1;
	if (!cgroup_unit(path, name))
		name[0] = '\0';
	n += utf8_copy(key + n, CGROUP_NAME_MAX, name) + 1;
	if (!cgroup_container(path, name))
		name[0] = '\0';
	n += utf8_copy(key + n, CGROUP_NAME_MAX, name) + 1;
	return shared_get(c->names, key, n);
}

static char *string_or_null(char *s)
{
	return *s ? s : NULL;
}

char *identity_unit(struct shared *identity)
{
	return string_or_null(identity->data + strlen(identity->data) + 1);
}

char *identity_container(struct shared *identity)
{
	char *unit = identity->data + strlen(identity->data) + 1;

	return string_or_null(unit + strlen(unit) + 1);
}

/* Opens the cgroup's directory by its id and asks what it is called. Needs CAP_DAC_READ_SEARCH. */
static int path_of_id(const struct cgroups *c, uint64_t id, char ret_path[PATH_MAX])
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} h = { .handle = { .handle_bytes = sizeof(id), .handle_type = KERNFS_HANDLE_TYPE } };
	char link[64], path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	size_t prefix;
	ssize_t n;

	if (c->mount_fd < 0)
		return -ENOTSUP;
	memcpy(h.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(c->mount_fd, &h.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Our own descriptor: always the real /proc. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	prefix = strlen(c->mount_point);
	if (strncmp(path, c->mount_point, prefix) != 0)
		return -ENOENT;
	/* The mount point itself is the root. */
	strcpy(ret_path, path[prefix] ? path + prefix : "/");
	return ret_path[0] == '/' ? 0 : -ENOENT;
}

static void put_cache(struct cgroups *c, uint64_t id, struct shared *identity)
{
	struct cached *entry;

	HASH_FIND(hh, c->cache, &id, sizeof(id), entry);
	if (entry) {
		shared_ref(identity);
		shared_unref(entry->identity);
		entry->identity = identity;
		return;
	}
	if (HASH_COUNT(c->cache) >= CACHE_MAX)
		empty_cache(c);
	entry = malloc(sizeof(*entry));
	if (!entry)
		return;
	entry->id = id;
	HASH_ADD(hh, c->cache, id, sizeof(id), entry);
	if (!entry->hh.tbl) {
		free(entry);
		return;
	}
	entry->identity = shared_ref(identity);
}

struct shared *cgroups_by_id(struct cgroups *c, uint64_t id)
{
	struct shared *identity = NULL;
	struct cached *entry;
	char path[PATH_MAX];

	if (!c->have_ids || id == 0)
		return NULL;
	HASH_FIND(hh, c->cache, &id, sizeof(id), entry);
	if (entry)
		return shared_ref(entry->identity);
	if (path_of_id(c, id, path) == 0)
		identity = cgroups_by_path(c, path);
	put_cache(c, id, identity);
	return identity;
}

void cgroups_remember(struct cgroups *c, uint64_t id, struct shared *identity)
{
	if (c->have_ids && id)
		put_cache(c, id, identity);
}
