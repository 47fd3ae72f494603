/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file in which a process tells of the code that it compiles, as far as it was read: by the
 * parser process, from where it was left. One that is another file, was cut or was written anew is
 * read from its beginning. Nobody waits here: what is not there yet is there for whoever asks when
 * the parser has answered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/jit_code.h"
#include "symbolize/jit_job.h"

struct jit_file;
struct jit_reading;
struct worker;

/* What the files of one format have in common. */
struct jit_reader {
	enum jit_format format;
	struct worker *worker; /* borrowed; NULL = parse in this process */
	unsigned int job;      /* the worker's number of jit_job_run() */
	size_t max_memory;     /* bytes of a file's table */
	uint64_t max_bytes;    /* of a file that are read; 0 = no limit */
	/* Kept by the files: how many are being read, bytes of their tables, what became of them.
	 */
	struct jit_reading *readings;
	size_t memory;
	uint64_t loaded, cut, failed, bad;
};

/* Drops what was not answered. Only when worker_process() is not called any more. */
void jit_reader_done(struct jit_reader *r);

/* The reader must outlive it. NULL when out of memory. */
struct jit_file *jit_file_new(struct jit_reader *r);
/* Returns NULL; accepts NULL. */
struct jit_file *jit_file_free(struct jit_file *f);

/*
 * Begins to bring the table up to date with the file at @fd, which is duplicated. Without a worker
 * that is done when it returns. While it is being read it will be looked at once more.
 */
void jit_file_read(struct jit_file *f, int fd);
bool jit_file_is_being_read(const struct jit_file *f);
/*
 * Why there is less than the file has: -EFBIG: it is over a limit; -ECHILD or -ETIME: the parser
 * failed on it; -EBADMSG and -ENOTSUP: it is not of its format, or of this machine; or another
 * -errno. 0 = there is not. One that failed is not read again as long as it is the same file, one
 * on which the parser failed never.
 */
int jit_file_error(const struct jit_file *f);

/* As jit_code_find(); the strings live until the parser's next answer. */
bool jit_file_find(const struct jit_file *f, uint64_t address, struct jit_symbol *ret);
