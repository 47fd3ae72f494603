/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/debug_candidates.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "process/debug_file.h"

static int add(int fd, void *userdata)
{
	struct debug_candidates *c = userdata;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy >= 0)
		c->fds[c->n++] = copy;
	return c->n < DEBUG_CANDIDATES ? -ENOENT : 0;
}

void debug_candidates_find(const struct debug_identity *id, const char *directories,
			   const char *path, struct debug_candidates *ret)
{
	const struct debug_file_search search = { .directories = directories, .path = path };

	*ret = (struct debug_candidates){ .n = 0 };
	debug_file_each(id, &search, add, ret);
}

void debug_candidates_done(struct debug_candidates *c)
{
	while (c->n > 0)
		close(c->fds[--c->n]);
}
