/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the functions of addresses in the tree of a unit's entries. The tree is walked in the order
 * it stands in the file, with a path of the functions that the walk is inside of.
 *
 * Most of a unit is types and functions that nobody asked about; the first walk steps over them.
 * What it cannot find is looked for by a second one through everything: methods whose bodies stand
 * in their class, functions in functions.
 *
 * The last entry in the file that holds an address has it, and all that the entry is inside of is
 * its chain, down to the first real function.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "elf/dwarf_reader.h"

/* Functions inside of each other. Deeper ones are not followed. */
#define MAX_PATH_DEPTH 256

struct step {
	uint32_t depth; /* of the entry in the tree */
	struct dwarf_hop hop;
};

struct walk {
	struct dwarf_unit *unit;
	struct dwarf_target *targets;
	size_t n;
	uint64_t lowest;
	bool everything;
	bool held; /* the entry at hand holds a target */
	struct step path[MAX_PATH_DEPTH];
	size_t path_length;
	uint32_t depth;
};

/* An entry, as far as it matters here. */
struct entry {
	const struct dwarf_abbrev *abbrev;
	struct dwarf_hop hop;
	uint64_t low, high, sibling;
	bool has_low, has_high, high_is_size;
	struct dwarf_value ranges;
};

static size_t first_not_below(const struct walk *w, uint64_t address)
{
	return SEARCH(w->n, i, w->targets[i].address < address);
}

/* The path from the innermost real function on is the chain. */
static void take_path(const struct walk *w, struct dwarf_target *t)
{
	size_t first = w->path_length, n;

	while (first > 0 && w->path[first - 1].hop.is_inlined)
		first--;
	if (first == 0)
		return;
	first--;
	n = w->path_length - first;
	t->n_hops = 0;
	for (size_t i = 0; i < n; i++) {
		/* Of one that is too long the outermost stays, and what is innermost. */
		if (n > LINE_MAX_CHAIN && i > 0 && i <= n - LINE_MAX_CHAIN)
			continue;
		t->hops[t->n_hops++] = w->path[first + i].hop;
	}
	/* The outermost calls the first that is left out, not the one beside it now. */
	if (n > LINE_MAX_CHAIN) {
		const struct dwarf_hop *called = &w->path[first + 1].hop;

		t->hops[1].call_file = called->call_file;
		t->hops[1].call_line = called->call_line;
		t->hops[1].call_column = called->call_column;
	}
}

static void hold(uint64_t low, uint64_t high, void *userdata)
{
	struct walk *w = userdata;

	if (low < w->lowest)
		return;
	for (size_t i = first_not_below(w, low); i < w->n && w->targets[i].address < high; i++) {
		take_path(w, &w->targets[i]);
		w->held = true;
	}
}

static void take_attribute(const struct walk *w, const struct dwarf_attribute *a, struct cursor *c,
			   struct entry *e)
{
	struct dwarf_value v;

	dwarf_unit_value(w->unit, a, c, &v);
	switch (a->name) {
	case DW_AT_low_pc:
		e->low = v.number;
		e->has_low = v.class == DWARF_ADDRESS;
		break;
	case DW_AT_high_pc:
		e->high = v.number;
		e->high_is_size = v.class == DWARF_NUMBER;
		e->has_high = e->high_is_size || v.class == DWARF_ADDRESS;
		break;
	case DW_AT_ranges:
		e->ranges = v;
		break;
	case DW_AT_sibling:
		e->sibling = v.class == DWARF_REFERENCE ? v.number : 0;
		break;
	case DW_AT_call_file:
		e->hop.call_file = v.number;
		break;
	case DW_AT_call_line:
		e->hop.call_line = (uint32_t)MIN(v.number, (uint64_t)UINT32_MAX);
		break;
	case DW_AT_call_column:
		e->hop.call_column = (uint32_t)MIN(v.number, (uint64_t)UINT32_MAX);
		break;
	default:
		break;
	}
}

static void find_targets(struct walk *w, const struct entry *e)
{
	if (e->ranges.class == DWARF_NUMBER || e->ranges.class == DWARF_RANGE_INDEX)
		dwarf_unit_ranges(w->unit, &e->ranges, hold, w);
	else if (e->has_low && e->has_high)
		hold(e->low, e->high_is_size ? e->low + e->high : e->high, w);
}

/* Passes over all entries inside the one whose attributes were just passed. */
static void skip_children(const struct walk *w, struct cursor *c)
{
	for (uint32_t depth = 1; depth > 0 && !c->bad;) {
		const struct dwarf_abbrev *a;
		uint64_t code = cursor_uleb(c);

		if (code == 0) {
			depth--;
			continue;
		}
		a = dwarf_abbrev_find(w->unit->abbrevs, code);
		if (!a) {
			cursor_fail(c);
			return;
		}
		dwarf_unit_skip(w->unit, a, c);
		depth += a->has_children;
	}
}

/* Goes to an entry further on. One that leads back would never end. */
static bool jump(const struct walk *w, struct cursor *c, uint64_t offset)
{
	const struct dwarf_unit *u = w->unit;
	uint64_t here = u->offset + (uint64_t)(c->at - u->data);

	if (offset <= here || offset > u->end)
		return false;
	c->at = u->data + (offset - u->offset);
	return true;
}

/* Passes over an entry, and with @children over what is inside. */
static void pass(const struct walk *w, const struct dwarf_abbrev *a, struct cursor *c,
		 bool children)
{
	const struct dwarf_attribute sibling = { DW_AT_sibling, a->sibling_form, 0 };

	if (children && a->has_children && a->sibling_at >= 0) {
		struct cursor at = *c;
		struct dwarf_value v;

		cursor_skip(&at, (uint64_t)a->sibling_at);
		dwarf_unit_value(w->unit, &sibling, &at, &v);
		if (v.class == DWARF_REFERENCE && jump(w, c, v.number))
			return;
	}
	dwarf_unit_skip(w->unit, a, c);
	if (children && a->has_children)
		skip_children(w, c);
}

static void push(struct walk *w, const struct dwarf_hop *hop)
{
	if (w->path_length < MAX_PATH_DEPTH)
		w->path[w->path_length++] = (struct step){ w->depth, *hop };
}

/* What ends with the entry at @depth. */
static void leave(struct walk *w, uint32_t depth)
{
	while (w->path_length > 0 && w->path[w->path_length - 1].depth >= depth)
		w->path_length--;
}

static void function(struct walk *w, const struct dwarf_abbrev *a, uint64_t offset,
		     struct cursor *c)
{
	struct entry e = {
		.abbrev = a,
		.hop = { .offset = offset, .is_inlined = a->tag == DW_TAG_inlined_subroutine },
	};
	bool inside = w->path_length > 0 || w->everything;

	for (uint32_t i = 0; i < a->n && !c->bad; i++)
		take_attribute(w, &w->unit->abbrevs->attributes[a->first + i], c, &e);
	if (c->bad)
		return;
	push(w, &e.hop);
	w->held = false;
	find_targets(w, &e);
	if (!a->has_children) {
		leave(w, w->depth);
	} else if (inside || w->held) {
		w->depth++;
	} else {
		leave(w, w->depth);
		if (!e.sibling || !jump(w, c, e.sibling))
			skip_children(w, c);
	}
}

static bool may_hold_functions(const struct walk *w, uint16_t tag)
{
	switch (tag) {
	case DW_TAG_enumeration_type:
	case DW_TAG_array_type:
	case DW_TAG_subroutine_type:
	case DW_TAG_variant_part:
	case DW_TAG_formal_parameter:
	case DW_TAG_GNU_formal_parameter_pack:
	case DW_TAG_call_site:
	case DW_TAG_GNU_call_site:
	case DW_TAG_common_block:
		return false;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
		return w->everything;
	default:
		return true;
	}
}

static void one_entry(struct walk *w, struct cursor *c)
{
	uint64_t offset = w->unit->offset + (uint64_t)(c->at - w->unit->data);
	uint64_t code = cursor_uleb(c);
	const struct dwarf_abbrev *a;

	if (code == 0) {
		if (w->depth > 0)
			leave(w, --w->depth);
		return;
	}
	a = dwarf_abbrev_find(w->unit->abbrevs, code);
	if (!a) {
		cursor_fail(c);
		return;
	}
	if (a->tag == DW_TAG_subprogram || a->tag == DW_TAG_inlined_subroutine) {
		function(w, a, offset, c);
	} else if (!a->has_children) {
		dwarf_unit_skip(w->unit, a, c);
	} else if (may_hold_functions(w, a->tag)) {
		dwarf_unit_skip(w->unit, a, c);
		w->depth++;
	} else {
		pass(w, a, c, true);
	}
}

static int walk_all(struct walk *w)
{
	struct dwarf_unit *u = w->unit;
	struct cursor c = cursor_of(u->data, u->end - u->offset);

	w->path_length = 0;
	w->depth = 0;
	cursor_skip(&c, u->first_die - u->offset);
	while (cursor_left(&c) > 0 && !c.bad)
		one_entry(w, &c);
	return c.bad ? -EBADMSG : 0;
}

int dwarf_tree_find(struct dwarf_reader *r, struct dwarf_unit *u, struct dwarf_target *targets,
		    size_t n)
{
	struct walk w = { .unit = u, .targets = targets, .n = n, .lowest = r->lowest };
	bool all = true;
	int error = walk_all(&w);

	if (error < 0)
		return error;
	for (size_t i = 0; i < n; i++)
		all &= targets[i].n_hops > 0;
	if (all)
		return 0;
	w.everything = true;
	return walk_all(&w);
}
