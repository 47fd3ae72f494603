/* SPDX-License-Identifier: Apache-2.0 */
/* The capture that a live profiler writes beside its work: what goes into its stream, and what a
 * replay could not find out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct abi_file_announcement;
struct capture_writer;
struct executable;
struct process_table;

int profiler_capture_begin(const char *path, uint32_t sample_frequency, uint64_t start_time,
			   struct capture_writer **ret, struct error *e);
/* For stream_set_tee(). @writer is a struct capture_writer. */
void profiler_capture_record(void *writer, int source, const void *record, size_t size);
/* Under which name and build id the file of an announcement was opened. */
void profiler_capture_file(struct capture_writer *w, const struct abi_file_announcement *file,
			   const struct executable *x);
/* All processes of the table, with their mappings. */
void profiler_capture_processes(struct capture_writer *w, struct process_table *t, uint64_t time);
