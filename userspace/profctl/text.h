/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's plain texts, taken apart, and foreign names made fit to be printed. A text is cut in
 * place, so the results point into it and live as long as it does.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One line of a list of processes. */
struct process_row {
	uint64_t pid;
	double cpu_percent; /* 100 = one CPU */
	uint64_t samples;
	const char *comm, *unit, *container, *executable; /* "" if there is none */
};

/*
 * /processes: tab-separated, the first line names the columns, so that they may come in any order
 * and others may be added. A line without a pid is skipped. Cuts @text; caller frees @ret.
 * -EBADMSG if there is no column "pid"; -ENOMEM.
 */
int text_processes(char *text, struct process_row **ret, size_t *ret_n);

/* The value of a "key: value" line, copied to @value; -ENOENT if there is none or it is too long.
 */
int text_value(const char *text, const char *key, char *value, size_t size);

/*
 * Prints @name for a terminal: control characters (a process chooses its own name) become '?', and
 * what is wider than @columns is cut, with a '~' as its last column; SIZE_MAX = never. Every
 * character counts as one column. Returns how many were printed.
 */
size_t text_print(FILE *f, const char *name, size_t columns);

/* @name as a word of a shell command line: as it is, or in single quotes. Caller frees. */
char *text_shell_word(const char *name);
