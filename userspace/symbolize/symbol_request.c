/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/symbol_request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbolize/address_list.h"
#include "symbolize/debug_search.h"
#include "symbolize/dialogue.h"

struct symbol_request {
	struct dialogue dialogue; /* first */
	size_t max_table;	  /* as in struct symbol_reader */
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

static struct symbol_request *request_of(struct dialogue *d)
{
	return (struct symbol_request *)d;
}

/* The next job. */
static int ask(struct dialogue *d)
{
	struct symbol_request *q = request_of(d);
	const struct symbol_question question = {
		.limits = { .max_bytes = q->max_table },
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
	return dialogue_ask(d, fds, n, &question, sizeof(question));
}

static int take_table(struct symbol_request *q, const void *data, size_t size)
{
	struct symbol_answer answer;
	struct elf_symbols *table;
	void *copy;
	int r;

	/* Who took over the parser keeps no limits. */
	if (q->max_table && size > q->max_table + sizeof(answer))
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
static bool take(struct dialogue *d, int status, const void *data, size_t size)
{
	struct symbol_request *q = request_of(d);

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
	if (wish->n > SYMBOL_JOB_MAX_ADDRESSES)
		return -E2BIG;
	q->addresses_fd = address_file(wish->addresses, wish->n);
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
	q->dialogue = (struct dialogue){
		.worker = reader->worker,
		.job = reader->job,
		.run = symbol_job_run,
		.next = ask,
		.take = take,
	};
	q->max_table = reader->max_table;
	q->done = done;
	q->userdata = userdata;
	r = copy_wish(q, wish);
	if (r < 0)
		return r;
	/* Which file it would be is known already: it is read at once, if it is there. */
	q->with_debug_file = q->is_known && has_debug_file(q);
	r = dialogue_start(&q->dialogue);
	if (r < 0)
		return r;
	/* Without a worker it is over, and gone. */
	*ret = reader->worker ? q : NULL;
	q = NULL;
	return 0;
}
