/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/selection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/process.h"

/* Shorter prefixes of a container id would match by accident. docker ps shows 12 characters. */
#define CONTAINER_PREFIX_MIN 8

bool selection_is_everything(const struct selection *s)
{
	return !s || (s->n_pids == 0 && !s->comm && !s->unit && !s->container);
}

static bool is_meant(const struct selection *s, size_t i, const struct process *p)
{
	return s->pids[i] == p->tgid && (!s->of_lives || s->lives[i] == p->start_time) &&
	       (!s->of_programs || s->execs[i] == p->exec_time);
}

static bool pid_matches(const struct selection *s, const struct process *p)
{
	if (s->n_pids == 0)
		return true;
	for (size_t i = 0; i < s->n_pids; i++)
		if (is_meant(s, i, p))
			return true;
	return false;
}

/* "nginx" means "nginx.service", as with systemctl; other kinds of unit are named in full. */
static bool unit_matches(const char *wanted, const char *unit)
{
	size_t n = strlen(wanted);

	if (!unit || strncmp(unit, wanted, n) != 0)
		return false;
	return unit[n] == '\0' || strcmp(unit + n, ".service") == 0;
}

static bool container_matches(const char *wanted, const char *container)
{
	size_t n = strlen(wanted);

	if (!container)
		return false;
	if (strcmp(container, wanted) == 0)
		return true;
	return n >= CONTAINER_PREFIX_MIN && strncmp(container, wanted, n) == 0;
}

bool selection_matches(const struct selection *s, const struct process *p)
{
	if (!s)
		return true;
	return pid_matches(s, p) && (!s->comm || strcmp(s->comm, p->comm) == 0) &&
	       (!s->unit || unit_matches(s->unit, p->unit)) &&
	       (!s->container || container_matches(s->container, p->container));
}

static int copy_string(const char *s, char **ret)
{
	if (!s) {
		*ret = NULL;
		return 0;
	}
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

DEFINE_CLEANUP(struct selection *, selection_done);

int selection_copy(const struct selection *s, struct selection *ret)
{
	struct selection copy = {};
	_cleanup_(selection_donep)
	struct selection *unwind = &copy;

	if (s) {
		memcpy(copy.pids, s->pids, sizeof(copy.pids));
		copy.n_pids = s->n_pids;
		memcpy(copy.lives, s->lives, sizeof(copy.lives));
		copy.of_lives = s->of_lives;
		memcpy(copy.execs, s->execs, sizeof(copy.execs));
		copy.of_programs = s->of_programs;
		if (copy_string(s->comm, &copy.comm) < 0 || copy_string(s->unit, &copy.unit) < 0 ||
		    copy_string(s->container, &copy.container) < 0)
			return -ENOMEM;
	}
	*ret = copy;
	unwind = NULL;
	return 0;
}

void selection_done(struct selection *s)
{
	if (!s)
		return;
	free(s->comm);
	free(s->unit);
	free(s->container);
	*s = (struct selection){};
}
