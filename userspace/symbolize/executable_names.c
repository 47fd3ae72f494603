/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/executable_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/elf_symbols.h"
#include "process/executable.h"
#include "process/debug_file.h"

/* Hangs on executable->names. */
struct names {
	struct executable_names_set *set;
	struct executable *executable; /* borrowed: it frees us before it goes */
	struct elf_symbols *table;     /* NULL = not loaded, or failed */
	struct symbol_answer *answer;  /* of the last reading; NULL = there was none */
	uint64_t retry_at;	       /* ns; the file failed and is not tried before */
	uint64_t debug_retry_at;       /* the same of its debug file */
	uint64_t stale_at;	       /* when a debug file is looked for again */
	int error;		       /* why it failed */
	uint64_t used;
	enum unnamed_reason why;
	uint64_t n_asked, n_unnamed;
	struct names *prev, *next;
};

struct executable_names_set {
	struct executable_names_options options;
	struct names *loaded; /* least recently used first */
	struct names *empty;  /* evicted or failed */
	size_t bytes;	      /* of the tables */
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
	n->table = elf_symbols_free(n->table);
	DL_DELETE(n->set->loaded, n);
	DL_APPEND(n->set->empty, n);
}

/* Takes over @table; the names move to those used last. */
static void put_table(struct names *n, struct elf_symbols *table)
{
	if (n->table)
		drop_table(n);
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
	free(n);
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

	if (!s)
		return NULL;
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

static int read_table(struct names *n, int fd, const uint64_t *addresses, size_t count,
		      const char *root, uint64_t now)
{
	struct executable_names_set *s = n->set;
	const struct debug_file_search search = {
		.directories = s->options.debug_directories,
		.root = root,
		.path = n->executable->path,
		.debuginfod = s->options.debuginfod,
	};
	const struct symbol_wish wish = {
		.fd = fd,
		.addresses = addresses,
		.n = count,
		.search = now < n->debug_retry_at ? NULL : &search,
		.known = n->answer,
	};
	struct symbol_reading reading;
	int r;

	s->stats.asked++;
	r = symbol_reader_read(&s->options.reader, &wish, &reading);
	if (r < 0)
		return r;
	if (reading.debug_error < 0) {
		n->debug_retry_at = now + s->options.retry_ns;
		s->stats.debug_failed++;
		count_crash(s, reading.debug_error);
	}
	remember(n, &reading.answer);
	add_table(n, reading.table);
	return 0;
}

static int open_and_read(struct names *n, const uint64_t *addresses, size_t count, const char *root,
			 uint64_t now)
{
	int fd = n->set->options.executables
			 ? executable_table_open(n->set->options.executables, n->executable)
			 : -ENOENT;
	int r = fd < 0 ? fd : read_table(n, fd, addresses, count, root, now);

	/* Too many open files passes; whatever else it was may happen again with each frame. */
	if (r < 0 && fd != -EMFILE && fd != -ENFILE)
		n->retry_at = now + n->set->options.retry_ns;
	if (r < 0)
		n->error = fd < 0 ? -ENOENT : r;
	return r;
}

static void load(struct names *n, const uint64_t *addresses, size_t count, const char *root)
{
	struct executable_names_set *s = n->set;
	uint64_t now = clock_monotonic_ns();
	bool fresh = !n->table;
	int r;

	if (now < n->retry_at)
		return;
	r = open_and_read(n, addresses, count, root, now);
	if (r < 0) {
		s->stats.failed++;
		count_crash(s, r);
		return;
	}
	n->error = 0;
	if (!fresh)
		return;
	n->stale_at = now + s->options.retry_ns;
	s->stats.loaded++;
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

static int compare_addresses(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void executable_names_want(struct executable_names_set *s, struct executable *x,
			   const uint64_t *addresses, size_t n, const char *root, uint64_t now)
{
	struct names *names = x->readable ? names_of(s, x) : NULL;
	_cleanup_free_ uint64_t *unknown = NULL;
	struct elf_symbol symbol;
	size_t count = 0;

	if (!names)
		return;
	drop_stale(names);
	unknown = calloc(n + 1, sizeof(*unknown));
	if (!unknown)
		return;
	for (size_t i = 0; i < n; i++)
		if (!knows(names, addresses[i], &symbol))
			unknown[count++] = addresses[i];
	qsort(unknown, count, sizeof(*unknown), compare_addresses);
	names->used = now;
	for (size_t i = 0; i < count; i += SYMBOL_JOB_MAX_ADDRESSES)
		load(names, unknown + i, MIN(count - i, (size_t)SYMBOL_JOB_MAX_ADDRESSES), root);
}

static enum unnamed_reason why(const struct names *n)
{
	if (!n->executable->readable)
		return UNNAMED_no_file;
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

static const char *look_up(struct names *n, uint64_t address, const char *root, uint64_t now)
{
	struct elf_symbol symbol;

	if (!knows(n, address, &symbol)) {
		load(n, &address, 1, root);
		/* An answer to something else: it is not asked again and again. */
		if (!knows(n, address, &symbol) && n->table)
			n->retry_at = clock_monotonic_ns() + n->set->options.retry_ns;
	}
	n->used = now;
	if (n->table && n->next) { /* not the last one already */
		DL_DELETE(n->set->loaded, n);
		DL_APPEND(n->set->loaded, n);
	}
	return symbol.name[0] ? symbol.name : NULL;
}

const char *executable_names_find(struct executable_names_set *s, struct executable *x,
				  uint64_t address, const char *root, uint64_t now)
{
	struct names *n = names_of(s, x);
	const char *name;

	if (!n)
		return NULL;
	n->n_asked++;
	name = x->readable ? look_up(n, address, root, now) : NULL;
	if (!name) {
		n->why = why(n);
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
