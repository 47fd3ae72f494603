/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/executable_names_object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/elf_symbols.h"
#include "process/executable.h"

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

void names_drop_table(struct names *n)
{
	n->set->bytes -= elf_symbols_memory(n->table);
	n->n_questions = 0;
	n->table = elf_symbols_free(n->table);
	DL_DELETE(n->set->loaded, n);
	DL_APPEND(n->set->empty, n);
}

void names_put_table(struct names *n, struct elf_symbols *table)
{
	uint32_t n_questions = n->n_questions;

	if (n->table)
		names_drop_table(n);
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
		names_drop_table(n);
	DL_DELETE(n->set->empty, n);
	n->set->n--;
	forget_answer(n);
	address_list_done(&n->wanted);
	names_abandon_question(n);
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
	names_free_questions(s);
	DL_FOREACH_SAFE(s->loaded, n, next)
		detach(n);
	DL_FOREACH_SAFE(s->empty, n, next)
		detach(n);
	free(s);
	return NULL;
}

struct names *names_get(struct executable_names_set *s, struct executable *x)
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

bool names_knows(const struct names *n, uint64_t address, struct elf_symbol *ret)
{
	*ret = (struct elf_symbol){ .name = "" };
	if (!n->table)
		return false;
	return elf_symbols_find(n->table, address, ret) || elf_symbols_is_whole(n->table);
}

static enum unnamed_reason why(const struct names *n, bool known)
{
	if (!n->executable->readable)
		return UNNAMED_no_file;
	if (!known && names_is_late(n))
		return UNNAMED_late;
	if (!n->table || n->error)
		return unnamed_reason_of(n->error);
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

	*ret_known = names_knows(n, address, &symbol);
	/* Without a parser process it is known at once. */
	if (!*ret_known && !names_is_late(n)) {
		executable_names_want(n->set, n->executable, &wanted, 1, pid, now);
		*ret_known = names_knows(n, address, &symbol);
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
	struct names *n = names_get(s, x);
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

bool executable_names_are_settled(const struct executable *x, uint64_t address)
{
	struct elf_symbol symbol;

	return x->readable && x->names && names_knows(x->names, address, &symbol);
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
		names_drop_table(n);
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
	names_drop_table(s->loaded);
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
