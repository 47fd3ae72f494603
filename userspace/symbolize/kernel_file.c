/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kernel_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/executable.h"
#include "symbolize/kernel_modules.h"

struct kernel_file {
	char *root, *notes, *release, *directories, *list; /* @search points there */
	struct vmlinux_search search;
	uint64_t retry_ns, retry_at;
	uint64_t start, end; /* of the text in memory */
	struct vmlinux vmlinux;
	struct executable executable; /* readable = it was found */
	struct kernel_modules *modules;
};

static int copy_string(const char *from, char **ret, const char **ret_const)
{
	*ret = strdup(from);
	*ret_const = *ret;
	return *ret ? 0 : -ENOMEM;
}

int kernel_file_new(const struct vmlinux_search *search, const char *modules, uint64_t retry_ns,
		    struct kernel_file **ret)
{
	struct kernel_file *k = calloc(1, sizeof(*k));
	const char *list;
	int r;

	if (!k)
		return -ENOMEM;
	k->retry_ns = retry_ns;
	k->vmlinux.fd = -1;
	k->search.debuginfod = search->debuginfod;
	r = copy_string(search->root, &k->root, &k->search.root);
	if (r == 0)
		r = copy_string(search->notes, &k->notes, &k->search.notes);
	if (r == 0)
		r = copy_string(search->release, &k->release, &k->search.release);
	if (r == 0)
		r = copy_string(search->directories, &k->directories, &k->search.directories);
	if (r == 0) {
		k->executable.path = strdup("[kernel]");
		r = k->executable.path ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = copy_string(modules, &k->list, &list);
	if (r == 0)
		r = kernel_modules_new(&k->search, list, retry_ns, &k->modules);
	if (r < 0) {
		kernel_file_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

struct kernel_file *kernel_file_free(struct kernel_file *k)
{
	if (!k)
		return NULL;
	kernel_modules_free(k->modules);
	if (k->executable.lines)
		k->executable.lines_free(k->executable.lines);
	if (k->vmlinux.fd >= 0)
		close(k->vmlinux.fd);
	free(k->executable.path);
	free(k->root);
	free(k->notes);
	free(k->release);
	free(k->directories);
	free(k->list);
	free(k);
	return NULL;
}

void kernel_file_look(struct kernel_file *k, uint64_t start, uint64_t end, uint64_t now)
{
	k->start = start;
	k->end = end;
	kernel_modules_look(k->modules, now);
	if (k->executable.readable || start == 0 || now < k->retry_at)
		return;
	k->retry_at = now + k->retry_ns;
	k->executable.readable = vmlinux_open(&k->search, start, &k->vmlinux) == 0;
}

struct executable *kernel_file_of(struct kernel_file *k, uint64_t address, uint64_t now,
				  uint64_t *ret_address)
{
	if (address < k->start || address >= k->end)
		return kernel_modules_of(k->modules, address, now, ret_address);
	if (!k->executable.readable)
		return NULL;
	*ret_address = address - k->vmlinux.slide;
	return &k->executable;
}

int kernel_file_open(const struct kernel_file *k, const struct executable *x)
{
	return x == &k->executable ? k->vmlinux.fd : kernel_modules_open(k->modules, x);
}

void kernel_file_look_again(struct kernel_file *k)
{
	k->retry_at = 0;
	kernel_modules_look_again(k->modules);
}
