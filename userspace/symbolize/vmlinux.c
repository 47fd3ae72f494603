/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/vmlinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "elf/debug_identity.h"
#include "elf/elf_image.h"
#include "process/debug_file.h"
#include "process/rooted.h"

#define MAX_NOTES ((size_t)256 << 10)

struct attempt {
	const struct debug_identity *identity;
	uint64_t stext;
	struct vmlinux found;
};

static int running_kernel(const char *path, struct debug_identity *ret)
{
	_cleanup_free_ char *notes = NULL;
	size_t size;
	int r = file_read(AT_FDCWD, path, MAX_NOTES, &notes, &size);

	if (r < 0)
		return r;
	*ret = (struct debug_identity){};
	ret->build_id_size = (uint32_t)build_id_of_notes(notes, size, ret->build_id);
	return ret->build_id_size > 0 ? 0 : -ENOENT;
}

static int text_of(int fd, uint64_t *ret)
{
	_cleanup_(elf_image_done)
	struct elf_image image = { .fd = -1 };
	const Elf64_Shdr *text;
	int r = elf_image_open(fd, &image);

	if (r == 0)
		r = image.sections_error;
	if (r < 0)
		return r;
	/* A debug file keeps the header of .text, not its content. */
	for (uint32_t i = 1; i < image.n_sections; i++) {
		text = &image.sections[i];
		if (text->sh_name < image.names_size &&
		    strcmp(image.names + text->sh_name, ".text") == 0) {
			*ret = text->sh_addr;
			return 0;
		}
	}
	return -EBADMSG;
}

/* Takes a descriptor of its own of the file that fits. */
static int try_file(int fd, void *userdata)
{
	struct attempt *a = userdata;
	uint64_t text;

	if (!debug_identity_fits(a->identity, fd) || text_of(fd, &text) < 0)
		return -ENOENT;
	a->found.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	a->found.slide = a->stext - text;
	return a->found.fd < 0 ? -errno : 0;
}

static int try_path(struct attempt *a, const struct vmlinux_search *s, const char *path)
{
	_cleanup_close_ int fd = rooted_open(s->root, path, 0);

	return fd < 0 ? -ENOENT : try_file(fd, a);
}

static int try_named(struct attempt *a, const struct vmlinux_search *s, const char *directory,
		     int length)
{
	static const char *const names[] = { "boot/vmlinux-%s", "lib/modules/%s/vmlinux",
					     "lib/modules/%s/build/vmlinux" };
	char name[NAME_MAX + 64], path[PATH_MAX];
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r == -ENOENT; i++) {
		const char *at = strstr(names[i], "%s");

		snprintf(name, sizeof(name), "%.*s%.*s%s", (int)(at - names[i]), names[i], NAME_MAX,
			 s->release, at + 2);
		if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", length, directory, name) <
		    sizeof(path))
			r = try_path(a, s, path);
	}
	return r;
}

static int try_directories(struct attempt *a, const struct vmlinux_search *s)
{
	const char *p = s->directories ? s->directories : DEBUG_FILE_DIRECTORIES;
	int r = -ENOENT;

	for (; *p && r == -ENOENT; p += strspn(p, ":")) {
		size_t n = strcspn(p, ":");

		if (n < PATH_MAX)
			r = try_named(a, s, p, (int)n);
		p += n;
	}
	return r == -ENOENT ? try_named(a, s, "", 0) : r;
}

int vmlinux_open(const struct vmlinux_search *s, uint64_t stext, struct vmlinux *ret)
{
	const struct debug_file_search by_build_id = {
		.directories = s->directories,
		.root = s->root,
		.path = "",
		.debuginfod = s->debuginfod,
	};
	struct debug_identity identity;
	struct attempt a = { .identity = &identity, .stext = stext };
	int r;

	if (stext == 0)
		return -EACCES;
	r = running_kernel(s->notes, &identity);
	if (r < 0)
		return r;
	r = try_directories(&a, s);
	if (r == -ENOENT)
		r = debug_file_each(&identity, &by_build_id, try_file, &a);
	if (r < 0)
		return r;
	*ret = a.found;
	return 0;
}
