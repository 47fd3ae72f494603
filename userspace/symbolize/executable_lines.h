/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source lines of executables: what was asked for so far hangs on executable->lines, and is dropped
 * when unused for longest. Nobody waits here: what is not there yet is late, and there for whoever
 * asks when the parser has answered.
 *
 * How it can be wrong: that an executable has no lines is believed for retry_ns, although a debug
 * file may have been installed meanwhile; so is that they could not be read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/address_list.h"
#include "symbolize/line_request.h"

struct debuginfod;
struct executable;
struct executable_lines_set;

struct executable_lines_options {
	/* A descriptor of the file, borrowed until the next call, or -errno. */
	int (*open)(void *userdata, struct executable *x);
	void *userdata;
	const char *proc;	       /* borrowed: where processes are; NULL = nowhere */
	const char *debug_directories; /* borrowed; as in debug_file.h */
	struct debuginfod *debuginfod; /* borrowed; NULL = none is asked */
	struct line_reader reader;
	uint64_t retry_ns; /* when a file that failed, or has none, is looked at again */
};

struct executable_lines_stats {
	uint64_t asked;				     /* questions to the parser process */
	uint64_t failed;			     /* of these, files that could not be read */
	uint64_t crashed;			     /* and on which it crashed */
	uint64_t timed_out;			     /* and on which it took too long */
	uint64_t evicted;			     /* executables whose lines were dropped */
	uint64_t split_missing;			     /* files of split DWARF that were not found */
	uint64_t units_refused, sections_compressed; /* as in elf/dwarf.h */
};

int executable_lines_new(const struct executable_lines_options *o,
			 struct executable_lines_set **ret);
/* The worker's jobs must not be processed any more. Returns NULL; accepts NULL. */
struct executable_lines_set *executable_lines_free(struct executable_lines_set *s);

/*
 * Begins to look up @n ELF virtual addresses, as far as they are not known. @pid, @now and what is
 * returned are as for executable_names_want().
 */
uint64_t executable_lines_want(struct executable_lines_set *s, struct executable *x,
			       const struct wanted_address *wanted, size_t n, uint32_t pid,
			       uint64_t now);

/* Whether there is something that the parser process has not answered. */
bool executable_lines_is_busy(const struct executable_lines_set *s);

/*
 * The chain at an address (elf/line_table.h), at most @max frames; 0 = nothing is known. The
 * strings live until the next call of anything here. @ret_late tells whether more may be known
 * later.
 */
size_t executable_lines_find(struct executable_lines_set *s, struct executable *x, uint64_t address,
			     struct line_frame *ret, size_t max, uint64_t now, bool *ret_late);

/* Whether nothing about the address is on its way, or has to be asked first. */
bool executable_lines_are_settled(const struct executable *x, uint64_t address);

/*
 * A debug file has arrived: executables that had no lines, or only Go's own, or lacked the file
 * that they share with others, are looked at again. Which ones it belongs to only the parser
 * process could tell.
 */
void executable_lines_arrived(struct executable_lines_set *s);

/* When the lines unused for longest were used; UINT64_MAX if there are none. */
uint64_t executable_lines_oldest(const struct executable_lines_set *s);
/* Drops those. */
void executable_lines_evict(struct executable_lines_set *s);

void executable_lines_get_stats(const struct executable_lines_set *s,
				struct executable_lines_stats *ret);
size_t executable_lines_memory(const struct executable_lines_set *s);
