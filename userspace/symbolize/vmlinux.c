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

static int try_path(const struct vmlinux_search *s, const char *directory, size_t length,
		    const char *name, int (*try)(int fd, void *userdata), void *userdata)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	if (length >= PATH_MAX || (size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)length,
						   directory, name) >= sizeof(path))
		return -ENOENT;
	fd = rooted_open(s->root, path, 0);
	return fd < 0 ? -ENOENT : try(fd, userdata);
}

int vmlinux_each(const struct vmlinux_search *s, const char *const *names, size_t n,
		 int (*try)(int fd, void *userdata), void *userdata)
{
	const char *p = s->directories ? s->directories : DEBUG_FILE_DIRECTORIES;
	int r = -ENOENT;

	for (; *p && r == -ENOENT; p += strspn(p, ":")) {
		size_t length = strcspn(p, ":");

		for (size_t i = 0; i < n && r == -ENOENT; i++)
			r = try_path(s, p, length, names[i], try, userdata);
		p += length;
	}
	for (size_t i = 0; i < n && r == -ENOENT; i++)
		r = try_path(s, "", 0, names[i], try, userdata);
	return r;
}

static int try_names(const struct vmlinux_search *s, struct attempt *a)
{
	char boot[NAME_MAX + 64], modules[NAME_MAX + 64], build[NAME_MAX + 64];
	const char *const names[] = { boot, modules, build };

	snprintf(boot, sizeof(boot), "boot/vmlinux-%.*s", NAME_MAX, s->release);
	snprintf(modules, sizeof(modules), "lib/modules/%.*s/vmlinux", NAME_MAX, s->release);
	snprintf(build, sizeof(build), "lib/modules/%.*s/build/vmlinux", NAME_MAX, s->release);
	return vmlinux_each(s, names, ARRAY_SIZE(names), try_file, a);
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
	r = try_names(s, &a);
	if (r == -ENOENT)
		r = debug_file_each(&identity, &by_build_id, try_file, &a);
	if (r < 0)
		return r;
	*ret = a.found;
	return 0;
}
