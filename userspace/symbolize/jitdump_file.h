/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process's jitdump, as far as it was read: by the parser process, from where it was left. A
 * file that is another one, or was cut, is read from its beginning.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/jit_code.h"

struct jitdump_file;
struct worker;

struct jitdump_file_options {
	struct worker *worker; /* borrowed; NULL = parse in this process */
	unsigned int job;      /* the worker's number of jitdump_job_run() */
	size_t max_memory;     /* bytes of the table */
};

/* NULL when out of memory. */
struct jitdump_file *jitdump_file_new(const struct jitdump_file_options *o);
/* Returns NULL; accepts NULL. */
struct jitdump_file *jitdump_file_free(struct jitdump_file *f);

/*
 * Brings the table up to date with the file. Waits for the parser. *@bad is raised by the records
 * that made no sense. -EFBIG: the table is full, or the file has too much for one time; -ECHILD or
 * -ETIME if the parser failed on it, -EBADMSG and -ENOTSUP if it is no jitdump of this machine:
 * then it is not read again; or another -errno. What was read before an error counts.
 */
int jitdump_file_read(struct jitdump_file *f, int fd, uint64_t *bad);

/* As jit_code_find(). */
bool jitdump_file_find(const struct jitdump_file *f, uint64_t address, struct jit_symbol *ret);
size_t jitdump_file_memory(const struct jitdump_file *f);
