/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kernel_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/executable.h"

struct kernel_file {
	char *root, *notes, *release, *directories; /* @search points there */
	struct vmlinux_search search;
	uint64_t retry_ns, retry_at;
	uint64_t start, end; /* of the text in memory */
	struct vmlinux vmlinux;
	struct executable executable; /* readable = it was found */
};

static int copy_string(const char *from, char **ret, const char **ret_const)
{
	*ret = strdup(from);
	*ret_const = *ret;
	return *ret ? 0 : -ENOMEM;
}

int kernel_file_new(const struct vmlinux_search *search, uint64_t retry_ns,
		    struct kernel_file **ret)
{
	struct kernel_file *k = calloc(1, sizeof(*k));
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
	if (k->executable.lines)
		k->executable.lines_free(k->executable.lines);
	if (k->vmlinux.fd >= 0)
		close(k->vmlinux.fd);
	free(k->executable.path);
	free(k->root);
	free(k->notes);
	free(k->release);
	free(k->directories);
	free(k);
	return NULL;
}

struct executable *kernel_file_get(struct kernel_file *k, uint64_t start, uint64_t end,
				   uint64_t now)
{
	struct executable *x = &k->executable;

	if (x->readable)
		return x;
	if (start == 0 || now < k->retry_at)
		return NULL;
	k->retry_at = now + k->retry_ns;
	if (vmlinux_open(&k->search, start, &k->vmlinux) < 0)
		return NULL;
	k->start = start;
	k->end = end;
	x->readable = true;
	return x;
}

struct executable *kernel_file_of(struct kernel_file *k, uint64_t address, uint64_t *ret_address)
{
	if (!k->executable.readable || address < k->start || address >= k->end)
		return NULL;
	*ret_address = address - k->vmlinux.slide;
	return &k->executable;
}

int kernel_file_open(const struct kernel_file *k, const struct executable *x)
{
	return x == &k->executable ? k->vmlinux.fd : -ENOENT;
}

void kernel_file_look_again(struct kernel_file *k)
{
	k->retry_at = 0;
}
