/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wanted of an executable waits at it until a question begins, of which there are a few at
 * a time. An executable may go away while it is asked about; the question ends by itself then.
 */
#include "symbolize/executable_names_object.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/elf_symbols.h"
#include "process/debug_file.h"
#include "process/executable.h"
#include "symbolize/debug_search.h"

/* Questions at a time: each holds descriptors. The parser answers one after the other. */
#define MAX_QUESTIONS 8
/*
 * Each question costs the reading of the whole file, so one that is asked about again and again
 * gives more and more: all, if that is not more than 32 times a small table.
 */
#define MOST_DOUBLED 5U

/* A question on its way. */
struct question {
	struct executable_names_set *set;
	struct names *names; /* NULL = the executable is gone, and the answer for nobody */
	struct symbol_request *request;
	uint64_t arrivals; /* in the set when it began */
	struct address_list addresses;
	struct question *prev, *next;
};

static void question_free(struct question *q)
{
	DL_DELETE(q->set->questions, q);
	q->set->n_questions--;
	if (q->names)
		q->names->question = NULL;
	address_list_done(&q->addresses);
	free(q);
}

bool names_is_late(const struct names *n)
{
	return n->question || n->wanted.n > 0;
}

void names_abandon_question(struct names *n)
{
	if (n->question)
		n->question->names = NULL;
}

void names_free_questions(struct executable_names_set *s)
{
	struct question *q, *next;

	DL_FOREACH_SAFE(s->questions, q, next) {
		symbol_request_free(q->request);
		question_free(q);
	}
}

static void count_end_of_parser(struct executable_names_set *s, int error)
{
	s->stats.crashed += error == -ECHILD;
	s->stats.timed_out += error == -ETIME;
}

/* What the next reading need not find out again. Without memory for it, it will. */
static void remember(struct names *n, const struct symbol_answer *answer)
{
	if (!n->answer) {
		n->answer = malloc(sizeof(*n->answer));
		n->set->n_answers += n->answer != NULL;
	}
	if (n->answer)
		*n->answer = *answer;
}

/* What was known stays known, unless there is no room for both. */
static void add_table(struct names *n, struct elf_symbols *table)
{
	struct elf_symbols *both;

	if (n->table && !elf_symbols_is_whole(table) &&
	    elf_symbols_source(n->table) == elf_symbols_source(table) &&
	    elf_symbols_merge(n->table, table, &both) == 0) {
		elf_symbols_free(table);
		table = both;
	}
	names_put_table(n, table);
}

static void take_reading(struct names *n, const struct symbol_reading *reading, uint64_t now)
{
	struct executable_names_set *s = n->set;

	n->error = 0;
	if (!n->table) {
		n->stale_at = now + s->options.retry_ns;
		s->stats.loaded++;
	}
	if (reading->debug_error < 0) {
		n->debug_retry_at = now + s->options.retry_ns;
		s->stats.debug_failed++;
		count_end_of_parser(s, reading->debug_error);
	}
	remember(n, &reading->answer);
	add_table(n, reading->table);
}

/* A debug file may have been installed since. */
static void drop_stale(struct names *n)
{
	if (n->table && n->answer && n->answer->wants_debug_file &&
	    elf_symbols_source(n->table) != ELF_SYMBOLS_DEBUG_FILE &&
	    clock_monotonic_ns() >= n->stale_at)
		names_drop_table(n);
}

/* An answer to something else: it is not asked again and again. */
static bool is_answered(const struct names *n, const struct address_list *asked)
{
	struct elf_symbol symbol;

	for (size_t i = 0; i < asked->n; i++)
		if (!names_knows(n, asked->addresses[i], &symbol))
			return false;
	return true;
}

static void start_next(struct executable_names_set *s);

static void take_end(void *userdata, int status, const struct symbol_reading *reading)
{
	struct question *q = userdata;
	struct executable_names_set *s = q->set;
	struct names *n = q->names;
	uint64_t now = clock_monotonic_ns();

	if (n && status == 0)
		take_reading(n, reading, now);
	else if (status == 0)
		elf_symbols_free(reading->table);
	if (status < 0) {
		s->stats.failed++;
		count_end_of_parser(s, status);
	}
	/* A file that arrived while it was on its way may be the one that it did without. */
	if (n && q->arrivals != s->arrivals)
		n->stale_at = 0;
	if (n && status < 0) {
		n->error = status;
		address_list_done(&n->wanted);
	}
	if (n && (status < 0 || !is_answered(n, &q->addresses)))
		n->retry_at = now + s->options.retry_ns;
	question_free(q);
	start_next(s);
}

static int ask(struct question *q, int fd)
{
	struct names *n = q->names;
	const struct executable_names_options *o = &q->set->options;
	char root[PATH_MAX];
	const struct debug_file_search search = {
		.directories = o->debug_directories,
		.root = debug_search_root(o->proc, n->pid, root),
		.path = n->executable->path,
		.debuginfod = o->debuginfod,
	};
	const struct symbol_wish wish = {
		.fd = fd,
		.addresses = q->addresses.addresses,
		.n = MIN(q->addresses.n, (size_t)SYMBOL_JOB_MAX_ADDRESSES),
		.search = clock_monotonic_ns() < n->debug_retry_at ? NULL : &search,
		.known = n->answer,
		.whole_bytes = o->small_table << MIN(n->n_questions, MOST_DOUBLED),
	};
	struct symbol_request *request;
	int r;

	n->n_questions++;
	q->set->stats.asked++;
	/* Without a parser process the question is answered, and gone, when this returns. */
	r = symbol_request_start(&o->reader, &wish, take_end, q, &request);
	if (r == 0 && request)
		q->request = request;
	return r;
}

/* Moves what is wanted, and not known by now, to the question. */
static void take_wanted(struct names *n, struct question *q)
{
	struct address_list *l = &q->addresses;
	struct elf_symbol symbol;
	size_t kept = 0;

	*l = n->wanted;
	n->wanted = (struct address_list){};
	for (size_t i = 0; i < l->n; i++)
		if (!names_knows(n, l->addresses[i], &symbol))
			l->addresses[kept++] = l->addresses[i];
	l->n = kept;
	address_list_sort(l);
}

static struct question *question_new(struct names *n)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->set = n->set;
	q->names = n;
	q->arrivals = n->set->arrivals;
	n->question = q;
	DL_APPEND(n->set->questions, q);
	n->set->n_questions++;
	take_wanted(n, q);
	return q;
}

static void start(struct names *n)
{
	struct executable_names_set *s = n->set;
	struct question *q = question_new(n);
	int fd, r;

	if (!q) {
		address_list_done(&n->wanted);
		return;
	}
	if (q->addresses.n == 0) {
		question_free(q);
		return;
	}
	fd = s->options.executables ? executable_table_open(s->options.executables, n->executable)
				    : -ENOENT;
	r = fd < 0 ? fd : ask(q, fd);
	if (r < 0)
		take_end(q, fd < 0 ? -ENOENT : r, NULL);
	/* That passes; whatever else it was may happen again with each frame. */
	if (fd == -EMFILE || fd == -ENFILE)
		n->retry_at = 0;
}

static void start_those_of(struct executable_names_set *s, struct names *list)
{
	struct names *n, *next;

	DL_FOREACH_SAFE(list, n, next) {
		if (s->n_questions >= MAX_QUESTIONS)
			return;
		if (n->wanted.n > 0 && !n->question)
			start(n);
	}
}

static void start_next(struct executable_names_set *s)
{
	start_those_of(s, s->empty);
	start_those_of(s, s->loaded);
}

uint64_t executable_names_want(struct executable_names_set *s, struct executable *x,
			       const struct wanted_address *wanted, size_t n, uint32_t pid,
			       uint64_t now)
{
	struct names *names = x->readable ? names_get(s, x) : NULL;
	struct elf_symbol symbol;
	uint64_t unknown = 0;

	if (!names)
		return 0;
	drop_stale(names);
	names->used = now;
	if (clock_monotonic_ns() < names->retry_at)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (names_knows(names, wanted[i].address, &symbol))
			continue;
		unknown += wanted[i].weight;
		if (address_list_add(&names->wanted, wanted[i].address) < 0)
			break;
	}
	if (unknown == 0)
		return 0;
	names->pid = pid;
	if (!names->question && s->n_questions < MAX_QUESTIONS)
		start(names);
	return unknown;
}

bool executable_names_is_busy(const struct executable_names_set *s)
{
	return s->questions != NULL;
}
