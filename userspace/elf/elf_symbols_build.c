/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the symbols of a file, in any order, aliased, nested and overlapping as they come, to the
 * flat table: one name for every address. Work is bounded by the limits whatever the symbols say:
 * sorting compares numbers only, names are cut, and the sweep emits at most two pieces a symbol.
 */
#include "elf/elf_symbols_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The largest programs there are have 3 million functions and 400 MB of names. */
#define DEFAULT_SYMBOLS (8U << 20)
#define DEFAULT_STRINGS ((size_t)512 << 20)
#define DEFAULT_BYTES	((size_t)64 << 20)

void elf_symbols_builder_init(struct elf_symbols_builder *b,
			      const struct elf_symbols_request *request)
{
	struct elf_symbols_limits *limits = &b->request.limits;

	*b = (struct elf_symbols_builder){ .request = *request };
	if (limits->max_symbols == 0)
		limits->max_symbols = DEFAULT_SYMBOLS;
	if (limits->max_strings == 0)
		limits->max_strings = DEFAULT_STRINGS;
	if (limits->max_bytes == 0)
		limits->max_bytes = DEFAULT_BYTES;
}

void elf_symbols_builder_done(struct elf_symbols_builder *b)
{
	free(b->code);
	free(b->candidates);
	free(b->strings);
	*b = (struct elf_symbols_builder){};
}

static int compare_ranges(const void *a, const void *b)
{
	const struct elf_code_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

int elf_symbols_builder_set_code(struct elf_symbols_builder *b, const struct elf_image *image)
{
	uint32_t n = 0, kept = 0;

	b->code = calloc(image->n_sections + 1, sizeof(*b->code));
	if (!b->code)
		return -ENOMEM;
	for (uint32_t i = 1; i < image->n_sections; i++) {
		const Elf64_Shdr *section = &image->sections[i];

		if (!(section->sh_flags & SHF_EXECINSTR) || section->sh_size == 0 ||
		    section->sh_addr > UINT64_MAX - section->sh_size)
			continue;
		b->code[n].start = section->sh_addr;
		b->code[n++].end = section->sh_addr + section->sh_size;
	}
	qsort(b->code, n, sizeof(*b->code), compare_ranges);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || b->code[i].start >= b->code[kept - 1].end)
			b->code[kept++] = b->code[i];
	b->n_code = kept;
	return 0;
}

static const struct elf_code_range *code_at(const struct elf_symbols_builder *b, uint64_t address)
{
	uint32_t low = 0, high = b->n_code;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (b->code[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || address >= b->code[low - 1].end)
		return NULL;
	return &b->code[low - 1];
}

static bool strings_fit(const struct elf_symbols_builder *b, size_t size)
{
	return size < b->request.limits.max_strings && size < UINT32_MAX &&
	       b->strings_size + size + 1 <= b->request.limits.max_strings &&
	       b->strings_size + size + 1 <= UINT32_MAX;
}

int elf_symbols_builder_add_strings(struct elf_symbols_builder *b, const void *data, size_t size,
				    uint32_t *ret_base)
{
	size_t need = b->strings_size + size + 1;

	if (!strings_fit(b, size))
		return -EFBIG;
	if (need > b->strings_allocated) {
		size_t allocated = MAX(need, b->strings_allocated + b->strings_allocated / 4);
		char *strings = realloc(b->strings, allocated);

		if (!strings)
			return -ENOMEM;
		b->strings = strings;
		b->strings_allocated = allocated;
	}
	memcpy(b->strings + b->strings_size, data, size);
	b->strings[b->strings_size + size] = '\0';
	*ret_base = (uint32_t)b->strings_size;
	b->strings_size = need;
	return 0;
}

int elf_symbols_builder_take_strings(struct elf_symbols_builder *b, void *data, size_t size,
				     uint32_t *ret_base)
{
	int r;

	if (!b->strings && strings_fit(b, size)) {
		b->strings = data;
		b->strings_size = b->strings_allocated = size + 1;
		*ret_base = 0;
		return 0;
	}
	r = elf_symbols_builder_add_strings(b, data, size, ret_base);
	free(data);
	return r;
}

/* Mangled names begin with underscores that are no sign of an inner name. */
static uint8_t leading_underscores(const char *name)
{
	uint8_t n = 0;

	if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R'))
		return 0;
	while (n < 7 && name[n] == '_')
		n++;
	return n;
}

static uint8_t rank_of(const char *name, uint64_t size, enum elf_symbol_binding binding, bool label)
{
	if (binding == ELF_BINDING_RUNTIME)
		return 0;
	return (uint8_t)((label ? 1 << 7 : 0) | (size == 0 ? 1 << 6 : 0) |
			 (binding == ELF_BINDING_LOCAL ? 1 << 5 : 0) | 1 << 4 |
			 leading_underscores(name) << 1 | (binding == ELF_BINDING_WEAK));
}

static bool is_label(const struct elf_symbols_candidate *c)
{
	return c->rank & 1 << 7;
}

static int grow_candidates(struct elf_symbols_builder *b)
{
	uint32_t allocated = b->allocated ? b->allocated * 2 : 1024;
	void *p;

	p = reallocarray(b->candidates, allocated, sizeof(*b->candidates));
	if (!p)
		return -ENOMEM;
	b->candidates = p;
	b->allocated = allocated;
	return 0;
}

int elf_symbols_builder_add(struct elf_symbols_builder *b, uint64_t address, uint64_t size,
			    uint32_t name, enum elf_symbol_binding binding, bool label)
{
	const struct elf_code_range *code = code_at(b, address);
	const char *s;
	int r;

	if (!code || name >= b->strings_size)
		return 0;
	s = b->strings + name;
	/* Labels: .L and .annobin of the tools, $x and $d of ARM's mapping symbols. */
	if (s[0] == '\0' || (label && (s[0] == '.' || s[0] == '$')))
		return 0;
	if (b->n >= b->request.limits.max_symbols)
		return -EFBIG;
	if (b->n >= b->allocated) {
		r = grow_candidates(b);
		if (r < 0)
			return r;
	}
	b->candidates[b->n++] = (struct elf_symbols_candidate){
		.address = address,
		.size = MIN(size, code->end - address),
		.name = name,
		.name_size = (uint16_t)strnlen(s, ELF_SYMBOL_NAME_MAX),
		.rank = rank_of(s, size, binding, label),
	};
	return 0;
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
	end = code_at(b, c->address)->end;
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
