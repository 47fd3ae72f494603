/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/symbol_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "symbolize/debug_search.h"
#include "worker/worker.h"

struct symbol_request {
	struct symbol_reader reader;
	symbol_done_fn done;
	void *userdata;
	struct debug_search search;
	bool searches;
	bool with_debug_file; /* the job on its way is about a debug file too */
	bool debug_tried;     /* there is no more to try */
	int fd, debug_fd, addresses_fd;
	uint32_t n;
	size_t whole_bytes;
	bool is_known;
	struct symbol_answer known;    /* of an earlier request */
	struct symbol_reading reading; /* so far; no table = nothing was read */
};

struct symbol_request *symbol_request_free(struct symbol_request *q)
{
	if (!q)
		return NULL;
	debug_search_done(&q->search);
	closep(&q->fd);
	closep(&q->debug_fd);
	closep(&q->addresses_fd);
	elf_symbols_free(q->reading.table);
	free(q);
	return NULL;
}

DEFINE_CLEANUP(struct symbol_request *, symbol_request_free);

static int write_addresses(const struct symbol_wish *wish)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (wish->n > SYMBOL_JOB_MAX_ADDRESSES)
		return -E2BIG;
	fd = memfd_create("profd-addresses", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, wish->addresses, wish->n * sizeof(*wish->addresses));
	return r < 0 ? r : TAKE_FD(fd);
}

static void take_answer(void *userdata, int status, const void *data, size_t size);

/* The next job. In this process it is done when this returns, and the answer the caller's. */
static int ask(struct symbol_request *q, void **ret_data, size_t *ret_size)
{
	const struct symbol_question question = {
		.limits = { .max_bytes = q->reader.max_table },
		.whole_bytes = q->whole_bytes,
		.has_debug_file = q->with_debug_file,
		.n = q->n,
	};
	int fds[3];
	size_t n = 0;

	fds[n++] = q->fd;
	if (q->with_debug_file)
		fds[n++] = q->debug_fd;
	if (q->n > 0)
		fds[n++] = q->addresses_fd;
	if (!q->reader.worker)
		return symbol_job_run(fds, n, &question, sizeof(question), ret_data, ret_size);
	return worker_submit(q->reader.worker, q->reader.job, fds, n, &question, sizeof(question),
			     take_answer, q);
}

static int take_table(struct symbol_request *q, const void *data, size_t size)
{
	struct symbol_answer answer;
	struct elf_symbols *table;
	void *copy;
	int r;

	/* Who took over the parser keeps no limits. */
	if (q->reader.max_table && size > q->reader.max_table + sizeof(answer))
		return -EFBIG;
	copy = malloc(size ? size : 1);
	if (!copy)
		return -ENOMEM;
	if (size)
		memcpy(copy, data, size);
	r = symbol_job_take(copy, size, &table, &answer);
	if (r < 0) {
		free(copy);
		return r;
	}
	elf_symbols_free(q->reading.table);
	q->reading.table = table;
	q->reading.answer = answer;
	return 0;
}

/* Whether the next job is to read a debug file, too. */
static bool has_debug_file(struct symbol_request *q)
{
	const struct symbol_answer *answer = q->is_known ? &q->known : &q->reading.answer;

	q->debug_tried |= !q->searches || !answer->wants_debug_file ||
			  !debug_search_next(&q->search, &answer->identity, &q->debug_fd);
	return !q->debug_tried;
}

/* Whether there is one more job to do; else the request is over, with @ret_status. */
static bool go_on(struct symbol_request *q, int status, int *ret_status)
{
	*ret_status = 0;
	if (!q->with_debug_file) {
		*ret_status = status;
		if (status < 0 || q->debug_tried)
			return false;
	} else if (status == 0) {
		return false;
	} else if (status != -ENOENT) { /* of one that does not belong to the executable */
		q->reading.debug_error = status;
		q->debug_tried = true;
	}
	q->with_debug_file = !q->debug_tried && has_debug_file(q);
	return q->with_debug_file || !q->reading.table;
}

/* True if it is to be asked again; else the request is over, and freed. */
static bool handle(struct symbol_request *q, int status, const void *data, size_t size)
{
	if (status == 0)
		status = take_table(q, data, size);
	if (go_on(q, status, &status))
		return true;
	q->done(q->userdata, status, &q->reading);
	if (status == 0)
		q->reading.table = NULL;
	symbol_request_free(q);
	return false;
}

static void take_answer(void *userdata, int status, const void *data, size_t size)
{
	struct symbol_request *q = userdata;

	while (handle(q, status, data, size)) {
		status = ask(q, NULL, NULL);
		if (status == 0)
			return;
		data = NULL;
		size = 0;
	}
}

static void ask_here(struct symbol_request *q)
{
	bool again = true;

	while (again) {
		_cleanup_free_ void *data = NULL;
		size_t size = 0;
		int r = ask(q, &data, &size);

		again = handle(q, r, data, size);
	}
}

static int copy_wish(struct symbol_request *q, const struct symbol_wish *wish)
{
	int r = wish->search ? debug_search_init(&q->search, wish->search) : 0;

	if (r < 0)
		return r;
	q->searches = wish->search != NULL;
	q->n = (uint32_t)wish->n;
	q->whole_bytes = wish->whole_bytes;
	q->is_known = wish->known != NULL;
	if (wish->known)
		q->known = *wish->known;
	q->fd = fcntl(wish->fd, F_DUPFD_CLOEXEC, 3);
	if (q->fd < 0)
		return -errno;
	if (wish->n == 0)
		return 0;
	q->addresses_fd = write_addresses(wish);
	return MIN(q->addresses_fd, 0);
}

int symbol_request_start(const struct symbol_reader *reader, const struct symbol_wish *wish,
			 symbol_done_fn done, void *userdata, struct symbol_request **ret)
{
	_cleanup_(symbol_request_freep)
	struct symbol_request *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->fd = q->debug_fd = q->addresses_fd = -1;
	q->reader = *reader;
	q->done = done;
	q->userdata = userdata;
	r = copy_wish(q, wish);
	if (r < 0)
		return r;
	/* Which file it would be is known already: it is read at once, if it is there. */
	q->with_debug_file = q->is_known && has_debug_file(q);
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
