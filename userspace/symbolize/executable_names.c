/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/executable_names.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/elf_symbols.h"
#include "process/executable.h"
#include "process/debug_file.h"
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

/* Hangs on executable->names. */
struct names {
	struct executable_names_set *set;
	struct executable *executable; /* borrowed: it frees us before it goes */
	struct elf_symbols *table;     /* NULL = not loaded, or failed */
	struct symbol_answer *answer;  /* of the last reading; NULL = there was none */
	struct address_list wanted;    /* wait for a question */
	uint32_t pid; /* of a process that they are wanted for; 0 = none that is there */
	struct question *question;
	uint32_t n_questions;	 /* since it was loaded */
	uint64_t retry_at;	 /* ns; the file failed and is not tried before */
	uint64_t debug_retry_at; /* the same of its debug file */
	uint64_t stale_at;	 /* when a debug file is looked for again */
	int error;		 /* why it failed */
	uint64_t used;
	enum unnamed_reason why;
	uint64_t n_asked, n_unnamed;
	struct names *prev, *next;
};

struct executable_names_set {
	struct executable_names_options options;
	struct names *loaded; /* least recently used first */
	struct names *empty;  /* evicted or failed */
	struct question *questions;
	uint32_t n_questions;
	uint64_t arrivals; /* of debug files */
	size_t bytes;	   /* of the tables */
	uint32_t n, n_answers;
	struct executable_names_stats stats;
};

int executable_names_new(const struct executable_names_options *o,
			 struct executable_names_set **ret)
{
	struct executable_names_set *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->options = *o;
	*ret = s;
	return 0;
}

static void drop_table(struct names *n)
{
	n->set->bytes -= elf_symbols_memory(n->table);
	n->n_questions = 0;
	n->table = elf_symbols_free(n->table);
	DL_DELETE(n->set->loaded, n);
	DL_APPEND(n->set->empty, n);
}

/* Takes over @table; the names move to those used last. */
static void put_table(struct names *n, struct elf_symbols *table)
{
	uint32_t n_questions = n->n_questions;

	if (n->table)
		drop_table(n);
	n->n_questions = n_questions;
	n->table = table;
	n->set->bytes += elf_symbols_memory(table);
	DL_DELETE(n->set->empty, n);
	DL_APPEND(n->set->loaded, n);
}

static void forget_answer(struct names *n)
{
	n->set->n_answers -= n->answer != NULL;
	free(n->answer);
	n->answer = NULL;
}

/* executable->names_free */
static void names_free(void *p)
{
	struct names *n = p;

	if (n->table)
		drop_table(n);
	DL_DELETE(n->set->empty, n);
	n->set->n--;
	forget_answer(n);
	address_list_done(&n->wanted);
	if (n->question)
		n->question->names = NULL;
	free(n);
}

static void question_free(struct question *q)
{
	DL_DELETE(q->set->questions, q);
	q->set->n_questions--;
	if (q->names)
		q->names->question = NULL;
	address_list_done(&q->addresses);
	free(q);
}

static void detach(struct names *n)
{
	n->executable->names = NULL;
	n->executable->names_free = NULL;
	names_free(n);
}

struct executable_names_set *executable_names_free(struct executable_names_set *s)
{
	struct names *n, *next;
	struct question *q, *next_question;

	if (!s)
		return NULL;
	DL_FOREACH_SAFE(s->questions, q, next_question) {
		symbol_request_free(q->request);
		question_free(q);
	}
	DL_FOREACH_SAFE(s->loaded, n, next)
		detach(n);
	DL_FOREACH_SAFE(s->empty, n, next)
		detach(n);
	free(s);
	return NULL;
}

static struct names *names_of(struct executable_names_set *s, struct executable *x)
{
	struct names *n = x->names;

	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->set = s;
	n->executable = x;
	DL_APPEND(s->empty, n);
	s->n++;
	x->names = n;
	x->names_free = names_free;
	return n;
}

static void count_crash(struct executable_names_set *s, int error)
{
	if (error == -ECHILD || error == -ETIME)
		s->stats.crashed++;
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
	put_table(n, table);
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
		count_crash(s, reading->debug_error);
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
		drop_table(n);
}

static bool knows(const struct names *n, uint64_t address, struct elf_symbol *ret)
{
	*ret = (struct elf_symbol){ .name = "" };
	if (!n->table)
		return false;
	return elf_symbols_find(n->table, address, ret) || elf_symbols_is_whole(n->table);
}

/* An answer to something else: it is not asked again and again. */
static bool is_answered(const struct names *n, const struct address_list *asked)
{
	struct elf_symbol symbol;

	for (size_t i = 0; i < asked->n; i++)
		if (!knows(n, asked->addresses[i], &symbol))
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
		count_crash(s, status);
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
		if (!knows(n, l->addresses[i], &symbol))
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
	struct names *names = x->readable ? names_of(s, x) : NULL;
	struct elf_symbol symbol;
	uint64_t unknown = 0;

	if (!names)
		return 0;
	drop_stale(names);
	names->used = now;
	if (clock_monotonic_ns() < names->retry_at)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (knows(names, wanted[i].address, &symbol))
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

static bool is_late(const struct names *n)
{
	return n->question || n->wanted.n > 0;
}

static enum unnamed_reason why(const struct names *n, bool known)
{
	if (!n->executable->readable)
		return UNNAMED_no_file;
	if (!known && is_late(n))
		return UNNAMED_late;
	if (!n->table || n->error) {
		switch (n->error) {
		case -ENOENT:
			return UNNAMED_gone;
		case -EFBIG:
		case -ENOMEM:
			return UNNAMED_too_large;
		case -ECHILD:
		case -ETIME:
			return UNNAMED_parser_failed;
		default:
			return UNNAMED_refused;
		}
	}
	switch (elf_symbols_source(n->table)) {
	case ELF_SYMBOLS_NONE:
	case ELF_SYMBOLS_DYNSYM:
		return UNNAMED_stripped;
	default:
		return UNNAMED_no_symbol;
	}
}

static const char *look_up(struct names *n, uint64_t address, uint32_t pid, uint64_t now,
			   bool *ret_known)
{
	const struct wanted_address wanted = { address, 1 };
	struct elf_symbol symbol;

	*ret_known = knows(n, address, &symbol);
	/* Without a parser process it is known at once. */
	if (!*ret_known && !is_late(n)) {
		executable_names_want(n->set, n->executable, &wanted, 1, pid, now);
		*ret_known = knows(n, address, &symbol);
	}
	n->used = now;
	if (n->table && n->next) { /* not the last one already */
		DL_DELETE(n->set->loaded, n);
		DL_APPEND(n->set->loaded, n);
	}
	return symbol.name[0] ? symbol.name : NULL;
}

const char *executable_names_find(struct executable_names_set *s, struct executable *x,
				  uint64_t address, uint32_t pid, uint64_t now)
{
	struct names *n = names_of(s, x);
	const char *name;
	bool known = false;

	if (!n)
		return NULL;
	n->n_asked++;
	name = x->readable ? look_up(n, address, pid, now, &known) : NULL;
	if (!name) {
		n->why = why(n, known);
		n->n_unnamed++;
	}
	return name;
}

void executable_names_status(const struct executable *x, struct executable_names_status *ret)
{
	const struct names *n = x->names;

	*ret = (struct executable_names_status){};
	if (!n)
		return;
	ret->source = n->table ? elf_symbols_source(n->table) : ELF_SYMBOLS_NONE;
	ret->why = n->why;
	ret->unnamed = n->n_unnamed;
	ret->asked = n->n_asked;
}

static bool has_build_id(const struct names *n, const uint8_t *build_id, size_t size)
{
	return n->answer && n->answer->identity.build_id_size == size &&
	       memcmp(n->answer->identity.build_id, build_id, size) == 0;
}

void executable_names_arrived(struct executable_names_set *s, const uint8_t *build_id,
			      size_t build_id_size)
{
	struct names *n, *next;

	s->arrivals++;
	DL_FOREACH(s->empty, n)
		if (has_build_id(n, build_id, build_id_size))
			n->retry_at = n->debug_retry_at = 0;
	DL_FOREACH_SAFE(s->loaded, n, next) {
		if (!has_build_id(n, build_id, build_id_size))
			continue;
		n->retry_at = n->debug_retry_at = 0;
		drop_table(n);
	}
}

uint64_t executable_names_oldest(const struct executable_names_set *s)
{
	return s->loaded ? s->loaded->used : UINT64_MAX;
}

void executable_names_evict(struct executable_names_set *s)
{
	if (!s->loaded)
		return;
	s->stats.evicted++;
	forget_answer(s->loaded);
	drop_table(s->loaded);
}

void executable_names_get_stats(const struct executable_names_set *s,
				struct executable_names_stats *ret)
{
	*ret = s->stats;
}

size_t executable_names_memory(const struct executable_names_set *s)
{
	return sizeof(*s) + s->n * sizeof(struct names) +
	       s->n_answers * sizeof(struct symbol_answer) + s->bytes;
}
