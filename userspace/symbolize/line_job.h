/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parser process does for source lines: the chains of some addresses (elf/line_table.h)
 * out of an executable and the files that belong to it. It cannot open files, so it tells which
 * ones it would need, and is asked again when they were found: a debug file, the one that several
 * debug files share, files of split DWARF.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/debug_identity.h"
#include "elf/dwarf.h"
#include "worker/worker.h"

#define LINE_JOB_MAX_ADDRESSES 8192U

enum line_file {
	LINE_FILE_DEBUG, /* may be the executable's debug file */
	LINE_FILE_ALT,	 /* may be the file that it shares with others */
	LINE_FILE_SPLIT, /* a package or a file of split DWARF */
};

/*
 * The arguments. Descriptor 0 has the addresses: rising, distinct; 1 is the executable, the others
 * are what @kinds says.
 */
struct line_question {
	uint32_t n_addresses;
	uint32_t n_files;
	uint8_t kinds[WORKER_MAX_FDS]; /* enum line_file */
};

/* What comes with the chains. */
struct line_answer {
	_Alignas(8) struct debug_identity identity; /* of the executable */
	uint32_t is_go;				    /* Go's own table knows lines */
	uint32_t wants_debug_file; /* there is no DWARF, or only in a file that does not fit */
	uint32_t wants_alt;
	struct debug_alt_link alt;
	struct dwarf_lines_stats stats;
	uint32_t n_wanted; /* files of split DWARF */
	uint32_t table_size;
};

/* Can as well be called without a parser process. */
int line_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		 size_t *ret_size);

/* An answer, taken apart. All but @answer is in the data it was taken from. */
struct line_reading {
	struct line_table table;
	struct line_answer answer;
	const uint8_t *incomplete; /* of each address, as of dwarf_lines() */
	const struct dwarf_wanted *wanted;
};

/* Checks an answer (aligned to 8) about @n_addresses. -EBADMSG if it contradicts itself. */
int line_job_take(const void *data, size_t size, uint32_t n_addresses, struct line_reading *ret);
