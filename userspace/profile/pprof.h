/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.proto: windows in, bytes out; and back. What readers need is kept: ids 1..n in file
 * order, a line for every location, has_functions on every mapping, valid UTF-8, one gzip member
 * (https://github.com/google/pprof/blob/main/proto/README.md describes the format).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/quality.h"
#include "profile/selection.h"
#include "profile/wait.h"

struct pprof_ahead;
struct symbolizer;
struct window;

/* Block profiles: who ended the wait, below the stack that waited. */
enum pprof_wakers {
	PPROF_WAKERS_NONE,
	PPROF_WAKERS_SELECTED, /* only wakers that the selection selects too */
	PPROF_WAKERS_ALL,
};

struct pprof_options {
	uint8_t kind;			   /* enum abi_sample_kind: cpu, block or mutex */
	const struct selection *selection; /* NULL = everything */
	struct wait_filter filter;	   /* not for cpu; 0 = wait_filter_default() */
	enum pprof_wakers wakers;
	/*
	 * Readers subtract it from a later one, sample by sample, so nothing may go from one sample
	 * to another, or be taken back, as processes end: no pids, which merging takes away, and
	 * folded waits, which were in other samples before, are summed up in comments
	 * (folded_contentions, folded_delay_ns).
	 */
	bool subtractable;
	uint64_t period;	     /* ns between samples */
	int64_t time;		     /* when it began, ns since 1970 */
	int64_t duration;	     /* ns; 0 = it is of all time until @time */
	const char *const *comments; /* more lines, NULL-terminated list; may be NULL */
	struct pprof_ahead
		*ahead;	 /* of the window, which is one; its content is used up. NULL = none */
	int compression; /* zlib level 1..9; 0 = 1, the fastest */
};

/*
 * Merges @n windows into one gzip-compressed profile. Caller frees @ret_data. A profile without
 * samples is a valid profile. @ret_quality may be NULL. -ENOMEM or 0; -EINVAL: no such kind.
 */
int pprof_encode(struct window *const *windows, size_t n, const struct pprof_options *o,
		 struct symbolizer *symbolizer, void **ret_data, size_t *ret_size,
		 struct quality *ret_quality);

/*
 * The same as text, in the form of the runtime of Go for contention (debug=1): kinds block and
 * mutex, no labels. Times are nanoseconds, and the addresses are as Go's: behind the call. -EINVAL
 * for other kinds. Caller frees @ret_text.
 */
int pprof_encode_text(struct window *const *windows, size_t n, const struct pprof_options *o,
		      struct symbolizer *symbolizer, char **ret_text, size_t *ret_size);

/* A decoded profile: what a report needs. Indices below are positions in the arrays of this struct.
 */
struct pprof_function {
	const char *name, *system_name, *file;
};

struct pprof_line {
	uint32_t function;
	uint32_t line, column; /* 0 = not known */
};

struct pprof_location {
	uint64_t address;
	int32_t mapping; /* -1 = none */
	uint32_t n_lines;
	struct pprof_line *lines; /* innermost first */
};

struct pprof_mapping {
	uint64_t start, limit, offset;
	const char *file, *build_id;
};

struct pprof_label {
	const char *key;
	const char *string; /* NULL = it is a number */
	int64_t number;
	const char *unit;
};

struct pprof_sample {
	uint32_t n_locations, n_labels;
	uint32_t *locations; /* leaf first */
	int64_t *values;     /* one per sample type */
	struct pprof_label *labels;
};

struct pprof_profile {
	uint32_t n_types;
	const char **types, **units;
	uint32_t n_samples, n_mappings, n_locations, n_functions, n_comments;
	struct pprof_sample *samples;
	struct pprof_mapping *mappings;
	struct pprof_location *locations;
	struct pprof_function *functions;
	const char **comments;
	int64_t time, duration, period;
};

/*
 * Reads a profile, compressed or not, of at most @size bytes and 1 GiB unpacked. -EBADMSG if it is
 * not a profile or contradicts itself (an index or id that leads nowhere).
 */
int pprof_decode(const void *data, size_t size, struct pprof_profile **ret);
struct pprof_profile *pprof_profile_free(struct pprof_profile *p);
