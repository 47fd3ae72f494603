/* SPDX-License-Identifier: Apache-2.0 */
/* The table of profctl top: as 'go tool pprof -top' lays it out. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct report_row;

struct top_table {
	const struct report_row *rows;
	size_t n;
	int64_t total;	  /* sum over all samples */
	const char *unit; /* of the values, as in the profile */
	size_t max_rows;
	size_t columns; /* longer lines are cut; 0 = as long as they are */
};

void top_table_print(FILE *f, const struct top_table *t);
