/* SPDX-License-Identifier: Apache-2.0 */
/* What a recording holds, said in two or three lines. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct pprof_profile;

/* The column called @type ("cpu"); the last one if there is none of this name. */
uint32_t summary_column(const struct pprof_profile *p, const char *type);
bool summary_has_column(const struct pprof_profile *p, const char *type);
/* A profile of kind mutex: the columns are those of kind block. */
bool summary_is_mutex(const struct pprof_profile *p);
int64_t summary_total(const struct pprof_profile *p, uint32_t column);
/* A value of the quality record in the comments ("samples_lost"); 0 if it is not there. */
uint64_t summary_quality(const struct pprof_profile *p, const char *key);

/*
 * Where the profile is, what is in it, how to open it, and what was lost. @path NULL = it went to
 * standard output.
 */
void summary_print(FILE *f, const char *path, const void *data, size_t size);
/* The part of it that knows no file. */
void summary_print_profile(FILE *f, const struct pprof_profile *p);
