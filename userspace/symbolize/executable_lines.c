/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wanted of an executable waits at it until a request begins, of which there are a few at a
 * time: each holds descriptors. An executable may go away while it is asked about; the request ends
 * by itself then, and what it tells is for nobody.
 */
#include "symbolize/executable_lines.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/debug_file.h"
#include "process/executable.h"
#include "symbolize/debug_search.h"
#include "symbolize/line_store.h"

#define MAX_REQUESTS 8

/* A question on its way. */
struct question {
	struct executable_lines_set *set;
	struct lines *lines; /* NULL = the executable is gone */
	struct line_request *request;
	uint64_t arrivals; /* in the set when it began */
	struct address_list addresses;
	struct question *prev, *next;
};

/* Hangs on executable->lines. */
struct lines {
	struct executable_lines_set *set;
	struct executable *executable; /* borrowed: it frees us before it goes */
	struct line_store *store;      /* NULL = nothing is known */
	size_t bytes;		       /* of the store, as they are counted in the set */
	bool file_missing;	       /* a debug file; what is in the store may lack something */
	uint64_t quiet_until;	       /* ns; it has no lines, or could not be read */
	uint64_t used;
	struct address_list wanted; /* wait for a request */
	uint32_t pid; /* of a process that they are wanted for; 0 = none that is there */
	struct question *question;
	struct lines *prev, *next;
};

struct executable_lines_set {
	struct executable_lines_options options;
	struct lines *list; /* least recently used first */
	struct question *questions;
	uint32_t n_questions;
	size_t bytes, n;
	uint64_t arrivals; /* of debug files */
	struct executable_lines_stats stats;
};

int executable_lines_new(const struct executable_lines_options *o,
			 struct executable_lines_set **ret)
{
	struct executable_lines_set *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->options = *o;
	*ret = s;
	return 0;
}

static void drop_store(struct lines *l)
{
	l->set->bytes -= l->bytes;
	l->bytes = 0;
	l->file_missing = false;
	l->store = line_store_free(l->store);
}

/* executable->lines_free */
static void lines_free(void *p)
{
	struct lines *l = p;

	drop_store(l);
	address_list_done(&l->wanted);
	if (l->question)
		l->question->lines = NULL;
	DL_DELETE(l->set->list, l);
	l->set->n--;
	free(l);
}

static void question_free(struct question *q)
{
	DL_DELETE(q->set->questions, q);
	q->set->n_questions--;
	if (q->lines)
		q->lines->question = NULL;
	address_list_done(&q->addresses);
	free(q);
}

struct executable_lines_set *executable_lines_free(struct executable_lines_set *s)
{
	struct lines *l, *next;
	struct question *q, *next_question;

	if (!s)
		return NULL;
	DL_FOREACH_SAFE(s->questions, q, next_question) {
		line_request_free(q->request);
		question_free(q);
	}
	DL_FOREACH_SAFE(s->list, l, next) {
		l->executable->lines = NULL;
		l->executable->lines_free = NULL;
		lines_free(l);
	}
	free(s);
	return NULL;
}

static struct lines *lines_of(struct executable_lines_set *s, struct executable *x)
{
	struct lines *l = x->lines;

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->set = s;
	l->executable = x;
	DL_APPEND(s->list, l);
	s->n++;
	x->lines = l;
	x->lines_free = lines_free;
	return l;
}

static void use(struct lines *l, uint64_t now)
{
	l->used = now;
	if (l->next) { /* not the last one already */
		DL_DELETE(l->set->list, l);
		DL_APPEND(l->set->list, l);
	}
}

static void put(struct lines *l, uint64_t address, const struct line_frame *frames, size_t n)
{
	if (!l->store)
		l->store = line_store_new();
	/* What finds no room is asked again. */
	if (l->store)
		line_store_put(l->store, address, frames, n);
}

static void take_chain(void *userdata, uint32_t i, const struct line_frame *frames, size_t n)
{
	struct question *q = userdata;

	if (q->lines)
		put(q->lines, q->addresses.addresses[i], frames, n);
}

/* Of all others it is known now that there is nothing. */
static void remember_nothing(struct lines *l, const struct question *q)
{
	for (size_t i = 0; i < q->addresses.n; i++)
		if (!l->store || !line_store_has(l->store, q->addresses.addresses[i]))
			put(l, q->addresses.addresses[i], NULL, 0);
}

static void account(struct lines *l)
{
	l->set->bytes -= l->bytes;
	l->bytes = l->store ? line_store_memory(l->store) : 0;
	l->set->bytes += l->bytes;
}

static void start_next(struct executable_lines_set *s);

static void count(struct executable_lines_stats *stats, const struct line_outcome *o)
{
	stats->failed += o->status < 0;
	stats->crashed += o->status == -ECHILD;
	stats->timed_out += o->status == -ETIME;
	stats->split_missing += o->n_missing;
	stats->units_refused += o->stats.units_refused;
	stats->sections_compressed += o->stats.sections_compressed;
}

/*
 * A file that arrived while it was on its way may be the one that it did without. Lines of Go are
 * there without DWARF, of which only what is C in such a program has need.
 */
static void keep_end(struct lines *l, const struct question *q, const struct line_outcome *o)
{
	bool overtaken = q->arrivals != l->set->arrivals;

	if (o->status == 0 && (o->has_dwarf || o->is_go)) {
		remember_nothing(l, q);
		l->file_missing |= o->alt_missing || !o->has_dwarf;
	} else if (!overtaken) {
		l->quiet_until = clock_monotonic_ns() + l->set->options.retry_ns;
		address_list_done(&l->wanted);
	}
	account(l);
	if (l->file_missing && overtaken)
		drop_store(l);
}

static void take_end(void *userdata, const struct line_outcome *o)
{
	struct question *q = userdata;
	struct executable_lines_set *s = q->set;

	count(&s->stats, o);
	if (q->lines)
		keep_end(q->lines, q, o);
	question_free(q);
	start_next(s);
}

static const struct line_request_handler handler = { take_chain, take_end };

/* Moves what is wanted, and not known by now, as much as one job takes, to the question. */
static void take_wanted(struct lines *l, struct question *q)
{
	struct address_list *a = &q->addresses;
	size_t kept = 0;

	*a = l->wanted;
	l->wanted = (struct address_list){};
	for (size_t i = 0; i < a->n; i++)
		if (!l->store || !line_store_has(l->store, a->addresses[i]))
			a->addresses[kept++] = a->addresses[i];
	a->n = kept;
	address_list_sort(a);
	/* More than that at a time are asked for when somebody wants them again. */
	a->n = MIN(a->n, (size_t)LINE_JOB_MAX_ADDRESSES);
}

static int ask(struct question *q)
{
	struct lines *l = q->lines;
	const struct executable_lines_options *o = &q->set->options;
	char root[PATH_MAX];
	const struct debug_file_search search = {
		.directories = o->debug_directories,
		.root = debug_search_root(o->proc, l->pid, root),
		.path = l->executable->path,
		.debuginfod = o->debuginfod,
	};
	struct line_request *request;
	int fd = o->open(o->userdata, l->executable);
	int r;

	if (fd < 0)
		return fd;
	/* Without a worker the question is answered, and gone, when this returns. */
	r = line_request_start(&o->reader, fd, q->addresses.addresses, (uint32_t)q->addresses.n,
			       &search, &handler, q, &request);
	if (r == 0 && request)
		q->request = request;
	return r;
}

static void start(struct lines *l)
{
	struct executable_lines_set *s = l->set;
	struct question *q = calloc(1, sizeof(*q));
	struct line_outcome failure = {};

	if (!q) {
		address_list_done(&l->wanted);
		return;
	}
	q->set = s;
	q->lines = l;
	q->arrivals = s->arrivals;
	l->question = q;
	DL_APPEND(s->questions, q);
	s->n_questions++;
	take_wanted(l, q);
	if (q->addresses.n == 0) {
		question_free(q);
		return;
	}
	s->stats.asked++;
	failure.status = ask(q);
	if (failure.status < 0)
		take_end(q, &failure);
}

static void start_next(struct executable_lines_set *s)
{
	struct lines *l, *next;

	DL_FOREACH_SAFE(s->list, l, next) {
		if (s->n_questions >= MAX_REQUESTS)
			return;
		if (l->wanted.n > 0 && !l->question)
			start(l);
	}
}

uint64_t executable_lines_want(struct executable_lines_set *s, struct executable *x,
			       const struct wanted_address *wanted, size_t n, uint32_t pid,
			       uint64_t now)
{
	struct lines *l = x->readable ? lines_of(s, x) : NULL;
	uint64_t unknown = 0;

	if (!l)
		return 0;
	use(l, now);
	if (clock_monotonic_ns() < l->quiet_until)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (l->store && line_store_has(l->store, wanted[i].address))
			continue;
		unknown += wanted[i].weight;
		if (address_list_add(&l->wanted, wanted[i].address) < 0)
			break;
	}
	if (unknown == 0)
		return 0;
	l->pid = pid;
	if (!l->question && s->n_questions < MAX_REQUESTS)
		start(l);
	return unknown;
}

bool executable_lines_is_busy(const struct executable_lines_set *s)
{
	return s->questions != NULL;
}

size_t executable_lines_find(struct executable_lines_set *s, struct executable *x, uint64_t address,
			     struct line_frame *ret, size_t max, uint64_t now, bool *ret_late)
{
	struct lines *l = x->lines;
	size_t n;

	(void)s;
	*ret_late = false;
	if (!l)
		return 0;
	use(l, now);
	if (l->store && line_store_get(l->store, address, ret, max, &n))
		return n;
	*ret_late = l->question || l->wanted.n > 0;
	return 0;
}

bool executable_lines_are_settled(const struct executable *x, uint64_t address)
{
	const struct lines *l = x->lines;

	if (!l)
		return false;
	return (l->store && line_store_has(l->store, address)) ||
	       (!l->question && l->wanted.n == 0 && clock_monotonic_ns() < l->quiet_until);
}

void executable_lines_arrived(struct executable_lines_set *s)
{
	struct lines *l;

	s->arrivals++;
	DL_FOREACH(s->list, l) {
		l->quiet_until = 0;
		if (l->file_missing && !l->question)
			drop_store(l);
	}
}

static struct lines *oldest(const struct executable_lines_set *s)
{
	struct lines *l;

	DL_FOREACH(s->list, l)
		if (l->store)
			return l;
	return NULL;
}

uint64_t executable_lines_oldest(const struct executable_lines_set *s)
{
	const struct lines *l = oldest(s);

	return l ? l->used : UINT64_MAX;
}

void executable_lines_evict(struct executable_lines_set *s)
{
	struct lines *l = oldest(s);

	if (!l)
		return;
	s->stats.evicted++;
	drop_store(l);
}

void executable_lines_get_stats(const struct executable_lines_set *s,
				struct executable_lines_stats *ret)
{
	*ret = s->stats;
}

size_t executable_lines_memory(const struct executable_lines_set *s)
{
	return sizeof(*s) + s->n * sizeof(struct lines) + s->bytes;
}
