/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of DWARF 2 to 5, their abbreviations, and the attributes of their entries (DIEs). Numbers
 * and layouts: the DWARF standard version 5, chapter 7, and for what GNU tools did before it,
 * "DebugFission" and "DwarfDuplicationSectionHeaders" of the GCC and DWARF wikis.
 *
 * Everything here reads hostile bytes. An offset that leads out of its unit or section, a form that
 * is not known, a chain that goes on for too long end in -EBADMSG, and cost one function its name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/dwarf_file.h"
#include "elf/eh_frame_cursor.h"

struct dwarf_attribute {
	uint16_t name, form;
	int64_t constant; /* of DW_FORM_implicit_const */
};

struct dwarf_abbrev {
	uint64_t code;
	uint32_t first, n; /* attributes */
	uint16_t tag;
	bool has_children;
	int32_t size;	    /* bytes of all attributes; -1 = it depends */
	int32_t sibling_at; /* where DW_AT_sibling is; -1 = there is none, or it depends */
	uint16_t sibling_form;
};

/* A table of abbreviations as units of one shape see it. */
struct dwarf_abbrevs {
	uint32_t refs;
	struct dwarf_file *file;
	uint64_t offset, used;
	uint16_t version;
	uint8_t address_size, offset_size;
	struct dwarf_abbrev *list; /* by rising code */
	uint32_t n;
	bool dense; /* codes are 1, 2, 3, ... */
	struct dwarf_attribute *attributes;
};

/* Sections of a unit in a package are parts of the package's sections; else all 0. */
struct dwarf_contribution {
	uint64_t info, abbrev, str_offsets, rnglists;
};

struct dwarf_unit {
	struct dwarf_file *file;
	uint64_t offset, first_die, end; /* in .debug_info */
	uint16_t version;
	uint8_t type; /* DW_UT_*; DW_UT_compile before version 5 */
	uint8_t address_size, offset_size;
	uint16_t tag; /* of its first entry */
	struct dwarf_abbrevs *abbrevs;
	struct dwarf_contribution part;
	/* Of its first entry. */
	uint64_t str_offsets_base, addr_base, rnglists_base, ranges_base;
	uint64_t low_pc, high_pc, line_offset, dwo_id;
	struct dwarf_value *ranges; /* NULL = none */
	bool has_low_pc, has_high_pc, has_line, has_dwo_id;
	char *comp_dir, *dwo_name; /* NULL = none */
	/* Of a unit in a split file: addresses, and ranges before version 5, are in the main file.
	 */
	const struct dwarf_unit *skeleton;
	/* All of the unit, if it was loaded: from @offset to @end. */
	uint8_t *data;
};

/* Codes of tags, attributes and forms have 16 bits; larger ones are nobody's. */
static inline uint16_t dwarf_code(struct cursor *c)
{
	uint64_t code = cursor_uleb(c);

	return code < UINT16_MAX ? (uint16_t)code : UINT16_MAX;
}

enum dwarf_class {
	DWARF_NONE,
	DWARF_NUMBER,	      /* constants, offsets of sections */
	DWARF_ADDRESS,	      /* resolved */
	DWARF_STRING_INLINE,  /* @string, NUL-terminated in the entry */
	DWARF_STRING_SECTION, /* at @number of @section */
	DWARF_STRING_ALT,     /* in .debug_str of the supplementary file */
	DWARF_REFERENCE,      /* in .debug_info */
	DWARF_REFERENCE_ALT,  /* in that of the supplementary file */
	DWARF_RANGE_INDEX,    /* DW_FORM_rnglistx */
	DWARF_OTHER,	      /* blocks and all that nobody here asks for */
};

struct dwarf_value {
	enum dwarf_class class;
	enum dwarf_section section;
	uint16_t form;
	uint64_t number;
	const char *string;
};

struct dwarf_abbrev_cache;

/* Tables of abbreviations that were read; units share them. */
struct dwarf_abbrev_cache *dwarf_abbrev_cache_new(void);
struct dwarf_abbrev_cache *dwarf_abbrev_cache_free(struct dwarf_abbrev_cache *c);

/* The abbreviation; NULL if there is none of this code. */
const struct dwarf_abbrev *dwarf_abbrev_find(const struct dwarf_abbrevs *t, uint64_t code);

/*
 * Reads the header of the unit at @offset, without its first entry: enough to go to the next one.
 * -EBADMSG if there is none.
 */
int dwarf_unit_read_header(struct dwarf_file *file, uint64_t offset, struct dwarf_unit *ret,
			   uint64_t *ret_abbrev_offset);

/*
 * Opens the unit at @offset with its first entry. @part may be NULL, as may @skeleton. -EBADMSG,
 * -ENOTSUP for a version that is not known, or another -errno.
 */
int dwarf_unit_open(struct dwarf_file *file, struct dwarf_abbrev_cache *cache, uint64_t offset,
		    const struct dwarf_contribution *part, const struct dwarf_unit *skeleton,
		    struct dwarf_unit *ret);
void dwarf_unit_done(struct dwarf_unit *u);

/* Takes all of the unit into memory, to be walked through. -EFBIG if that is too much. */
#define DWARF_MAX_UNIT ((uint64_t)96 << 20)
int dwarf_unit_load(struct dwarf_unit *u);

/* Reads one attribute of an entry. c->bad tells that it is damaged or not known. */
void dwarf_unit_value(const struct dwarf_unit *u, const struct dwarf_attribute *a, struct cursor *c,
		      struct dwarf_value *ret);
/* Passes over the attributes of an entry. */
void dwarf_unit_skip(const struct dwarf_unit *u, const struct dwarf_abbrev *a, struct cursor *c);

/* Copies a string value. False if there is none: the buffer is then "". */
bool dwarf_unit_string(const struct dwarf_unit *u, const struct dwarf_value *v, char *buffer,
		       size_t size);

/* Calls @each for every range of DW_AT_ranges, with absolute addresses. */
typedef void (*dwarf_range_fn)(uint64_t low, uint64_t high, void *userdata);
int dwarf_unit_ranges(const struct dwarf_unit *u, const struct dwarf_value *v, dwarf_range_fn each,
		      void *userdata);

/* The unit's number of the list of all units that holds an offset of .debug_info. */
int dwarf_file_list_units(struct dwarf_file *f);
bool dwarf_file_unit_of(const struct dwarf_file *f, uint64_t offset, uint64_t *ret);
