/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/line_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "process/debug_file.h"

/* Files that are tried, and times that it is asked again; a hostile file could go on for ever. */
#define MAX_CANDIDATES 4U
#define MAX_ROUNDS     16U
#define MAX_SPLIT      (WORKER_MAX_FDS - 4)

struct line_request {
	struct line_reader reader;
	const struct line_request_handler *handler;
	void *userdata;
	struct debug_file_search search;
	char *root, *path, *directories; /* @search points there */
	uint64_t *addresses;
	uint32_t *numbers; /* what the addresses that are left were numbered by the caller */
	uint32_t n;
	int fd, debug_fd, alt_fd;
	int split[MAX_SPLIT];
	uint32_t n_split;
	uint32_t debug_tried, alt_tried, rounds;
	bool package_tried;
	struct line_outcome outcome; /* as far as it is known */
};

static void close_split(struct line_request *q)
{
	while (q->n_split > 0)
		close(q->split[--q->n_split]);
}

struct line_request *line_request_free(struct line_request *q)
{
	if (!q)
		return NULL;
	close_split(q);
	closep(&q->fd);
	closep(&q->debug_fd);
	closep(&q->alt_fd);
	free(q->root);
	free(q->path);
	free(q->directories);
	free(q->addresses);
	free(q->numbers);
	free(q);
	return NULL;
}

DEFINE_CLEANUP(struct line_request *, line_request_free);

static int copy_string(const char *from, char **ret, const char **ret_const)
{
	if (!from)
		return 0;
	*ret = strdup(from);
	*ret_const = *ret;
	return *ret ? 0 : -ENOMEM;
}

static int copy_search(struct line_request *q, const struct debug_file_search *s)
{
	int r = copy_string(s->root, &q->root, &q->search.root);

	if (r == 0)
		r = copy_string(s->path, &q->path, &q->search.path);
	if (r == 0)
		r = copy_string(s->directories, &q->directories, &q->search.directories);
	q->search.debuginfod = s->debuginfod;
	return r;
}

static int write_addresses(const struct line_request *q)
{
	_cleanup_close_ int fd = memfd_create("profd-addresses", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, q->addresses, q->n * sizeof(*q->addresses));
	return r < 0 ? r : TAKE_FD(fd);
}

static void add_file(struct line_question *question, int *fds, int fd, enum line_file kind)
{
	if (fd < 0)
		return;
	fds[2 + question->n_files] = fd;
	question->kinds[question->n_files++] = (uint8_t)kind;
}

static void take_answer(void *userdata, int status, const void *data, size_t size);

/* The next job. In this process it is done when this returns, and the answer the caller's. */
static int ask(struct line_request *q, void **ret_data, size_t *ret_size)
{
	struct line_question question = { .n_addresses = q->n };
	_cleanup_close_ int addresses = write_addresses(q);
	int fds[WORKER_MAX_FDS] = { addresses, q->fd };
	size_t n_fds;

	if (addresses < 0)
		return addresses;
	add_file(&question, fds, q->debug_fd, LINE_FILE_DEBUG);
	add_file(&question, fds, q->alt_fd, LINE_FILE_ALT);
	for (uint32_t i = 0; i < q->n_split; i++)
		add_file(&question, fds, q->split[i], LINE_FILE_SPLIT);
	n_fds = question.n_files + 2;
	q->rounds++;
	if (!q->reader.worker)
		return line_job_run(fds, n_fds, &question, sizeof(question), ret_data, ret_size);
	return worker_submit(q->reader.worker, q->reader.job, fds, n_fds, &question,
			     sizeof(question), take_answer, q);
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

/* Whether there is one more to try, which has taken the place of the last. */
static bool next_debug_file(struct line_request *q, const struct debug_identity *id)
{
	struct candidate c = { .skip = q->debug_tried, .fd = -1 };

	if (q->debug_tried++ >= MAX_CANDIDATES ||
	    debug_file_each(id, &q->search, take_candidate, &c) < 0)
		return false;
	closep(&q->debug_fd);
	q->debug_fd = c.fd;
	return true;
}

static bool next_alt(struct line_request *q, const struct debug_alt_link *link)
{
	struct candidate c = { .skip = q->alt_tried, .fd = -1 };

	if (q->alt_tried++ >= MAX_CANDIDATES ||
	    debug_file_each_alt(link, &q->search, take_candidate, &c) < 0)
		return false;
	closep(&q->alt_fd);
	q->alt_fd = c.fd;
	return true;
}

static void add_split(struct line_request *q, const char *path)
{
	int fd = q->n_split < MAX_SPLIT ? debug_file_open(&q->search, path) : -1;

	if (fd >= 0)
		q->split[q->n_split++] = fd;
}

/* The files are where the compiler left them, or in one package beside the executable. */
static bool find_split(struct line_request *q, const struct line_reading *g)
{
	char path[2 * PATH_MAX];

	close_split(q);
	if (!q->package_tried) {
		q->package_tried = true;
		snprintf(path, sizeof(path), "%s.dwp", q->search.path);
		add_split(q, path);
		if (q->n_split > 0)
			return true;
	}
	for (uint32_t i = 0; i < g->answer.n_wanted; i++) {
		const struct dwarf_wanted *w = &g->wanted[i];
		uint32_t before = q->n_split;

		snprintf(path, sizeof(path), "%s%s%s", w->name[0] == '/' ? "" : w->directory,
			 w->name[0] == '/' ? "" : "/", w->name);
		add_split(q, path);
		q->outcome.n_missing += q->n_split == before;
	}
	return q->n_split > 0;
}

/* Tells the chains, but not those that @keep says may get better; these stay to be asked. */
static void tell(struct line_request *q, const struct line_reading *g, bool keep)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < q->n; i++) {
		struct line_frame frames[LINE_MAX_CHAIN];
		size_t n;

		if (keep && g->incomplete[i]) {
			q->addresses[kept] = q->addresses[i];
			q->numbers[kept++] = q->numbers[i];
			continue;
		}
		n = line_table_get(&g->table, i, frames, LINE_MAX_CHAIN);
		if (n > 0)
			q->handler->chain(q->userdata, q->numbers[i], frames, n);
	}
	q->n = kept;
}

/* Whether it is to be asked again. */
static bool go_on(struct line_request *q, const struct line_reading *g)
{
	bool may = q->rounds < MAX_ROUNDS;

	if (g->answer.wants_debug_file && may && next_debug_file(q, &g->answer.identity))
		return true;
	q->outcome.has_dwarf |= !g->answer.wants_debug_file;
	if (g->answer.wants_alt && may && next_alt(q, &g->answer.alt))
		return true;
	q->outcome.alt_missing = g->answer.wants_alt;
	if (q->rounds == 1 || q->n_split == 0)
		q->outcome.stats = g->answer.stats;
	if (g->answer.n_wanted > 0 && may && find_split(q, g)) {
		tell(q, g, true);
		return q->n > 0;
	}
	tell(q, g, false);
	return false;
}

/* True if it is to be asked again; else the request is over, and freed. */
static bool handle(struct line_request *q, int status, const void *data, size_t size)
{
	struct line_reading g;

	if (status == 0)
		status = line_job_take(data, size, q->n, &g);
	if (status == 0 && go_on(q, &g))
		return true;
	q->outcome.status = status;
	q->handler->done(q->userdata, &q->outcome);
	line_request_free(q);
	return false;
}

static void take_answer(void *userdata, int status, const void *data, size_t size)
{
	struct line_request *q = userdata;
	int r;

	if (!handle(q, status, data, size))
		return;
	r = ask(q, NULL, NULL);
	if (r < 0)
		handle(q, r, NULL, 0);
}

static void ask_here(struct line_request *q)
{
	bool again = true;

	while (again) {
		_cleanup_free_ void *data = NULL;
		size_t size = 0;
		int r = ask(q, &data, &size);

		again = handle(q, r, data, size);
	}
}

static int request_new(int fd, const uint64_t *addresses, uint32_t n, struct line_request **ret)
{
	_cleanup_(line_request_freep)
	struct line_request *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->fd = q->debug_fd = q->alt_fd = -1;
	q->addresses = calloc(n, sizeof(*q->addresses));
	q->numbers = calloc(n, sizeof(*q->numbers));
	if (!q->addresses || !q->numbers)
		return -ENOMEM;
	memcpy(q->addresses, addresses, n * sizeof(*addresses));
	for (uint32_t i = 0; i < n; i++)
		q->numbers[i] = i;
	q->n = n;
	q->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (q->fd < 0)
		return -errno;
	*ret = TAKE_PTR(q);
	return 0;
}

int line_request_start(const struct line_reader *reader, int fd, const uint64_t *addresses,
		       uint32_t n, const struct debug_file_search *search,
		       const struct line_request_handler *handler, void *userdata,
		       struct line_request **ret)
{
	_cleanup_(line_request_freep)
	struct line_request *q = NULL;
	int r;

	if (n == 0 || n > LINE_JOB_MAX_ADDRESSES)
		return -EINVAL;
	r = request_new(fd, addresses, n, &q);
	if (r == 0)
		r = copy_search(q, search);
	if (r < 0)
		return r;
	q->reader = *reader;
	q->handler = handler;
	q->userdata = userdata;
	if (!reader->worker) {
		*ret = NULL;
		ask_here(TAKE_PTR(q));
		return 0;
	}
	r = ask(q, NULL, NULL);
	if (r == 0)
		*ret = TAKE_PTR(q);
	return r;
}
