/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/executable_names.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/clock.h"
#include "elf/elf_symbols.h"
#include "process/executable.h"
#include "process/debug_file.h"

/* Hangs on executable->names. */
struct names {
	struct executable_names_set *set;
	struct executable *executable; /* borrowed: it frees us before it goes */
	struct elf_symbols *table;     /* NULL = not loaded, or failed */
	uint64_t retry_at;	       /* ns; the file failed and is not tried before */
	uint64_t debug_retry_at;       /* the same of its debug file */
	uint64_t used;
	struct names *prev, *next;
};

struct executable_names_set {
	struct executable_names_options options;
	struct names *loaded; /* least recently used first */
	struct names *empty;  /* evicted or failed */
	size_t bytes;	      /* of the tables */
	uint32_t n;
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

/* executable->names_free */
static void names_free(void *p)
{
	struct names *n = p;

	if (n->table)
		drop_table(n);
	DL_DELETE(n->set->empty, n);
	n->set->n--;
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

static int read_table(struct names *n, int fd, const char *root, uint64_t now)
{
	struct executable_names_set *s = n->set;
	const struct debug_file_search search = {
		.debug_directory = s->options.debug_directory,
		.root = root,
		.path = n->executable->path,
	};
	int debug_error;
	int r;

	r = symbol_reader_read(&s->options.reader, fd, now < n->debug_retry_at ? NULL : &search,
			       &n->table, &debug_error);
	if (r < 0)
		return r;
	if (debug_error < 0) {
		n->debug_retry_at = now + s->options.retry_ns;
		s->stats.debug_failed++;
		count_crash(s, debug_error);
	}
	return 0;
}

static int open_and_read(struct names *n, const char *root, uint64_t now)
{
	int fd = n->set->options.executables
			 ? executable_table_open(n->set->options.executables, n->executable)
			 : -ENOENT;
	int r = fd < 0 ? fd : read_table(n, fd, root, now);

	/* Too many open files passes; whatever else it was may happen again with each frame. */
	if (r < 0 && fd != -EMFILE && fd != -ENFILE)
		n->retry_at = now + n->set->options.retry_ns;
	return r;
}

static void load(struct names *n, const char *root)
{
	struct executable_names_set *s = n->set;
	uint64_t now = clock_monotonic_ns();
	int r;

	if (now < n->retry_at)
		return;
	r = open_and_read(n, root, now);
	if (r < 0) {
		s->stats.failed++;
		count_crash(s, r);
		return;
	}
	s->stats.loaded++;
	s->bytes += elf_symbols_memory(n->table);
	DL_DELETE(s->empty, n);
	DL_APPEND(s->loaded, n);
}

const char *executable_names_find(struct executable_names_set *s, struct executable *x,
				  uint64_t address, const char *root, uint64_t now)
{
	struct names *n = names_of(s, x);
	struct elf_symbol symbol;

	if (!n)
		return NULL;
	if (!n->table)
		load(n, root);
	if (!n->table)
		return NULL;
	n->used = now;
	if (n->next) { /* not the last one already */
		DL_DELETE(s->loaded, n);
		DL_APPEND(s->loaded, n);
	}
	return elf_symbols_find(n->table, address, &symbol) ? symbol.name : NULL;
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
	drop_table(s->loaded);
}

void executable_names_get_stats(const struct executable_names_set *s,
				struct executable_names_stats *ret)
{
	*ret = s->stats;
}

size_t executable_names_memory(const struct executable_names_set *s)
{
	return sizeof(*s) + s->n * sizeof(struct names) + s->bytes;
}
