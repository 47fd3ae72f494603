/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of address ranges: .debug_ranges (DWARF 4, 2.17.3) and .debug_rnglists (DWARF 5, 7.25). */
#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/dwarf_unit.h"

/* Ranges of one list; a file that has more of them loses the rest. */
#define MAX_RANGES 1000000U
#define ENTRY_READ 32U /* more than any entry has */

struct list {
	const struct dwarf_unit *unit; /* that the list belongs to */
	const struct dwarf_unit *main; /* whose file has the addresses */
	uint64_t base;
	dwarf_range_fn each;
	void *userdata;
};

static void tell(const struct list *l, uint64_t low, uint64_t high)
{
	if (low < high)
		l->each(low, high, l->userdata);
}

static int each_old(struct list *l, uint64_t offset)
{
	struct dwarf_file *f = l->main->file;
	unsigned int size = l->unit->address_size;
	uint64_t select = size == 8 ? UINT64_MAX : UINT32_MAX;

	if (__builtin_add_overflow(offset, l->unit->skeleton ? l->main->ranges_base : 0, &offset))
		return -EBADMSG;
	for (uint32_t i = 0; i < MAX_RANGES; i++, offset += 2ULL * size) {
		uint64_t low, high;
		int r = dwarf_file_number(f, DWARF_RANGES, offset, size, &low);

		if (r == 0)
			r = dwarf_file_number(f, DWARF_RANGES, offset + size, size, &high);
		if (r < 0)
			return r;
		if (low == 0 && high == 0)
			return 0;
		if (low == select)
			l->base = high;
		else
			tell(l, l->base + low, l->base + high);
	}
	return -EFBIG;
}

static uint64_t address(struct list *l, struct cursor *c)
{
	return l->unit->address_size == 8 ? cursor_u64(c) : cursor_u32(c);
}

static uint64_t indexed(struct list *l, struct cursor *c)
{
	uint64_t index = cursor_uleb(c), offset, value = 0;

	if (__builtin_mul_overflow(index, (uint64_t)l->unit->address_size, &offset) ||
	    __builtin_add_overflow(offset, l->main->addr_base, &offset) ||
	    dwarf_file_number(l->main->file, DWARF_ADDR, offset, l->unit->address_size, &value) < 0)
		cursor_fail(c);
	return value;
}

/* One entry. False at the end of the list. */
static bool one_entry(struct list *l, struct cursor *c)
{
	uint64_t low, high;

	switch (cursor_u8(c)) {
	case DW_RLE_base_addressx:
		l->base = indexed(l, c);
		return true;
	case DW_RLE_startx_endx:
		low = indexed(l, c);
		high = indexed(l, c);
		break;
	case DW_RLE_startx_length:
		low = indexed(l, c);
		high = low + cursor_uleb(c);
		break;
	case DW_RLE_offset_pair:
		low = l->base + cursor_uleb(c);
		high = l->base + cursor_uleb(c);
		break;
	case DW_RLE_base_address:
		l->base = address(l, c);
		return true;
	case DW_RLE_start_end:
		low = address(l, c);
		high = address(l, c);
		break;
	case DW_RLE_start_length:
		low = address(l, c);
		high = low + cursor_uleb(c);
		break;
	default: /* DW_RLE_end_of_list, or nobody knows how long it is */
		return false;
	}
	if (!c->bad)
		tell(l, low, high);
	return !c->bad;
}

static int each_new(struct list *l, uint64_t offset)
{
	for (uint32_t i = 0; i < MAX_RANGES; i++) {
		uint8_t bytes[ENTRY_READ];
		struct cursor c;
		uint64_t n;
		int r = dwarf_file_read_some(l->unit->file, DWARF_RNGLISTS, offset, sizeof(bytes),
					     bytes, &n);

		if (r < 0)
			return r;
		c = cursor_of(bytes, n);
		if (!one_entry(l, &c))
			return c.bad ? -EBADMSG : 0;
		offset += n - cursor_left(&c);
	}
	return -EFBIG;
}

int dwarf_unit_ranges(const struct dwarf_unit *u, const struct dwarf_value *v, dwarf_range_fn each,
		      void *userdata)
{
	struct list l = {
		.unit = u,
		.main = u->skeleton ? u->skeleton : u,
		.each = each,
		.userdata = userdata,
	};
	uint64_t offset = v->number;
	int r;

	l.base = l.main->low_pc;
	if (u->version < 5)
		return each_old(&l, offset);
	if (v->class == DWARF_RANGE_INDEX) {
		if (__builtin_mul_overflow(offset, (uint64_t)u->offset_size, &offset) ||
		    __builtin_add_overflow(offset, u->rnglists_base, &offset))
			return -EBADMSG;
		r = dwarf_file_number(u->file, DWARF_RNGLISTS, offset, u->offset_size, &offset);
		if (r < 0 || __builtin_add_overflow(offset, u->rnglists_base, &offset))
			return r < 0 ? r : -EBADMSG;
	}
	return each_new(&l, offset);
}
