/* SPDX-License-Identifier: Apache-2.0 */
/* What history.c (writing) and retention.c (counting, removing) share. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "history.h"

/* The end of the names of files that are being written; they begin with a dot. */
#define HISTORY_TEMPORARY ".profd-tmp"

struct history {
	char *path;
	int fd; /* of the directory; holds the lock */
	struct history_stats stats;
	unsigned int retained; /* calls of history_retain() */
};

/* Counts all files anew; @leftovers: also removes temporary files. */
int history_scan(struct history *h, bool leftovers);
bool history_is_day(const char *name);
uint64_t history_file_bytes(const struct stat *st);
