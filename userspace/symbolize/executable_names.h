/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbol tables of executables: read when a name is first wanted, hung on executable->names,
 * dropped when unused for longest. A file whose symbols could not be read, or on which the parser
 * crashed, is not tried again for a while; so is a debug file.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "symbolize/symbol_reader.h"

struct executable;
struct executable_names_set;
struct executable_table;

struct executable_names_options {
	struct executable_table *executables; /* borrowed; NULL = nothing can be opened */
	const char *debug_directory;	      /* borrowed */
	struct symbol_reader reader;
	uint64_t retry_ns; /* when a file that failed is tried again */
};

struct executable_names_stats {
	uint64_t loaded, evicted;
	uint64_t failed, debug_failed; /* executables, debug files */
	uint64_t crashed;	       /* of both */
};

int executable_names_new(const struct executable_names_options *o,
			 struct executable_names_set **ret);
/* Takes the tables off the executables that still live. Returns NULL; accepts NULL. */
struct executable_names_set *executable_names_free(struct executable_names_set *s);

/*
 * The symbol at an ELF virtual address, NULL if there is none; valid until the next call. @root is
 * where the process sees the file's name, for its debug file; NULL = ours. @now is any clock that
 * only rises: it orders tables by their use.
 */
const char *executable_names_find(struct executable_names_set *s, struct executable *x,
				  uint64_t address, const char *root, uint64_t now);

/* When the table unused for longest was used; UINT64_MAX if there is no table. */
uint64_t executable_names_oldest(const struct executable_names_set *s);
/* Drops that one. */
void executable_names_evict(struct executable_names_set *s);

void executable_names_get_stats(const struct executable_names_set *s,
				struct executable_names_stats *ret);
size_t executable_names_memory(const struct executable_names_set *s);
