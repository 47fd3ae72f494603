/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwinds a stack that came as memory, because the kernel had no unwinding table for one of its
 * files yet. By the time it is handled, in the order of the stream, the process table is as it was
 * when the sample was taken, also if the process is long gone.
 *
 * How it can be wrong: a slice is cut off where it is as long as slices may be; such a stack ends
 * as slice_cut. A mapping whose file cannot be found ends it as no_table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/sample.h"

struct executable_table;
struct process_table;
struct table_manager;

struct slice_world {
	struct process_table *processes;
	struct executable_table *executables;
	struct table_manager *tables;
};

struct slice_result {
	size_t n_frames;
	uint8_t user_end; /* enum abi_stack_end */
};

/*
 * Writes at most @room frames (their executables are borrowed). 0; -EAGAIN if it needs a table that
 * is still being built, which is then wanted urgently (@impatient: go on without it instead).
 */
int slice_unwind(const struct slice_world *world, const struct abi_sample *sample,
		 const struct abi_slice *slice, bool impatient, struct frame *frames, size_t room,
		 struct slice_result *ret);
