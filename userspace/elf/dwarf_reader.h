/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that answer dwarf_lines() share: the files of a job, units, entries by offset. */
#pragma once

#include "elf/dwarf.h"
#include "elf/dwarf_line.h"
#include "elf/dwarf_unit.h"

#define DWARF_KEPT_UNITS 32U

/* A unit that was opened for an entry that another one refers to. */
struct dwarf_kept_unit {
	struct dwarf_unit unit;
	uint64_t used;
};

struct dwarf_reader {
	struct dwarf_file main;
	struct dwarf_file alt;	  /* the supplementary file; without image if there is none */
	struct dwarf_file *split; /* packages and files of split DWARF */
	uint32_t n_split;
	struct dwarf_abbrev_cache *abbrevs;
	struct dwarf_kept_unit kept[DWARF_KEPT_UNITS];
	uint64_t clock;
	uint64_t lowest; /* virtual address of code */
	struct dwarf_lines_stats *stats;
};

/* An address, and the unit that it is in. */
struct dwarf_place {
	uint64_t address;
	uint64_t unit;	/* offset in .debug_info; UINT64_MAX = none */
	uint64_t range; /* bytes of the range that tells so; 0 = none does */
	uint32_t index; /* the number it was asked under */
};

/* Finds the units of @n places, by rising address, which are in none yet. */
int dwarf_find_units(struct dwarf_reader *r, struct dwarf_place *places, uint32_t n);

/* A function that an address is in: inlined, or, the last of a chain, a real one. */
struct dwarf_hop {
	uint64_t offset; /* of the entry in its unit's file */
	uint64_t call_file;
	uint32_t call_line, call_column;
	bool is_inlined;
};

/* What was found of an address. */
struct dwarf_target {
	uint64_t address;
	uint32_t index; /* the number it was asked under */
	uint32_t n_hops;
	struct dwarf_hop *hops; /* outermost first; LINE_MAX_CHAIN of them have room */
};

/* Finds the chains of @n targets, by rising address, in a unit that is loaded. */
int dwarf_tree_find(struct dwarf_reader *r, struct dwarf_unit *u, struct dwarf_target *targets,
		    size_t n);

/* What an entry is called and where it is declared, by what it refers to (abstract origins). */
struct dwarf_name {
	char name[LINE_MAX_STRING + 1]; /* linkage name, else the name; "" = none */
	uint64_t file;			/* as its unit numbers files */
	uint32_t line;			/* 0 = not known */
	bool same_unit;			/* the file is of the unit that the entry is in */
};
void dwarf_name_of(struct dwarf_reader *r, struct dwarf_unit *u, uint64_t offset,
		   struct dwarf_name *ret);

/*
 * The unit with this id among the split files; -ENOENT if none has it. @skeleton must outlive it.
 */
int dwarf_split_open(struct dwarf_reader *r, const struct dwarf_unit *skeleton,
		     struct dwarf_unit *ret);
