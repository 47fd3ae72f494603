/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From addresses to units. Most units say in their first entry where their code is. Of one that
 * does not (DWARF 2 has no word for code in several sections) .debug_aranges may tell, which not
 * every compiler writes; where there is none, the functions in it.
 */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "elf/dwarf_reader.h"

/* Bytes of one unit's table. */
#define MAX_ARANGES ((uint64_t)16 << 20)
/* Bytes of units that are walked through for that. */
#define MAX_WALKED ((uint64_t)64 << 20)

struct finder {
	struct dwarf_reader *reader;
	struct dwarf_place *places;
	uint32_t n;
	uint64_t unit;	  /* whose ranges are looked at */
	uint64_t *silent; /* units that do not say where their code is, rising */
	uint32_t n_silent, silent_allocated;
};

/* Of units that overlap the one with the smaller range has the address. */
static void claim(uint64_t low, uint64_t high, void *userdata)
{
	struct finder *f = userdata;
	uint32_t i = SEARCH(f->n, k, f->places[k].address < low);

	if (low < f->reader->lowest || low >= high)
		return;
	for (; i < f->n && f->places[i].address < high; i++) {
		struct dwarf_place *p = &f->places[i];

		if (p->range == 0 || high - low < p->range) {
			p->range = high - low;
			p->unit = f->unit;
		}
	}
}

/* One without lines has nothing to tell of an address, and one of dwz has no code. */
static int add_silent(struct finder *f, const struct dwarf_unit *u)
{
	uint32_t wanted = f->silent_allocated ? f->silent_allocated * 2 : 64;
	uint64_t *bigger;

	if (!u->has_line || u->tag != DW_TAG_compile_unit)
		return 0;
	if (f->n_silent == f->silent_allocated) {
		bigger = reallocarray(f->silent, wanted, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		f->silent = bigger;
		f->silent_allocated = wanted;
	}
	f->silent[f->n_silent++] = u->offset;
	return 0;
}

static int look_at_unit(struct finder *f, uint64_t offset)
{
	struct dwarf_reader *r = f->reader;
	struct dwarf_unit u;
	int error = dwarf_unit_open(&r->main, r->abbrevs, offset, NULL, NULL, &u);

	if (error < 0) {
		r->stats->units_refused += error != -ENOMEM;
		return error == -ENOMEM ? error : 0;
	}
	f->unit = offset;
	if (u.ranges)
		dwarf_unit_ranges(&u, u.ranges, claim, f);
	else if (u.has_low_pc && u.has_high_pc)
		claim(u.low_pc, u.high_pc, f);
	else
		error = add_silent(f, &u);
	dwarf_unit_done(&u);
	return error;
}

static bool is_silent(const struct finder *f, uint64_t unit)
{
	uint32_t i = SEARCH(f->n_silent, k, f->silent[k] < unit);

	return i < f->n_silent && f->silent[i] == unit;
}

static uint64_t number(struct cursor *c, bool wide)
{
	return wide ? cursor_u64(c) : cursor_u32(c);
}

/* What stands behind the length; they are aligned to the size of a pair, from the beginning on. */
static void take_ranges(struct finder *f, struct cursor c, size_t before, bool wide)
{
	size_t all = cursor_left(&c) + before, pair;
	uint16_t version = cursor_u16(&c);
	uint8_t address_size, segment_size;

	f->unit = number(&c, wide);
	address_size = cursor_u8(&c);
	segment_size = cursor_u8(&c);
	if (c.bad || version != 2 || segment_size != 0 || !is_silent(f, f->unit) ||
	    (address_size != 4 && address_size != 8))
		return;
	pair = 2U * address_size;
	cursor_skip(&c, (pair - (all - cursor_left(&c)) % pair) % pair);
	while (cursor_left(&c) >= pair && !c.bad) {
		uint64_t low = number(&c, address_size == 8), size = number(&c, address_size == 8);

		claim(low, low + size, f);
	}
}

/* The ranges of one unit (DWARF 5, 6.1.2). Where the next one's begin in @offset. */
static int read_aranges(struct finder *f, uint64_t *offset)
{
	struct dwarf_file *main = &f->reader->main;
	_cleanup_free_ uint8_t *data = NULL;
	uint64_t length;
	size_t before = 4;
	int r = dwarf_file_number(main, DWARF_ARANGES, *offset, 4, &length);

	if (r == 0 && length == UINT32_MAX) { /* DWARF of 64 bits */
		r = dwarf_file_number(main, DWARF_ARANGES, *offset + 4, 8, &length);
		before = 12;
	}
	if (r < 0)
		return r;
	if (length > MAX_ARANGES)
		return -EFBIG;
	data = malloc(length ? length : 1);
	if (!data)
		return -ENOMEM;
	r = dwarf_file_read(main, DWARF_ARANGES, *offset + before, length, data);
	if (r < 0)
		return r;
	take_ranges(f, cursor_of(data, length), before, before == 12);
	*offset += before + length;
	return 0;
}

/* A damaged table tells of the units before. */
static int ask_aranges(struct finder *f)
{
	uint64_t size = dwarf_file_size(&f->reader->main, DWARF_ARANGES), offset = 0;
	int r = 0;

	while (r == 0 && offset < size)
		r = read_aranges(f, &offset);
	f->reader->stats->units_refused += r < 0 && r != -ENOMEM;
	return r == -ENOMEM ? r : 0;
}

/* Those of no unit yet, as the walk through a unit's tree wants them. */
static int take_unplaced(const struct finder *f, struct dwarf_target **ret,
			 struct dwarf_hop **ret_hops, uint32_t *ret_n)
{
	struct dwarf_target *targets = calloc(f->n, sizeof(*targets));
	struct dwarf_hop *hops = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; targets && i < f->n; i++)
		if (f->places[i].range == 0)
			targets[n++] = (struct dwarf_target){ .address = f->places[i].address,
							      .index = i };
	hops = calloc((size_t)n * LINE_MAX_CHAIN + 1, sizeof(*hops));
	if (!targets || !hops) {
		free(targets);
		free(hops);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		targets[i].hops = &hops[(size_t)i * LINE_MAX_CHAIN];
	*ret = targets;
	*ret_hops = hops;
	*ret_n = n;
	return 0;
}

static int walk_unit(struct finder *f, struct dwarf_target *targets, uint32_t n, uint64_t *budget)
{
	struct dwarf_reader *r = f->reader;
	struct dwarf_unit u;
	int error = dwarf_unit_open(&r->main, r->abbrevs, f->unit, NULL, NULL, &u);

	if (error < 0)
		return error;
	error = u.end - u.offset > *budget ? -EFBIG : dwarf_unit_load(&u);
	if (error == 0) {
		*budget -= u.end - u.offset;
		error = dwarf_tree_find(r, &u, targets, n);
	}
	dwarf_unit_done(&u);
	return error;
}

static int ask_functions(struct finder *f)
{
	_cleanup_free_ struct dwarf_target *targets = NULL;
	_cleanup_free_ struct dwarf_hop *hops = NULL;
	uint64_t budget = MAX_WALKED;
	uint32_t n;
	int r = take_unplaced(f, &targets, &hops, &n);

	for (uint32_t i = 0; r == 0 && i < f->n_silent && n > 0; i++) {
		f->unit = f->silent[i];
		r = walk_unit(f, targets, n, &budget);
		f->reader->stats->units_refused += r < 0 && r != -ENOMEM;
		r = r == -ENOMEM ? r : 0;
		for (uint32_t k = 0; k < n; k++)
			if (targets[k].n_hops > 0)
				f->places[targets[k].index].unit = f->unit;
	}
	return r;
}

static bool are_all_placed(const struct finder *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (f->places[i].range == 0)
			return false;
	return true;
}

int dwarf_find_units(struct dwarf_reader *r, struct dwarf_place *places, uint32_t n)
{
	struct finder f = { .reader = r, .places = places, .n = n };
	int error = dwarf_file_list_units(&r->main);

	for (uint32_t i = 0; error == 0 && i < r->main.n_units; i++)
		error = look_at_unit(&f, r->main.units[i]);
	if (error == 0 && f.n_silent > 0 && !are_all_placed(&f))
		error = dwarf_file_size(&r->main, DWARF_ARANGES) > 0 ? ask_aranges(&f)
								     : ask_functions(&f);
	free(f.silent);
	return error;
}
