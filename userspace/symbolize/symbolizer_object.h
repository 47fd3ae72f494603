/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the symbolizer, shared by symbolizer.c, symbolizer_prepare.c (many frames, before a
 * deadline) and symbolizer_frame.c (the name of one).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/executable.h"
#include "process/process.h"
#include "symbolize/executable_lines.h"
#include "symbolize/executable_names.h"
#include "symbolize/jit_names.h"
#include "symbolize/jit_programs.h"
#include "symbolize/kernel_file.h"
#include "symbolize/kernel_names.h"
#include "symbolize/name_cache.h"
#include "symbolize/symbolizer.h"

struct symbolizer {
	char *debug_directories, *proc;
	size_t budget;
	uint64_t clock;			   /* a number for each look-up: what was used when */
	uint64_t expire_at, expire_before; /* monotonic ns; the clock one period earlier */
	struct kernel_names *kernel;
	struct kernel_file *kernel_file;	  /* NULL = none is looked for */
	struct executable_table *table;		  /* borrowed; NULL = nothing can be opened */
	struct worker *name_worker, *line_worker; /* borrowed; NULL = in this process */
	struct executable_names_set *executables;
	struct executable_lines_set *lines; /* NULL = names only */
	uint64_t patience;
	bool all_patience;		       /* however little is missing */
	uint64_t names_missing, lines_missing; /* weights, of what was wanted last */
	struct jit_names *jit;
	struct name_cache *cache;
	uint64_t frames_looked_up, frames_unnamed;
	uint64_t unnamed[UNNAMED_COUNT];
	struct jit_programs jit_programs;
	uint64_t lines_frames, lines_late;
};

/* Drops the tables unused for longest, but none that was used for the look-up @keep_from. */
void symbolizer_stay_in_budget(struct symbolizer *s, uint64_t keep_from);

/* Of a process whose view of files can still be looked at, else 0. */
static inline uint32_t symbolizer_pid_of(const struct process *process)
{
	return process && process->exit_time == 0 ? process->tgid : 0;
}
