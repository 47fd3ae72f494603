/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of executables' functions: what was asked for so far hangs on executable->names, and is
 * dropped when unused for longest. A name that is not there is asked of the parser process, which
 * reads the whole file for it: whoever has many addresses asks for them together. A small file's
 * names come all at once. Nobody waits here: what is not there yet is late, and there for whoever
 * asks when the parser has answered.
 *
 * How it can be wrong: that a function has no name is believed for retry_ns, although a debug file
 * may have been installed meanwhile. A file whose symbols could not be read, or on which the parser
 * crashed, is not tried again for that long; so is a debug file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/elf_symbols.h"
#include "symbolize/address_list.h"
#include "symbolize/symbol_request.h"
#include "symbolize/unnamed.h"

struct debuginfod;
struct executable;
struct executable_names_set;
struct executable_table;

struct executable_names_options {
	struct executable_table *executables; /* borrowed; NULL = nothing can be opened */
	const char *proc;		      /* borrowed: where processes are; NULL = nowhere */
	const char *debug_directories;	      /* borrowed; as in debug_file.h */
	struct debuginfod *debuginfod;	      /* borrowed; NULL = none is asked */
	struct symbol_reader reader;
	size_t small_table; /* bytes; of files with less all names are kept */
	uint64_t retry_ns;  /* when a file that failed is tried again */
};

struct executable_names_stats {
	uint64_t loaded, evicted;
	uint64_t asked;		       /* jobs, for one or more names of a file */
	uint64_t failed, debug_failed; /* executables, debug files */
	uint64_t crashed;	       /* of both, as the next */
	uint64_t timed_out;
};

int executable_names_new(const struct executable_names_options *o,
			 struct executable_names_set **ret);
/*
 * Takes the tables off the executables that still live. The worker's jobs must not be processed any
 * more. Returns NULL; accepts NULL.
 */
struct executable_names_set *executable_names_free(struct executable_names_set *s);

/*
 * Asks for the names at @n ELF virtual addresses, as far as they are not known. Where process @pid
 * sees the file's name its debug file is looked for; 0 = where we do. @now is any clock that only
 * rises: it orders tables by their use. Returns the weight of what is on its way.
 */
uint64_t executable_names_want(struct executable_names_set *s, struct executable *x,
			       const struct wanted_address *wanted, size_t n, uint32_t pid,
			       uint64_t now);
/* Whether there is something that the parser process has not answered. */
bool executable_names_is_busy(const struct executable_names_set *s);

/*
 * The symbol at an ELF virtual address, NULL if there is none, or not yet; valid until the next
 * call. A name that was not wanted before is asked for, which costs a job of its own.
 */
const char *executable_names_find(struct executable_names_set *s, struct executable *x,
				  uint64_t address, uint32_t pid, uint64_t now);

/* Whether it is known what is at an address: a function, or that there is none. Asks nobody. */
bool executable_names_are_settled(const struct executable *x, uint64_t address);

/* What is known about an executable's names. */
struct executable_names_status {
	enum elf_symbols_source source;
	enum unnamed_reason why; /* of the last frame that got no name; UNNAMED_NOT = all did */
	uint64_t unnamed;	 /* times that no name was found */
	uint64_t asked;		 /* times that one was wanted */
};

/* Of one that no name was asked of, all is 0. */
void executable_names_status(const struct executable *x, struct executable_names_status *ret);

/* A debug file has arrived: executables of this build id are read anew. */
void executable_names_arrived(struct executable_names_set *s, const uint8_t *build_id,
			      size_t build_id_size);

/* When the table unused for longest was used; UINT64_MAX if there is no table. */
uint64_t executable_names_oldest(const struct executable_names_set *s);
/* Drops that one. */
void executable_names_evict(struct executable_names_set *s);

void executable_names_get_stats(const struct executable_names_set *s,
				struct executable_names_stats *ret);
size_t executable_names_memory(const struct executable_names_set *s);
