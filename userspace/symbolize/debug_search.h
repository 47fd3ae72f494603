/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goes through the files that may be the debug file of an executable, one at a time, because each
 * is tried by a job of the parser process, which takes its time.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "process/debug_file.h"

struct debug_identity;

/* Files that are tried; a hostile file could go on for ever. */
#define DEBUG_SEARCH_MAX 4U

struct debug_search {
	struct debug_file_search search; /* its strings are ours, debuginfod is borrowed */
	char *root, *path, *directories;
	uint32_t n_tried, n_alt_tried;
};

/* Copies @from. 0 or -ENOMEM; debug_search_done() in either case. */
int debug_search_init(struct debug_search *d, const struct debug_file_search *from);
/* Where a process sees files, as struct debug_file_search wants it. NULL: @pid is 0, or no @proc.
 */
const char *debug_search_root(const char *proc, uint32_t pid, char buffer[static PATH_MAX]);
void debug_search_done(struct debug_search *d);

/*
 * Puts a descriptor of the next one into @fd, which is closed before if it is one. False if there
 * is no other.
 */
bool debug_search_next(struct debug_search *d, const struct debug_identity *id, int *fd);
/* The same for the file that debug files share. */
bool debug_search_next_alt(struct debug_search *d, const struct debug_alt_link *link, int *fd);
