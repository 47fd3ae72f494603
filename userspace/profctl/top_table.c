/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/top_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profctl/measure.h"
#include "profctl/text.h"
#include "profile/report.h"

/* What stands before a name: two values of 10 columns, three shares, and the space between. */
#define NAME_COLUMN 45

static struct units choose_unit(const struct top_table *t, size_t n)
{
	int64_t min = t->total;

	for (size_t i = 0; i < n; i++)
		if (t->rows[i].cumulative > 0)
			min = MIN(min, t->rows[i].cumulative);
	for (size_t i = 0; i < n; i++)
		if (t->rows[i].flat > 0)
			min = MIN(min, t->rows[i].flat);
	return measure_unit(min, t->total, t->unit);
}

static void print_name(FILE *f, const char *name, size_t columns)
{
	_cleanup_free_ char *copy = NULL;
	size_t length = strlen(name), width = length;

	if (columns)
		width = columns > NAME_COLUMN + 4 ? columns - NAME_COLUMN : 4;
	copy = malloc(length + 5);
	fputs(copy ? text_fit(name, width, copy, length + 5) : "?", f);
	fputc('\n', f);
}

void top_table_print(FILE *f, const struct top_table *t)
{
	char flat[MEASURE_TEXT_LEN], flat_share[MEASURE_TEXT_LEN], sum_share[MEASURE_TEXT_LEN];
	char cum[MEASURE_TEXT_LEN], cum_share[MEASURE_TEXT_LEN];
	size_t n = MIN(t->n, t->max_rows);
	struct units units = choose_unit(t, n);
	int64_t sum = 0;

	fputs("      flat  flat%   sum%        cum   cum%\n", f);
	for (size_t i = 0; i < n; i++) {
		const struct report_row *row = &t->rows[i];

		sum += row->flat;
		fprintf(f, "%10s %s %s %10s %s  ", measure_format(row->flat, units, flat),
			measure_format_share(row->flat, t->total, flat_share),
			measure_format_share(sum, t->total, sum_share),
			measure_format(row->cumulative, units, cum),
			measure_format_share(row->cumulative, t->total, cum_share));
		print_name(f, row->name, t->columns);
	}
}
