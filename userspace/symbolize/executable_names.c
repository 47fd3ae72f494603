/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/executable_names.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "elf/elf_symbols.h"
#include "process/executable.h"
#include "symbolize/debug_file.h"

/* Hangs on executable->names. */
struct names {
	struct executable_names_set *set;
	struct executable *executable; /* borrowed: it frees us before it goes */
	struct elf_symbols *table;     /* NULL = not loaded, or failed */
	bool failed;
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

static int read_file(const struct executable_names_set *s, const struct executable *x, int fd,
		     const char *root, struct elf_symbols **ret)
{
	const struct elf_symbols_limits limits = { .max_bytes = s->options.max_table };
	const struct debug_file_search search = {
		.debug_directory = s->options.debug_directory,
		.root = root,
		.path = x->path,
	};
	_cleanup_close_ int debug_fd = -1;

	if (!elf_symbols_has_symtab(fd))
		debug_fd = debug_file_open(fd, &search);
	return elf_symbols_read(fd, debug_fd, &limits, ret);
}

static int read_table(const struct executable_names_set *s, struct executable *x, const char *root,
		      struct elf_symbols **ret)
{
	int fd =
		s->options.executables ? executable_table_open(s->options.executables, x) : -ENOENT;

	return fd < 0 ? fd : read_file(s, x, fd, root, ret);
}

static void load(struct names *n, const char *root)
{
	struct executable_names_set *s = n->set;
	int r = read_table(s, n->executable, root, &n->table);

	if (r < 0) {
		/* These pass: it is tried again. */
		n->failed = r != -ENOMEM && r != -EMFILE && r != -ENFILE;
		s->stats.failed++;
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

	if (!n || n->failed)
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
