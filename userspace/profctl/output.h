/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file that a recording becomes. It is made before recording starts, under a temporary name
 * beside its own, so that a directory that cannot be written is known at once and the file is there
 * whole or not at all.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"

struct selection;

struct output {
	int fd;
	char *path;	 /* NULL = standard output */
	char *temporary; /* NULL = path is written itself: a device or a pipe */
};

/* Nothing open: what output_done() accepts. */
#define OUTPUT_NONE                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* @path "-" is standard output. A regular file of this name is replaced at the end. */
int output_open(const char *path, struct output *ret, struct error *e);
/* Writes it all and gives the file its name. */
int output_commit(struct output *o, const void *data, size_t size, struct error *e);
/* Removes what was not committed. */
void output_done(struct output *o);

/*
 * The name of a recording that was given none: "profctl-WHAT-20261231T235959.pb.gz" (local time),
 * with a number before the ending if that is taken. @what is what output_label() said.
 */
char *output_default_name(const char *what, time_t now);

/*
 * The name for one of several types, of the name for all: "a.pb.gz" becomes "a-block.pb.gz". NULL
 * when out of memory.
 */
char *output_name_of_type(const char *path, const char *type);

/*
 * What is recorded, as a part of a file name: COMM-PID, COMM, UNIT, N-processes or all. @program
 * (argv[0], NULL if none was started) goes with @pid. Only letters, digits, '.', '_' and '-'.
 */
char *output_label(const struct selection *s, const char *program, pid_t pid);
