/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a profile that is being made: strings, functions, mappings, locations. Equal things
 * are one; ids are 1, 2, 3, ... in the order of first appearance, which is what they are in the
 * file too (mappings can be given another first one at the end). Id 0 as a result: out of memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern;

struct function_key {
	uint32_t name, system_name, file; /* strings */
	uint32_t start_line;
};

/*
 * Of what has a build id the file's name does not count: copies of a file are one mapping, which is
 * called as the first of them. Clients that go by build ids would take it for two otherwise.
 */
struct mapping_key {
	uint64_t start, limit, offset;
	uint32_t file, build_id; /* strings */
};

/* What it is called, and what its locations know. */
struct mapping_details {
	uint32_t file; /* string */
	bool filenames, line_numbers, inline_frames;
};

struct line_key {
	uint32_t function, line, column;
};

#define LOCATION_MAX_LINES 32

/* In the table it is cut off after n_lines lines. */
struct location_key {
	uint64_t address;
	uint32_t mapping;
	uint32_t n_lines;
	struct line_key lines[LOCATION_MAX_LINES];
};

struct pprof_tables {
	struct intern *strings;
	struct intern *functions;
	struct intern *mappings;
	struct intern *locations;
	struct mapping_details *details; /* of mapping id - 1 */
	size_t details_allocated;
};

/* 0 or -ENOMEM; what it began is undone by pprof_tables_done(). */
int pprof_tables_init(struct pprof_tables *t);
void pprof_tables_done(struct pprof_tables *t);

/* NULL counts as "". Control characters become U+FFFD: clients print strings as they are. */
uint32_t pprof_tables_string(struct pprof_tables *t, const char *s);
/* The place of a string in the file's string_table. */
int64_t pprof_tables_index(uint32_t string);

uint32_t pprof_tables_function(struct pprof_tables *t, const struct function_key *key);
uint32_t pprof_tables_mapping(struct pprof_tables *t, const struct mapping_key *key);
/* Also tells the mapping what the location's lines know. */
uint32_t pprof_tables_location(struct pprof_tables *t, const struct location_key *key);

/* A mapping with this file name, one with a build id if there are several; 0 = there is none. */
uint32_t pprof_tables_mapping_of_file(const struct pprof_tables *t, uint32_t file);

/* Makes room in an array for element @n: *array is grown, what is new is zeroed. 0 or -ENOMEM. */
int pprof_reserve(void *array, size_t *allocated, size_t n, size_t element_size);
