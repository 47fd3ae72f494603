/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who must be charged for a lock: waits and releases are written down, and compared at the end.
 *
 * A release must be charged the time that others waited since the release before; summed by the
 * function that released it is printed as "charge_NAME_ns=", and as "unsure_NAME_ns=" how much of
 * it may as well be another's: what others waited while a release went on, before or after whose
 * moment the thread may have been kept from its CPU.
 */
#pragma once

#include "wait.h"

#define HOLDERS	    5
#define LOG_ENTRIES 65536

struct wait_entry {
	uint64_t begin_ns, end_ns;
};

struct release_entry {
	uint64_t at_ns, done_ns;
	int holder;
};

/* Of one mutex; in memory that a child process shares. */
struct log {
	pthread_mutex_t mutex;
	struct tally tally; /* of waits in the other process */
	_Atomic uint32_t n_waits, n_releases;
	struct wait_entry waits[LOG_ENTRIES];
	struct release_entry releases[LOG_ENTRIES];
};

/* Never freed. */
struct log *log_new(void);

/* pthread_mutex_lock(), measured. The time after the wake-up is not a wait any more. */
void log_lock(struct log *l, struct tally *t);

/* pthread_mutex_unlock(), by the function with this number, below HOLDERS. */
void log_unlock(struct log *l, int holder);

/* For the first @n functions; @names are theirs. */
void log_print(struct log *l, const char *const *names, int n);
