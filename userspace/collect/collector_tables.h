/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of the unwinding tables: the maps' pages in this process, and segments made on demand.
 * What is written here is seen by BPF at once; unwind_abi.h says in which order to write.
 */
#pragma once

#include <stdint.h>

#include "unwind_abi.h"

struct table_store_memory;

/* Begins with its descriptors set, first_segment_fd being -1, and all else 0. */
struct collector_tables {
	int files_fd, pages_fd, rules_fd, segments_fd; /* borrowed */
	int first_segment_fd;			       /* owned, -1 = there is none yet */
	struct unwind_file *files;
	struct unwind_page *pages;
	struct unwind_rule *rules;
	struct unwind_segment *segments[UNWIND_MAX_SEGMENTS]; /* by index; NULL = not made */
	uint32_t n_segments;
};

void collector_tables_done(struct collector_tables *t);

/* Maps what is not mapped yet, and says where all of it is. *@ret refers to @t. 0 or -errno. */
int collector_tables_memory(struct collector_tables *t, struct table_store_memory *ret);
