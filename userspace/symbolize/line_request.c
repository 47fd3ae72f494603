/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/line_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbolize/address_list.h"
#include "symbolize/debug_search.h"
#include "symbolize/dialogue.h"
#include "worker/worker.h"

/*
 * Times that it is asked again; a hostile file could go on for ever. Each time for split DWARF the
 * addresses of DWARF_MAX_WANTED files are told, those of files that do not fit one time later.
 */
#define MAX_ROUNDS	 16U
#define MAX_SPLIT_ROUNDS 512U
#define MAX_SPLIT	 (WORKER_MAX_FDS - 4)

struct line_request {
	struct dialogue dialogue; /* first */
	const struct line_request_handler *handler;
	void *userdata;
	struct debug_search search;
	uint64_t *addresses;
	uint32_t *numbers; /* what the addresses that are left were numbered by the caller */
	uint32_t n;
	int fd, debug_fd, alt_fd;
	int split[MAX_SPLIT];
	uint32_t n_split;
	uint64_t opened[DWARF_MAX_WANTED]; /* the units that were wanted of these files */
	uint32_t n_opened;
	uint32_t rounds;
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
	debug_search_done(&q->search);
	free(q->addresses);
	free(q->numbers);
	free(q);
	return NULL;
}

DEFINE_CLEANUP(struct line_request *, line_request_free);

static struct line_request *request_of(struct dialogue *d)
{
	return (struct line_request *)d;
}

static void add_file(struct line_question *question, int *fds, int fd, enum line_file kind)
{
	if (fd < 0)
		return;
	fds[2 + question->n_files] = fd;
	question->kinds[question->n_files++] = (uint8_t)kind;
}

/* The next job. */
static int ask(struct dialogue *d)
{
	struct line_request *q = request_of(d);
	struct line_question question = { .n_addresses = q->n };
	_cleanup_close_ int addresses = address_file(q->addresses, q->n);
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
	return dialogue_ask(d, fds, n_fds, &question, sizeof(question));
}

static bool add_split(struct line_request *q, const char *path)
{
	int fd = q->n_split < MAX_SPLIT ? debug_file_open(&q->search.search, path) : -1;

	if (fd >= 0)
		q->split[q->n_split++] = fd;
	return fd >= 0;
}

static bool find_package(struct line_request *q)
{
	char path[2 * PATH_MAX];

	if (q->package_tried)
		return false;
	q->package_tried = true;
	snprintf(path, sizeof(path), "%s.dwp", q->search.search.path);
	return add_split(q, path);
}

/* A file that was opened, and did not have the unit, is of another build. */
static bool was_in_vain(const struct line_request *q, uint64_t id)
{
	for (uint32_t i = 0; i < q->n_opened; i++)
		if (q->opened[i] == id)
			return true;
	return false;
}

/* Opens the files that are wanted, where the compiler left them; @ret_found[i] of each. */
static void find_files(struct line_request *q, const struct line_reading *g, bool *ret_found)
{
	uint64_t opened[DWARF_MAX_WANTED] = {};
	char path[2 * PATH_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->answer.n_wanted; i++) {
		const struct dwarf_wanted *w = &g->wanted[i];

		snprintf(path, sizeof(path), "%s%s%s", w->name[0] == '/' ? "" : w->directory,
			 w->name[0] == '/' ? "" : "/", w->name);
		ret_found[i] = !was_in_vain(q, w->id) && add_split(q, path);
		if (ret_found[i])
			opened[n++] = w->id;
		q->outcome.n_missing += !ret_found[i];
	}
	memcpy(q->opened, opened, n * sizeof(*opened));
	q->n_opened = n;
}

/*
 * Tells the chains, but not those that may get better, which stay to be asked: their files were
 * @found, or not even listed. NULL = all are told.
 */
static void tell(struct line_request *q, const struct line_reading *g, const bool *found)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < q->n; i++) {
		struct line_frame frames[LINE_MAX_CHAIN];
		uint8_t wanted = g->incomplete[i];
		size_t n;

		if (found && wanted && (wanted == DWARF_NOT_LISTED || found[wanted - 1])) {
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

/* Looks for files of split DWARF: in one package beside the executable, or each by itself. */
static bool go_on_split(struct line_request *q, const struct line_reading *g)
{
	bool found[DWARF_MAX_WANTED] = {};
	uint32_t before = q->n;

	close_split(q);
	if (find_package(q))
		memset(found, true, sizeof(found));
	else
		find_files(q, g, found);
	tell(q, g, found);
	return q->n > 0 && (q->n_split > 0 || q->n < before);
}

/* Whether it is to be asked again. */
static bool go_on(struct line_request *q, const struct line_reading *g)
{
	bool may = q->rounds < MAX_ROUNDS;

	if (g->answer.wants_debug_file && may &&
	    debug_search_next(&q->search, &g->answer.identity, &q->debug_fd))
		return true;
	q->outcome.is_go |= g->answer.is_go != 0;
	q->outcome.has_dwarf |= !g->answer.wants_debug_file;
	if (g->answer.wants_alt && may &&
	    debug_search_next_alt(&q->search, &g->answer.alt, &q->alt_fd))
		return true;
	q->outcome.alt_missing = g->answer.wants_alt;
	if (!q->package_tried)
		q->outcome.stats = g->answer.stats;
	if (g->answer.n_wanted > 0 && q->rounds < MAX_SPLIT_ROUNDS)
		return go_on_split(q, g);
	q->outcome.n_missing += g->answer.n_wanted;
	tell(q, g, NULL);
	return false;
}

/* True if it is to be asked again; else the request is over, and freed. */
static bool take(struct dialogue *d, int status, const void *data, size_t size)
{
	struct line_request *q = request_of(d);
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
		r = debug_search_init(&q->search, search);
	if (r < 0)
		return r;
	q->dialogue = (struct dialogue){
		.worker = reader->worker,
		.job = reader->job,
		.run = line_job_run,
		.next = ask,
		.take = take,
	};
	q->handler = handler;
	q->userdata = userdata;
	r = dialogue_start(&q->dialogue);
	if (r < 0)
		return r;
	/* Without a worker it is over, and gone. */
	*ret = reader->worker ? q : NULL;
	q = NULL;
	return 0;
}
