/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debug_search.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int copy_string(const char *from, char **ret, const char **ret_const)
{
	if (!from)
		return 0;
	*ret = strdup(from);
	*ret_const = *ret;
	return *ret ? 0 : -ENOMEM;
}

int debug_search_init(struct debug_search *d, const struct debug_file_search *from)
{
	int r;

	*d = (struct debug_search){ .search.debuginfod = from->debuginfod };
	r = copy_string(from->root, &d->root, &d->search.root);
	if (r == 0)
		r = copy_string(from->path, &d->path, &d->search.path);
	if (r == 0)
		r = copy_string(from->directories, &d->directories, &d->search.directories);
	return r;
}

const char *debug_search_root(const char *proc, uint32_t pid, char buffer[static PATH_MAX])
{
	if (!proc || !pid)
		return NULL;
	snprintf(buffer, PATH_MAX, "%s/%" PRIu32 "/root", proc, pid);
	return buffer;
}

void debug_search_done(struct debug_search *d)
{
	free(d->root);
	free(d->path);
	free(d->directories);
	*d = (struct debug_search){};
}

/* Gives the file after those that were tried already. */
struct candidate {
	uint32_t skip;
	int fd;
};

static int take_candidate(int fd, void *userdata)
{
	struct candidate *c = userdata;

	if (c->skip > 0) {
		c->skip--;
		return -ENOENT;
	}
	c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return c->fd < 0 ? -errno : 0;
}

bool debug_search_next(struct debug_search *d, const struct debug_identity *id, int *fd)
{
	struct candidate c = { .skip = d->n_tried, .fd = -1 };

	if (d->n_tried++ >= DEBUG_SEARCH_MAX ||
	    debug_file_each(id, &d->search, take_candidate, &c) < 0)
		return false;
	closep(fd);
	*fd = c.fd;
	return true;
}

bool debug_search_next_alt(struct debug_search *d, const struct debug_alt_link *link, int *fd)
{
	struct candidate c = { .skip = d->n_alt_tried, .fd = -1 };

	if (d->n_alt_tried++ >= DEBUG_SEARCH_MAX ||
	    debug_file_each_alt(link, &d->search, take_candidate, &c) < 0)
		return false;
	closep(fd);
	*fd = c.fd;
	return true;
}
