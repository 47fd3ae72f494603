/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of units, and what their first entry says about the whole. */
#include "elf/dwarf_unit.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "elf/dwarf_forms.h"

#define MAX_UNITS      ((uint32_t)8 << 20)
#define MAX_HEADER     40U
#define FIRST_DIE_READ 4096U
#define MAX_NAME       4096U

static void read_length(struct cursor *c, struct dwarf_unit *u)
{
	uint64_t length = cursor_u32(c);

	u->offset_size = 4;
	if (length == 0xffffffff) { /* DWARF of 64 bits */
		length = cursor_u64(c);
		u->offset_size = 8;
	} else if (length >= 0xfffffff0) {
		cursor_fail(c);
	}
	u->end = length; /* of what follows, yet */
}

static uint64_t read_offset(struct cursor *c, const struct dwarf_unit *u)
{
	return u->offset_size == 8 ? cursor_u64(c) : cursor_u32(c);
}

/* Version 5 has the kind of unit in its header, and more behind (7.5.1). */
static uint64_t read_rest(struct cursor *c, struct dwarf_unit *u)
{
	uint64_t abbrevs;

	if (u->version < 5) {
		u->type = DW_UT_compile;
		abbrevs = read_offset(c, u);
		u->address_size = cursor_u8(c);
		return abbrevs;
	}
	u->type = cursor_u8(c);
	u->address_size = cursor_u8(c);
	abbrevs = read_offset(c, u);
	if (u->type == DW_UT_skeleton || u->type == DW_UT_split_compile) {
		u->dwo_id = cursor_u64(c);
		u->has_dwo_id = true;
	} else if (u->type == DW_UT_type || u->type == DW_UT_split_type) {
		cursor_u64(c); /* signature */
		read_offset(c, u);
	}
	return abbrevs;
}

int dwarf_unit_read_header(struct dwarf_file *file, uint64_t offset, struct dwarf_unit *ret,
			   uint64_t *ret_abbrev_offset)
{
	struct dwarf_unit u = { .file = file, .offset = offset };
	uint64_t size = dwarf_file_size(file, DWARF_INFO), n, abbrevs;
	uint8_t bytes[MAX_HEADER];
	struct cursor c;
	size_t behind_length;
	int r;

	if (offset >= size)
		return -EBADMSG;
	r = dwarf_file_read_some(file, DWARF_INFO, offset, sizeof(bytes), bytes, &n);
	if (r < 0)
		return r;
	c = cursor_of(bytes, n);
	read_length(&c, &u);
	behind_length = n - cursor_left(&c);
	if (c.bad || u.end > size - offset - behind_length)
		return -EBADMSG;
	u.end += offset + behind_length;
	u.version = cursor_u16(&c);
	abbrevs = read_rest(&c, &u);
	u.first_die = offset + n - cursor_left(&c);
	/* The next one can be found nevertheless. */
	if (c.bad || u.version < 2 || u.version > 5 || u.first_die > u.end ||
	    (u.address_size != 4 && u.address_size != 8)) {
		*ret = u;
		return -ENOTSUP;
	}
	*ret = u;
	*ret_abbrev_offset = abbrevs;
	return 0;
}

/* What can only be read when the bases are known. */
struct first_entry {
	struct dwarf_value comp_dir, dwo_name, ranges;
	const struct dwarf_attribute *late[4];
	struct cursor late_at[4];
};

enum { LATE_LOW, LATE_HIGH, LATE_DIR, LATE_DWO };

static void take_attribute(struct dwarf_unit *u, const struct dwarf_attribute *a, struct cursor *c,
			   struct first_entry *e)
{
	struct cursor before = *c;
	struct dwarf_value v;
	int late = -1;

	switch (a->name) {
	case DW_AT_low_pc:
		late = LATE_LOW;
		break;
	case DW_AT_high_pc:
		late = LATE_HIGH;
		break;
	case DW_AT_comp_dir:
		late = LATE_DIR;
		break;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		late = LATE_DWO;
		break;
	default:
		break;
	}
	dwarf_unit_value(u, a, c, &v);
	if (late >= 0) {
		e->late[late] = a;
		e->late_at[late] = before;
	}
	switch (a->name) {
	case DW_AT_str_offsets_base:
		u->str_offsets_base = v.number;
		break;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		u->addr_base = v.number;
		break;
	case DW_AT_rnglists_base:
		u->rnglists_base = v.number;
		break;
	case DW_AT_GNU_ranges_base:
		u->ranges_base = v.number;
		break;
	case DW_AT_stmt_list:
		u->line_offset = v.number;
		u->has_line = v.class == DWARF_NUMBER;
		break;
	case DW_AT_GNU_dwo_id:
		u->dwo_id = v.number;
		u->has_dwo_id = true;
		break;
	case DW_AT_ranges:
		e->ranges = v;
		break;
	default:
		break;
	}
}

static int copy_string(const struct dwarf_unit *u, const struct dwarf_value *v, char **ret)
{
	char text[MAX_NAME];

	if (!dwarf_unit_string(u, v, text, sizeof(text)) || text[0] == '\0')
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int take_late(struct dwarf_unit *u, struct first_entry *e)
{
	struct dwarf_value v[ARRAY_SIZE(e->late)] = {};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(e->late); i++)
		if (e->late[i])
			dwarf_unit_value(u, e->late[i], &e->late_at[i], &v[i]);
	u->has_low_pc = v[LATE_LOW].class == DWARF_ADDRESS;
	u->low_pc = v[LATE_LOW].number;
	u->has_high_pc = v[LATE_HIGH].class == DWARF_ADDRESS || v[LATE_HIGH].class == DWARF_NUMBER;
	u->high_pc = v[LATE_HIGH].number;
	if (v[LATE_HIGH].class == DWARF_NUMBER) /* since version 4 it is the size */
		u->high_pc += u->low_pc;
	if (e->ranges.class == DWARF_NUMBER || e->ranges.class == DWARF_RANGE_INDEX) {
		u->ranges = malloc(sizeof(*u->ranges));
		if (!u->ranges)
			return -ENOMEM;
		*u->ranges = e->ranges;
	}
	r = copy_string(u, &v[LATE_DIR], &u->comp_dir);
	return r < 0 ? r : copy_string(u, &v[LATE_DWO], &u->dwo_name);
}

/* The first header of a section's part stands before what the base points to. */
static void assume_bases(struct dwarf_unit *u)
{
	if (u->file->is_split && u->version >= 5) {
		u->str_offsets_base = u->part.str_offsets + (u->offset_size == 8 ? 16 : 8);
		u->rnglists_base = u->part.rnglists + (u->offset_size == 8 ? 20 : 12);
	} else if (u->file->is_split) {
		u->str_offsets_base = u->part.str_offsets;
	} else if (u->version >= 5) {
		u->str_offsets_base = u->offset_size == 8 ? 16 : 8;
		u->addr_base = u->offset_size == 8 ? 16 : 8;
	}
}

static int read_first_entry(struct dwarf_unit *u)
{
	uint64_t size = MIN(u->end - u->first_die, (uint64_t)FIRST_DIE_READ);
	uint8_t bytes[FIRST_DIE_READ];
	const struct dwarf_abbrev *a;
	struct first_entry e = {};
	struct cursor c;
	int r = dwarf_file_read(u->file, DWARF_INFO, u->first_die, size, bytes);

	if (r < 0)
		return r;
	assume_bases(u);
	c = cursor_of(bytes, size);
	a = dwarf_abbrev_find(u->abbrevs, cursor_uleb(&c));
	if (!a)
		return -EBADMSG;
	u->tag = a->tag;
	for (uint32_t i = 0; i < a->n && !c.bad; i++)
		take_attribute(u, &u->abbrevs->attributes[a->first + i], &c, &e);
	return c.bad ? -EBADMSG : take_late(u, &e);
}

int dwarf_unit_open(struct dwarf_file *file, struct dwarf_abbrev_cache *cache, uint64_t offset,
		    const struct dwarf_contribution *part, const struct dwarf_unit *skeleton,
		    struct dwarf_unit *ret)
{
	struct dwarf_unit u;
	uint64_t abbrevs;
	int r = dwarf_unit_read_header(file, offset, &u, &abbrevs);

	if (r < 0)
		return r;
	if (part)
		u.part = *part;
	u.skeleton = skeleton;
	if (__builtin_add_overflow(abbrevs, u.part.abbrev, &abbrevs))
		return -EBADMSG;
	r = dwarf_abbrevs_get(cache, &u, abbrevs);
	if (r == 0)
		r = read_first_entry(&u);
	if (r < 0) {
		dwarf_unit_done(&u);
		return r == -ENODATA ? -EBADMSG : r;
	}
	*ret = u;
	return 0;
}

void dwarf_unit_done(struct dwarf_unit *u)
{
	dwarf_abbrevs_put(u);
	free(u->ranges);
	free(u->comp_dir);
	free(u->dwo_name);
	free(u->data);
	*u = (struct dwarf_unit){};
}

int dwarf_unit_load(struct dwarf_unit *u)
{
	uint64_t size = u->end - u->offset;
	uint8_t *data;
	int r;

	if (u->data)
		return 0;
	if (size > DWARF_MAX_UNIT)
		return -EFBIG;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	r = dwarf_file_read(u->file, DWARF_INFO, u->offset, size, data);
	if (r < 0) {
		free(data);
		return r;
	}
	u->data = data;
	return 0;
}

static int add_unit(struct dwarf_file *f, uint32_t *allocated, uint64_t offset)
{
	if (f->n_units == *allocated) {
		uint32_t wanted = *allocated ? *allocated * 2 : 256;
		uint64_t *bigger = NULL;

		if (wanted > MAX_UNITS)
			return -EFBIG;
		bigger = reallocarray(f->units, wanted, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		f->units = bigger;
		*allocated = wanted;
	}
	f->units[f->n_units++] = offset;
	return 0;
}

/* What is damaged ends the list: there is no way to find the next one. */
int dwarf_file_list_units(struct dwarf_file *f)
{
	uint32_t allocated = 0;
	uint64_t offset = 0;

	if (f->units)
		return 0;
	while (offset < dwarf_file_size(f, DWARF_INFO)) {
		struct dwarf_unit u;
		uint64_t ignored;
		int r = dwarf_unit_read_header(f, offset, &u, &ignored);

		if (r < 0 && r != -ENOTSUP)
			return r == -EBADMSG ? 0 : r;
		r = add_unit(f, &allocated, offset);
		if (r < 0)
			return r;
		offset = u.end;
	}
	return 0;
}

bool dwarf_file_unit_of(const struct dwarf_file *f, uint64_t offset, uint64_t *ret)
{
	uint32_t n = SEARCH(f->n_units, i, f->units[i] <= offset);

	if (n == 0)
		return false;
	*ret = f->units[n - 1];
	return true;
}
