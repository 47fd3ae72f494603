/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "profile/selection.h"

#define MAX_TAKEN_NAMES 1000

static int cannot_write(const char *path, int number, struct error *e)
{
	return error_set(e, number, "cannot write %s: %s", path, strerror(number));
}

/* A new file beside @path. Its rights are those that the umask leaves, as for any program. */
static int create_beside(const char *path, char **ret_name, struct error *e)
{
	_cleanup_free_ char *name = NULL;
	const char *base = strrchr(path, '/');
	int length = base ? (int)(base + 1 - path) : 0;
	uint32_t random;
	int fd;

	base = base ? base + 1 : path;
	if (!*base)
		return cannot_write(path, EISDIR, e);
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return cannot_write(path, EIO, e);
	if (asprintf(&name, "%.*s.%.200s.%08x", length, path, base, random) < 0)
		return error_set(e, ENOMEM, "out of memory");
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return cannot_write(path, errno, e);
	*ret_name = TAKE_PTR(name);
	return fd;
}

static int open_stdout(struct output *ret, struct error *e)
{
	if (isatty(STDOUT_FILENO))
		return error_set(e, EINVAL,
				 "--output -: a profile is not for a terminal; redirect it");
	*ret = (struct output){ .fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) };
	return ret->fd < 0 ? cannot_write("standard output", errno, e) : 0;
}

int output_open(const char *path, struct output *ret, struct error *e)
{
	struct output o = OUTPUT_NONE;
	struct stat st;

	if (strcmp(path, "-") == 0)
		return open_stdout(ret, e);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		o.fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	else
		o.fd = create_beside(path, &o.temporary, e);
	if (o.fd < 0 && !e->number)
		cannot_write(path, errno, e);
	if (o.fd >= 0 && !(o.path = strdup(path)))
		error_set(e, ENOMEM, "out of memory");
	if (e->number) {
		output_done(&o);
		return -e->number;
	}
	*ret = o;
	return 0;
}

int output_commit(struct output *o, const void *data, size_t size, struct error *e)
{
	const char *name = o->path ? o->path : "standard output";
	int r;

	r = fd_write_full(o->fd, data, size);
	/* Network file systems tell only now that there was no room. */
	if (close(TAKE_FD(o->fd)) < 0 && r == 0)
		r = -errno;
	if (r == 0 && o->temporary && rename(o->temporary, o->path) < 0)
		r = -errno;
	if (r < 0)
		return cannot_write(name, -r, e);
	free(TAKE_PTR(o->temporary));
	return 0;
}

void output_done(struct output *o)
{
	if (o->fd >= 0)
		close(TAKE_FD(o->fd));
	if (o->temporary)
		unlink(o->temporary);
	free(TAKE_PTR(o->temporary));
	free(TAKE_PTR(o->path));
}

char *output_default_name(const char *what, time_t now)
{
	char when[32];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
	for (int i = 1; i <= MAX_TAKEN_NAMES; i++) {
		char number[16] = "", *name;

		if (i > 1)
			snprintf(number, sizeof(number), "-%d", i);
		if (asprintf(&name, "profctl-%s-%s%s.pb.gz", what, when, number) < 0)
			return NULL;
		if (access(name, F_OK) < 0 || i == MAX_TAKEN_NAMES)
			return name;
		free(name);
	}
	return NULL;
}

/* Names are chosen by processes: nothing that a shell or a terminal would act on is left. */
static void make_plain(char *name)
{
	for (char *p = name; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || *p == '.' || *p == '_' || *p == '-';

		if (!plain)
			*p = '_';
	}
}

static char *label_pid(uint32_t pid)
{
	_cleanup_free_ char *comm = NULL;
	char path[32], *label;
	int r;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	if (file_read(AT_FDCWD, path, 4096, &comm, NULL) == 0)
		comm[strcspn(comm, "\n")] = '\0';
	r = comm && *comm ? asprintf(&label, "%s-%u", comm, pid) : asprintf(&label, "%u", pid);
	return r < 0 ? NULL : label;
}

char *output_label(const struct selection *s, const char *program, pid_t pid)
{
	char *label = NULL;

	if (program) {
		const char *base = strrchr(program, '/');

		if (asprintf(&label, "%.64s-%d", base ? base + 1 : program, (int)pid) < 0)
			return NULL;
	} else if (s->n_pids == 1) {
		label = label_pid(s->pids[0]);
	} else if (s->n_pids > 1) {
		if (asprintf(&label, "%zu-processes", s->n_pids) < 0)
			return NULL;
	} else if (s->comm || s->unit) {
		if (asprintf(&label, "%.64s", s->comm ? s->comm : s->unit) < 0)
			return NULL;
	} else {
		label = strdup("all");
	}
	if (label)
		make_plain(label);
	return label;
}

char *output_name_of_type(const char *path, const char *type)
{
	static const char *const endings[] = { ".pb.gz", ".pb", ".gz" };
	size_t length = strlen(path);
	char *name;

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t n = strlen(endings[i]);

		if (length <= n || strcmp(path + length - n, endings[i]) != 0)
			continue;
		if (asprintf(&name, "%.*s-%s%s", (int)(length - n), path, type, endings[i]) < 0)
			return NULL;
		return name;
	}
	return asprintf(&name, "%s-%s", path, type) < 0 ? NULL : name;
}
