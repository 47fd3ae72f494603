/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that read units. */
#pragma once

#include <stdint.h>

struct dwarf_abbrev_cache;
struct dwarf_unit;

/* Bytes of an attribute of this form; -1 if they depend on the entry. */
int dwarf_form_size(uint16_t form, uint16_t version, uint8_t address_size, uint8_t offset_size);

/* Gives the unit the table at @offset. */
int dwarf_abbrevs_get(struct dwarf_abbrev_cache *c, struct dwarf_unit *u, uint64_t offset);
void dwarf_abbrevs_put(struct dwarf_unit *u);
