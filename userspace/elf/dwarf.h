/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source lines and inlined functions out of DWARF 2 to 5, for the addresses that are asked and for
 * nothing else. A debug file can be larger than memory: the heads of its units are read, then only
 * units that hold an address, one at a time. Why not libdw: for 1,000 addresses of a debug file
 * of 900 MB it takes 1.2 GB of memory and 25 s, and nothing bounds what it does with a hostile one.
 *
 * Memory: the largest unit asked about and its line program (DWARF_MAX_UNIT, else it is refused and
 * counted), tables of abbreviations, inflaters of compressed sections, and those with zstd as a
 * whole (DWARF_MAX_KEPT).
 *
 * How it can be wrong: an entry that is damaged, or of an unknown form, ends the walk through its
 * unit: what comes behind it has no names, but still lines.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/line_table.h"

struct dwarf_lines_files {
	int fd;		  /* the executable, or its debug file */
	int alt_fd;	  /* the supplementary file of dwz, -1 = none */
	const int *split; /* packages (.dwp) and files (.dwo) of split DWARF */
	size_t n_split;
};

/* A file of split DWARF that would have been of use. */
struct dwarf_wanted {
	uint64_t id;
	char directory[PATH_MAX]; /* that the name is relative to; "" = not known */
	char name[PATH_MAX];
};

#define DWARF_MAX_WANTED 24U
#define DWARF_NOT_LISTED 255U /* there was no room for the one that is wanted */

struct dwarf_wants {
	uint32_t n;
	struct dwarf_wanted list[DWARF_MAX_WANTED];
};

#define DWARF_LINES_COUNTERS(X)                                                                    \
	X(units_read, "units of debug information read")                                           \
	X(units_refused, "of these, damaged ones and ones over a limit")                           \
	X(sections_compressed,                                                                     \
	  "files with debug information compressed in an unknown way, or too much of it")

struct dwarf_lines_stats {
#define X(name, help) uint32_t name;
	DWARF_LINES_COUNTERS(X)
#undef X
};

/*
 * Sets the chains of the addresses, which rise and are distinct, for which @b has none. An address
 * whose unit is in a file that is not there gets what the main file says of it, and
 * @ret_incomplete[i] (the array has @n elements, all of them 0) is the number of that file in
 * @ret_wants, counted from 1. If there is no room for the file it is DWARF_NOT_LISTED, and nothing
 * is said of the address: it has to be asked again. 0, also if there is no DWARF; -ENOEXEC, -ENOMEM
 * or -errno of reading.
 */
int dwarf_lines(const struct dwarf_lines_files *files, const uint64_t *addresses, uint32_t n,
		struct line_builder *b, struct dwarf_wants *ret_wants, uint8_t *ret_incomplete,
		struct dwarf_lines_stats *ret_stats);
/* Whether the file has DWARF in it. */
bool dwarf_is_in(int fd);
