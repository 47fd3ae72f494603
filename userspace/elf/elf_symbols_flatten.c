/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the symbols that were gathered to the flat table: one name for every address. Work is
 * bounded by their number whatever they say: sorting compares numbers only, and the sweep emits at
 * most two pieces a symbol.
 */
#include "elf/elf_symbols_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static bool is_label(const struct elf_symbols_candidate *c)
{
	return c->rank & ELF_SYMBOLS_RANK_LABEL;
}

static int compare_candidates(const void *a, const void *b)
{
	const struct elf_symbols_candidate *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank - y->rank;
	if (x->name_size != y->name_size)
		return x->name_size - y->name_size;
	return x->name < y->name ? -1 : x->name > y->name;
}

/* Leaves the best candidate of each address, sorted by address. */
static void choose(struct elf_symbols_builder *b)
{
	uint32_t kept = 0;

	if (b->n > 0)
		qsort(b->candidates, b->n, sizeof(*b->candidates), compare_candidates);
	for (uint32_t i = 0; i < b->n; i++)
		if (kept == 0 || b->candidates[kept - 1].address != b->candidates[i].address)
			b->candidates[kept++] = b->candidates[i];
	b->n = kept;
}

#define NO_NAME UINT32_MAX /* of a stretch where there is no function */
/* How far such a stretch reaches at most to either side of an address. */
#define GAP_REACH ((uint64_t)1 << 20)

/* A stretch of code and what names it: a candidate, later the place of its name in the table. */
struct piece {
	uint64_t start, end;
	uint32_t name;
};

struct sweep {
	struct piece *pieces; /* room for two a candidate */
	uint32_t n;
	uint32_t *open; /* candidates that have begun, the innermost last */
	uint64_t *ends; /* of the open ones */
	uint32_t n_open;
	uint64_t cursor; /* up to where pieces were emitted */
};

static void sweep_done(struct sweep *w)
{
	free(w->pieces);
	free(w->open);
	free(w->ends);
}

static void emit(struct sweep *w, uint64_t end)
{
	uint32_t candidate = w->open[w->n_open - 1];

	if (end <= w->cursor)
		return;
	w->pieces[w->n++] = (struct piece){ .start = w->cursor, .end = end, .name = candidate };
	w->cursor = end;
}

static void close_until(struct sweep *w, uint64_t address)
{
	while (w->n_open > 0 && w->ends[w->n_open - 1] <= address) {
		emit(w, w->ends[w->n_open - 1]);
		w->n_open--;
	}
	if (w->n_open > 0)
		emit(w, address);
	w->cursor = address;
}

static uint64_t end_of(const struct elf_symbols_builder *b, uint32_t i, const struct sweep *w)
{
	const struct elf_symbols_candidate *c = &b->candidates[i];
	uint64_t end;

	if (c->size > 0)
		return c->address + c->size;
	end = elf_symbols_builder_code_at(b, c->address)->end;
	if (i + 1 < b->n)
		end = MIN(end, b->candidates[i + 1].address);
	if (w->n_open > 0)
		end = MIN(end, w->ends[w->n_open - 1]);
	return end;
}

/* Cuts nested and overlapping functions into pieces that do not overlap: the innermost wins. */
static int sweep_run(const struct elf_symbols_builder *b, struct sweep *w)
{
	w->pieces = calloc(2 * (size_t)b->n + 1, sizeof(*w->pieces));
	w->open = calloc((size_t)b->n + 1, sizeof(*w->open));
	w->ends = calloc((size_t)b->n + 1, sizeof(*w->ends));
	if (!w->pieces || !w->open || !w->ends)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->n; i++) {
		const struct elf_symbols_candidate *c = &b->candidates[i];

		close_until(w, c->address);
		if (w->n_open > 0 && is_label(c))
			continue;
		w->ends[w->n_open] = end_of(b, i, w);
		w->open[w->n_open++] = i;
	}
	close_until(w, UINT64_MAX);
	/* Addresses are kept in 32 bits: code further away than that is no code that runs. */
	while (w->n > 0 && w->pieces[w->n - 1].end - w->pieces[0].start > UINT32_MAX)
		w->n--;
	return 0;
}

static int compare_names(const void *a, const void *b, void *candidates)
{
	const struct elf_symbols_candidate *c = candidates;
	const struct piece *x = a, *y = b;

	if (x->name == NO_NAME || y->name == NO_NAME)
		return (x->name == NO_NAME) - (y->name == NO_NAME);
	if (c[x->name].name != c[y->name].name)
		return c[x->name].name < c[y->name].name ? -1 : 1;
	return 0;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/*
 * Stores the names of pieces that are sorted by where their names are in the strings: equal names,
 * and names that are the tail of others, follow each other there, so each is stored once. Turns the
 * pieces' names into places. Without @pool only returns how many bytes it takes. Those without a
 * name are last.
 */
static uint64_t pool_names(const struct elf_symbols_builder *b, struct piece *pieces, uint32_t n,
			   char *pool)
{
	uint64_t last_end = 0; /* in the strings, of what was stored last */
	uint64_t used = 0;

	for (uint32_t i = 0; i < n && pieces[i].name != NO_NAME; i++) {
		const struct elf_symbols_candidate *c = &b->candidates[pieces[i].name];
		uint64_t end = (uint64_t)c->name + c->name_size;

		if (end != last_end) {
			if (pool) {
				memcpy(pool + used, b->strings + c->name, c->name_size);
				pool[used + c->name_size] = '\0';
			}
			used += c->name_size + 1U;
			last_end = end;
		}
		if (pool)
			pieces[i].name = (uint32_t)(used - 1 - c->name_size);
	}
	return used;
}

/* Where there is no function around @address: from the end of the one before to the next. */
static struct piece gap_at(const struct sweep *w, uint32_t next, uint64_t address)
{
	uint64_t start = address - MIN(address, GAP_REACH);
	uint64_t end = address + MIN(UINT64_MAX - address, GAP_REACH);

	return (struct piece){
		.start = next > 0 ? MAX(w->pieces[next - 1].end, start) : start,
		.end = next < w->n ? MIN(w->pieces[next].start, end) : end,
		.name = NO_NAME,
	};
}

/* What the wanted addresses lie in. What is too far away for 32 bits is left out. */
static int select_pieces(const struct elf_symbols_request *request, const struct sweep *w,
			 struct sweep *ret)
{
	uint32_t at = 0; /* the first piece that ends behind the address */
	uint64_t end = 0;

	ret->pieces = calloc(request->n + 1, sizeof(*ret->pieces));
	if (!ret->pieces)
		return -ENOMEM;
	for (size_t i = 0; i < request->n; i++) {
		uint64_t address = request->addresses[i];
		struct piece p;

		if (address < end)
			continue;
		while (at < w->n && w->pieces[at].end <= address)
			at++;
		if (at < w->n && w->pieces[at].start <= address)
			p = w->pieces[at];
		else
			p = gap_at(w, at, address);
		p.start = MAX(p.start, end);
		if (p.start >= p.end ||
		    p.end - (ret->n > 0 ? ret->pieces[0].start : p.start) > UINT32_MAX)
			continue;
		ret->pieces[ret->n++] = p;
		end = p.end;
	}
	return 0;
}

static void write_entries(const struct sweep *w, struct elf_symbols *t)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const struct piece *p = &w->pieces[i];

		t->entries[i] = (struct elf_symbols_entry){
			.address = (uint32_t)(p->start - t->base),
			.size = (uint32_t)(p->end - p->start),
			.name = p->name == NO_NAME ? (uint32_t)(t->names_size - 1) : p->name,
		};
	}
}

static void sort_pieces(struct sweep *w)
{
	if (w->n > 0)
		qsort(w->pieces, w->n, sizeof(*w->pieces), compare_pieces);
}

/* The pieces are in the order of addresses before and after. */
static int flatten(const struct elf_symbols_builder *b, struct sweep *w, bool whole,
		   uint64_t max_bytes, struct elf_symbols **ret)
{
	uint64_t base = w->n > 0 ? w->pieces[0].start : 0;
	uint64_t entries_size = w->n * sizeof(struct elf_symbols_entry);
	uint64_t names_size, bytes;
	struct elf_symbols *t;

	if (sizeof(*t) + entries_size > max_bytes)
		return -EFBIG;
	if (w->n > 0)
		qsort_r(w->pieces, w->n, sizeof(*w->pieces), compare_names, b->candidates);
	names_size = pool_names(b, w->pieces, w->n, NULL) + 1;
	bytes = sizeof(*t) + entries_size + names_size;
	t = bytes > max_bytes || names_size > UINT32_MAX ? NULL : calloc(1, bytes);
	if (!t) {
		sort_pieces(w);
		return bytes > max_bytes || names_size > UINT32_MAX ? -EFBIG : -ENOMEM;
	}
	*t = (struct elf_symbols){
		.magic = ELF_SYMBOLS_MAGIC,
		.n = w->n,
		.base = base,
		.bytes = bytes,
		.names_size = names_size,
		.whole = whole,
		.source = b->source,
	};
	pool_names(b, w->pieces, w->n, (char *)&t->entries[t->n]);
	sort_pieces(w);
	write_entries(w, t);
	*ret = t;
	return 0;
}

static int flatten_selection(const struct elf_symbols_builder *b, const struct sweep *w,
			     struct elf_symbols **ret)
{
	_cleanup_(sweep_done)
	struct sweep selected = {};
	int r = select_pieces(&b->request, w, &selected);

	return r < 0 ? r : flatten(b, &selected, false, b->request.limits.max_bytes, ret);
}

int elf_symbols_builder_finish(struct elf_symbols_builder *b, struct elf_symbols **ret)
{
	uint64_t max_bytes = b->request.limits.max_bytes;
	_cleanup_(sweep_done)
	struct sweep w = {};
	int r;

	choose(b);
	r = sweep_run(b, &w);
	if (r < 0)
		return r;
	if (!b->request.addresses)
		return flatten(b, &w, true, max_bytes, ret);
	r = flatten(b, &w, true, MIN(max_bytes, b->request.whole_bytes), ret);
	return r == -EFBIG ? flatten_selection(b, &w, ret) : r;
}
