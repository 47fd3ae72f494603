/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split DWARF: the main file has skeletons, the rest is in .dwo files beside the object files, or
 * in one package that has an index by id (DWARF 5, 7.3.5; before that the GNU version of it).
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/dwarf_reader.h"

#define MAX_COLUMNS   16U
#define MAX_SLOTS     ((uint32_t)1 << 24)
#define MAX_DWO_UNITS 65536U

struct index_header {
	uint32_t version; /* 2 (GNU), or 5 and 16 bits of padding */
	uint32_t columns, units, slots;
};

/* Which column is which section: DW_SECT_* of version 5, and of the GNU version. */
enum { SECT_INFO = 1, SECT_ABBREV = 3, SECT_STR_OFFSETS = 6, SECT_RNGLISTS = 8 };

static void take_column(uint32_t section, uint64_t offset, bool is_gnu,
			struct dwarf_contribution *p)
{
	switch (section) {
	case SECT_INFO:
		p->info = offset;
		break;
	case SECT_ABBREV:
		p->abbrev = offset;
		break;
	case SECT_STR_OFFSETS:
		p->str_offsets = offset;
		break;
	case SECT_RNGLISTS:
		if (!is_gnu) /* there it is macros */
			p->rnglists = offset;
		break;
	default:
		break;
	}
}

static int read_row(struct dwarf_file *f, const struct index_header *h, uint32_t row,
		    struct dwarf_contribution *ret)
{
	uint64_t table = sizeof(*h) + 12ULL * h->slots;
	uint64_t offsets = table + 4ULL * h->columns * row; /* row 0 of the table are the columns */
	struct dwarf_contribution part = {};

	if (row == 0 || row > h->units)
		return -EBADMSG;
	for (uint32_t i = 0; i < h->columns; i++) {
		uint64_t section, offset;
		int r = dwarf_file_number(f, DWARF_CU_INDEX, table + 4ULL * i, 4, &section);

		if (r == 0)
			r = dwarf_file_number(f, DWARF_CU_INDEX, offsets + 4ULL * i, 4, &offset);
		if (r < 0)
			return r;
		take_column((uint32_t)section, offset, h->version == 2, &part);
	}
	*ret = part;
	return 0;
}

/* The index is a hash table with open addressing. */
static int find_in_index(struct dwarf_file *f, uint64_t id, struct dwarf_contribution *ret)
{
	struct index_header h;
	uint32_t mask, at, step;
	int r = dwarf_file_read(f, DWARF_CU_INDEX, 0, sizeof(h), &h);

	if (r < 0)
		return r;
	h.version &= 0xffff;
	if ((h.version != 2 && h.version != 5) || h.columns > MAX_COLUMNS || h.slots == 0 ||
	    h.slots > MAX_SLOTS || (h.slots & (h.slots - 1)))
		return -EBADMSG;
	mask = h.slots - 1;
	at = (uint32_t)id & mask;
	step = ((uint32_t)(id >> 32) & mask) | 1;
	for (uint32_t i = 0; i < h.slots; i++, at = (at + step) & mask) {
		uint64_t signature, row;

		r = dwarf_file_number(f, DWARF_CU_INDEX, sizeof(h) + 8ULL * at, 8, &signature);
		if (r == 0)
			r = dwarf_file_number(f, DWARF_CU_INDEX,
					      sizeof(h) + 8ULL * h.slots + 4ULL * at, 4, &row);
		if (r < 0)
			return r;
		if (row == 0)
			return -ENOENT;
		if (signature == id)
			return read_row(f, &h, (uint32_t)row, ret);
	}
	return -ENOENT;
}

static int open_in_package(struct dwarf_reader *r, struct dwarf_file *f,
			   const struct dwarf_unit *skeleton, struct dwarf_unit *ret)
{
	struct dwarf_contribution part;
	int error = find_in_index(f, skeleton->dwo_id, &part);

	if (error < 0)
		return error;
	return dwarf_unit_open(f, r->abbrevs, part.info, &part, skeleton, ret);
}

/* A file that is not a package has one unit with code, and maybe units of types. */
static int open_in_file(struct dwarf_reader *r, struct dwarf_file *f,
			const struct dwarf_unit *skeleton, struct dwarf_unit *ret)
{
	int error = dwarf_file_list_units(f);

	for (uint32_t i = 0; error == 0 && i < MIN(f->n_units, MAX_DWO_UNITS); i++) {
		struct dwarf_unit u;

		if (dwarf_unit_open(f, r->abbrevs, f->units[i], NULL, skeleton, &u) < 0)
			continue;
		if (u.has_dwo_id && u.dwo_id == skeleton->dwo_id && u.tag == DW_TAG_compile_unit) {
			*ret = u;
			return 0;
		}
		dwarf_unit_done(&u);
	}
	return error < 0 ? error : -ENOENT;
}

int dwarf_split_open(struct dwarf_reader *r, const struct dwarf_unit *skeleton,
		     struct dwarf_unit *ret)
{
	for (uint32_t i = 0; i < r->n_split; i++) {
		struct dwarf_file *f = &r->split[i];
		int error = dwarf_file_size(f, DWARF_CU_INDEX) > 0
				    ? open_in_package(r, f, skeleton, ret)
				    : open_in_file(r, f, skeleton, ret);

		if (error == 0)
			return 0;
	}
	return -ENOENT;
}
