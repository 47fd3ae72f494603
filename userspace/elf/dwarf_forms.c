/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes by their form (DWARF 5, 7.5.6). */
#include "elf/dwarf_forms.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/dwarf_unit.h"

int dwarf_form_size(uint16_t form, uint16_t version, uint8_t address_size, uint8_t offset_size)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
	case DW_FORM_ref_sup4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return address_size;
	case DW_FORM_ref_addr:
		return version <= 2 ? address_size : offset_size;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return offset_size;
	default:
		return -1;
	}
}

static uint64_t read_number(struct cursor *c, int size)
{
	uint64_t value = 0;

	if (size < 0 || size > 8 || (size_t)size > cursor_left(c))
		return cursor_fail(c);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	memcpy((uint8_t *)&value + 8 - size, c->at, (size_t)size);
#else
	memcpy(&value, c->at, (size_t)size);
#endif
	c->at += size;
	return value;
}

/* An address of .debug_addr, which the main file has also for the units of split files. */
static void read_address(const struct dwarf_unit *u, uint64_t index, struct dwarf_value *v)
{
	const struct dwarf_unit *main = u->skeleton ? u->skeleton : u;
	uint64_t offset;

	v->class = DWARF_NONE;
	if (__builtin_mul_overflow(index, (uint64_t)u->address_size, &offset) ||
	    __builtin_add_overflow(offset, main->addr_base, &offset) ||
	    dwarf_file_number(main->file, DWARF_ADDR, offset, u->address_size, &v->number) < 0)
		return;
	v->class = DWARF_ADDRESS;
}

static void read_string_index(const struct dwarf_unit *u, uint64_t index, struct dwarf_value *v)
{
	uint64_t offset;

	v->class = DWARF_NONE;
	if (__builtin_mul_overflow(index, (uint64_t)u->offset_size, &offset) ||
	    __builtin_add_overflow(offset, u->str_offsets_base, &offset) ||
	    dwarf_file_number(u->file, DWARF_STR_OFFSETS, offset, u->offset_size, &v->number) < 0)
		return;
	v->class = DWARF_STRING_SECTION;
	v->section = DWARF_STR;
}

static void read_inline_string(struct cursor *c, struct dwarf_value *v)
{
	const uint8_t *end = memchr(c->at, '\0', cursor_left(c));

	if (!end) {
		cursor_fail(c);
		return;
	}
	v->class = DWARF_STRING_INLINE;
	v->string = (const char *)c->at;
	c->at = end + 1;
}

/* A reference within the unit: it counts from the unit's beginning. */
static void make_local(const struct dwarf_unit *u, struct dwarf_value *v)
{
	v->class = v->number < u->end - u->offset ? DWARF_REFERENCE : DWARF_NONE;
	v->number += u->offset;
}

static void skip_block(struct cursor *c, uint64_t size)
{
	cursor_skip(c, size);
}

/* Forms whose size is told by the entry. */
static void read_variable(const struct dwarf_unit *u, const struct dwarf_attribute *a,
			  struct cursor *c, struct dwarf_value *v)
{
	switch (a->form) {
	case DW_FORM_sdata:
		v->class = DWARF_NUMBER;
		v->number = (uint64_t)cursor_sleb(c);
		return;
	case DW_FORM_udata:
	case DW_FORM_loclistx:
		v->class = DWARF_NUMBER;
		v->number = cursor_uleb(c);
		return;
	case DW_FORM_rnglistx:
		v->class = DWARF_RANGE_INDEX;
		v->number = cursor_uleb(c);
		return;
	case DW_FORM_ref_udata:
		v->number = cursor_uleb(c);
		make_local(u, v);
		return;
	case DW_FORM_string:
		read_inline_string(c, v);
		return;
	case DW_FORM_strx:
	case DW_FORM_GNU_str_index:
		read_string_index(u, cursor_uleb(c), v);
		return;
	case DW_FORM_addrx:
	case DW_FORM_GNU_addr_index:
		read_address(u, cursor_uleb(c), v);
		return;
	case DW_FORM_block1:
		skip_block(c, cursor_u8(c));
		return;
	case DW_FORM_block2:
		skip_block(c, cursor_u16(c));
		return;
	case DW_FORM_block4:
		skip_block(c, cursor_u32(c));
		return;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		skip_block(c, cursor_uleb(c));
		return;
	default:
		cursor_fail(c);
		return;
	}
}

/* What the bytes of a form of fixed size mean. */
static void classify(const struct dwarf_unit *u, const struct dwarf_attribute *a,
		     struct dwarf_value *v)
{
	switch (a->form) {
	case DW_FORM_flag_present:
		v->class = DWARF_NUMBER;
		v->number = 1;
		return;
	case DW_FORM_implicit_const:
		v->class = DWARF_NUMBER;
		v->number = (uint64_t)a->constant;
		return;
	case DW_FORM_addr:
		v->class = DWARF_ADDRESS;
		return;
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
		read_address(u, v->number, v);
		return;
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		read_string_index(u, v->number, v);
		return;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
		v->class = DWARF_STRING_SECTION;
		v->section = a->form == DW_FORM_strp ? DWARF_STR : DWARF_LINE_STR;
		return;
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
		v->class = DWARF_STRING_ALT;
		return;
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
		make_local(u, v);
		return;
	case DW_FORM_ref_addr:
		v->class = DWARF_REFERENCE;
		v->number += u->part.info;
		return;
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DW_FORM_GNU_ref_alt:
		v->class = DWARF_REFERENCE_ALT;
		return;
	case DW_FORM_ref_sig8:
		v->class = DWARF_OTHER;
		return;
	default:
		v->class = DWARF_NUMBER;
		return;
	}
}

void dwarf_unit_value(const struct dwarf_unit *u, const struct dwarf_attribute *a, struct cursor *c,
		      struct dwarf_value *ret)
{
	struct dwarf_attribute direct;
	int size;

	*ret = (struct dwarf_value){ .class = DWARF_OTHER, .form = a->form };
	if (a->form == DW_FORM_indirect) {
		direct = *a;
		direct.form = dwarf_code(c);
		/* The constant would have to be here, and nobody writes that. */
		if (direct.form == DW_FORM_indirect || direct.form == DW_FORM_implicit_const)
			cursor_fail(c);
		a = &direct;
	}
	size = dwarf_form_size(a->form, u->version, u->address_size, u->offset_size);
	if (size < 0) {
		read_variable(u, a, c, ret);
	} else if (a->form == DW_FORM_data16) {
		cursor_skip(c, 16);
	} else {
		ret->number = read_number(c, size);
		if (!c->bad)
			classify(u, a, ret);
	}
	if (c->bad)
		ret->class = DWARF_NONE;
}

static void skip_one(const struct dwarf_unit *u, const struct dwarf_attribute *a, struct cursor *c)
{
	int size = dwarf_form_size(a->form, u->version, u->address_size, u->offset_size);
	struct dwarf_value ignored;

	if (size >= 0) {
		cursor_skip(c, (uint64_t)size);
		return;
	}
	switch (a->form) {
	case DW_FORM_strx:
	case DW_FORM_GNU_str_index:
	case DW_FORM_addrx:
	case DW_FORM_GNU_addr_index:
		cursor_uleb(c); /* without looking it up */
		return;
	default:
		dwarf_unit_value(u, a, c, &ignored);
		return;
	}
}

void dwarf_unit_skip(const struct dwarf_unit *u, const struct dwarf_abbrev *a, struct cursor *c)
{
	if (a->size >= 0) {
		cursor_skip(c, (uint64_t)a->size);
		return;
	}
	for (uint32_t i = 0; i < a->n && !c->bad; i++)
		skip_one(u, &u->abbrevs->attributes[a->first + i], c);
}

bool dwarf_unit_string(const struct dwarf_unit *u, const struct dwarf_value *v, char *buffer,
		       size_t size)
{
	int r = -1;

	buffer[0] = '\0';
	if (v->class == DWARF_STRING_INLINE) {
		size_t length = strnlen(v->string, size - 1);

		memcpy(buffer, v->string, length);
		buffer[length] = '\0';
		return true;
	}
	if (v->class == DWARF_STRING_SECTION)
		r = dwarf_file_string(u->file, v->section, v->number, buffer, size);
	else if (v->class == DWARF_STRING_ALT && u->file->alt)
		r = dwarf_file_string(u->file->alt, DWARF_STR, v->number, buffer, size);
	if (r < 0)
		buffer[0] = '\0';
	return r == 0;
}
