/* SPDX-License-Identifier: Apache-2.0 */
/* Text reports of a decoded profile, as pprof's -top and a per-process list. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pprof_profile;

/* A function and what it cost: itself, and with all it called. */
struct report_row {
	const char *name; /* borrowed from the profile */
	int64_t flat, cumulative;
};

/*
 * Functions by @column, most expensive first (flat; @by_cumulative: cumulative). A function that
 * is on a stack twice counts once. Caller frees @ret_rows. @ret_total: sum over all samples.
 *
 * @drop_frames: functions whose whole name fits this expression are left out, and what they call,
 * unless nothing called them; as pprof does. NULL = none. -EINVAL: it is none, or no such column.
 */
int report_top(const struct pprof_profile *p, uint32_t column, const char *drop_frames,
	       int by_cumulative, struct report_row **ret_rows, size_t *ret_n, int64_t *ret_total);

struct report_process {
	int64_t pid;
	const char *comm, *unit, *container; /* borrowed; NULL if there is none */
	int64_t value;
};

/* Processes by @column, most expensive first. Caller frees @ret. */
int report_processes(const struct pprof_profile *p, uint32_t column, struct report_process **ret,
		     size_t *ret_n);
