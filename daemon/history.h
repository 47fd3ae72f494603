/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of profiles: DIRECTORY/YYYY-MM-DD/HHMMSSZ-KIND[-COMM-PID].pb.gz, in UTC. A file is
 * whole or it is not there: it is written under a temporary name, fsynced, then renamed.
 *
 * It belongs to one profd at a time (a lock on the directory itself). Files whose names profd would
 * not give are never touched nor counted. How its answers can be wrong: what others remove is
 * noticed at the next scan only, see history_retain().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct history;

struct history_stats {
	uint64_t bytes, files; /* there now, as far as known */
	uint64_t written, written_bytes;
	uint64_t removed;
	uint64_t leftovers; /* temporary files of a life that was cut short, removed */
};

/*
 * Creates the directory if need be, locks it, removes leftovers and counts what is there. -EBUSY if
 * another profd has it; -EACCES, -EROFS, ... if nothing can be written there (it is tried), but a
 * full disk is no error.
 */
int history_new(const char *path, struct history **ret, struct error *e);
struct history *history_free(struct history *h);

/*
 * Writes a file for what began at @time (ns since 1970). @kind: "cpu", "block", "mutex"; @comm:
 * NULL or of the process @pid that the file is about. If the name is taken the next free second is.
 * -errno leaves nothing behind.
 */
int history_write(struct history *h, int64_t time, const char *kind, const char *comm, uint32_t pid,
		  const void *data, size_t size);

/* Removes files older than @age (ns) at @now (ns since 1970), then the oldest beyond @bytes. */
int history_retain(struct history *h, int64_t now, uint64_t bytes, uint64_t age);

void history_get_stats(const struct history *h, struct history_stats *ret);

/*
 * The time (ns since 1970) in the names of a day directory and of a file in it. -EINVAL if profd
 * would not give these names.
 */
int history_name_time(const char *day, const char *file, int64_t *ret_time);
