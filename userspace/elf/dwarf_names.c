/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What functions are called. An inlined function refers to its abstract origin, that one to a
 * declaration; either may be in another unit (link time optimization), or in the supplementary file
 * (dwz).
 */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/dwarf_reader.h"

#define MAX_REFERENCES 16
#define ENTRY_READ     2048U

/* Opens, or has open, the unit that holds an offset. */
static struct dwarf_unit *unit_at(struct dwarf_reader *r, struct dwarf_file *f, uint64_t offset)
{
	struct dwarf_kept_unit *oldest = &r->kept[0];
	struct dwarf_unit u;
	uint64_t start;

	for (uint32_t i = 0; i < DWARF_KEPT_UNITS; i++) {
		struct dwarf_kept_unit *k = &r->kept[i];

		if (k->unit.file == f && offset >= k->unit.offset && offset < k->unit.end) {
			k->used = ++r->clock;
			return &k->unit;
		}
		if (k->used < oldest->used)
			oldest = k;
	}
	if (dwarf_file_list_units(f) < 0 || !dwarf_file_unit_of(f, offset, &start) ||
	    dwarf_unit_open(f, r->abbrevs, start, NULL, NULL, &u) < 0)
		return NULL;
	if (offset < u.first_die || offset >= u.end) {
		dwarf_unit_done(&u);
		return NULL;
	}
	dwarf_unit_done(&oldest->unit);
	oldest->unit = u;
	oldest->used = ++r->clock;
	return &oldest->unit;
}

/* What is still looked for, and what was found. */
struct search {
	struct dwarf_reader *reader;
	struct dwarf_name *name;
	const struct dwarf_unit *start;
	bool has_linkage, has_name, has_line, has_file;
	/* Where to look next. */
	bool next_is_alt;
	uint64_t next; /* 0 = nowhere */
};

static void take_name(struct search *s, const struct dwarf_unit *u, const struct dwarf_value *v,
		      bool *done)
{
	if (!*done)
		*done = dwarf_unit_string(u, v, s->name->name, sizeof(s->name->name)) &&
			s->name->name[0];
}

static void take_attribute(struct search *s, const struct dwarf_unit *u,
			   const struct dwarf_attribute *a, const struct dwarf_value *v)
{
	switch (a->name) {
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		take_name(s, u, v, &s->has_linkage);
		break;
	case DW_AT_name:
		if (!s->has_linkage)
			take_name(s, u, v, &s->has_name);
		break;
	case DW_AT_decl_line:
		if (!s->has_line && v->class == DWARF_NUMBER) {
			s->name->line = (uint32_t)MIN(v->number, (uint64_t)UINT32_MAX);
			s->has_line = true;
		}
		break;
	case DW_AT_decl_file:
		if (!s->has_file && v->class == DWARF_NUMBER) {
			s->name->file = v->number;
			s->name->same_unit =
				u->file == s->start->file && u->offset == s->start->offset;
			s->has_file = true;
		}
		break;
	case DW_AT_abstract_origin:
	case DW_AT_specification:
		if (v->class == DWARF_REFERENCE || v->class == DWARF_REFERENCE_ALT) {
			s->next = v->number;
			s->next_is_alt = v->class == DWARF_REFERENCE_ALT;
		}
		break;
	default:
		break;
	}
}

static void read_entry(struct search *s, struct dwarf_unit *u, uint64_t offset)
{
	uint8_t bytes[ENTRY_READ];
	uint64_t size = MIN(u->end - offset, (uint64_t)ENTRY_READ);
	const struct dwarf_abbrev *a;
	struct cursor c;

	if (u->data) {
		c = cursor_of(u->data + (offset - u->offset), u->end - offset);
	} else {
		if (dwarf_file_read(u->file, DWARF_INFO, offset, size, bytes) < 0)
			return;
		c = cursor_of(bytes, size);
	}
	a = dwarf_abbrev_find(u->abbrevs, cursor_uleb(&c));
	for (uint32_t i = 0; a && i < a->n; i++) {
		const struct dwarf_attribute *attribute = &u->abbrevs->attributes[a->first + i];
		struct dwarf_value v;

		dwarf_unit_value(u, attribute, &c, &v);
		if (c.bad)
			return;
		take_attribute(s, u, attribute, &v);
	}
}

void dwarf_name_of(struct dwarf_reader *r, struct dwarf_unit *u, uint64_t offset,
		   struct dwarf_name *ret)
{
	struct search s = { .reader = r, .name = ret, .start = u, .next = offset };

	ret->name[0] = '\0';
	ret->file = 0;
	ret->line = 0;
	ret->same_unit = true;
	for (int i = 0; i < MAX_REFERENCES && s.next; i++) {
		struct dwarf_file *f = s.next_is_alt ? u->file->alt : u->file;
		uint64_t at = s.next;

		if (!f)
			return;
		if (f != u->file || at < u->first_die || at >= u->end)
			u = unit_at(r, f, at);
		if (!u)
			return;
		s.next = 0;
		read_entry(&s, u, at);
	}
}
