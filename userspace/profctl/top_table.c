/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/top_table.h"

#include "base/cleanup.h"
#include "profctl/measure.h"
#include "profctl/text.h"
#include "profile/report.h"

/* What stands before a name: two values of 10 columns, three shares, and the space between. */
#define NAME_COLUMN 45
#define MIN_NAME    4

/* Of all rows, so that it does not depend on how many are shown. */
static struct units choose_unit(const struct top_table *t)
{
	int64_t min = t->total;

	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].cumulative > 0)
			min = MIN(min, t->rows[i].cumulative);
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].flat > 0)
			min = MIN(min, t->rows[i].flat);
	return measure_unit(min, t->total, t->unit);
}

void top_table_print(FILE *f, const struct top_table *t)
{
	char flat[MEASURE_TEXT_LEN], flat_share[MEASURE_TEXT_LEN], sum_share[MEASURE_TEXT_LEN];
	char cum[MEASURE_TEXT_LEN], cum_share[MEASURE_TEXT_LEN];
	size_t n = MIN(t->n, t->max_rows);
	struct units units = choose_unit(t);
	size_t name_columns = SIZE_MAX;
	int64_t sum = 0;

	if (t->columns)
		name_columns =
			t->columns > NAME_COLUMN + MIN_NAME ? t->columns - NAME_COLUMN : MIN_NAME;
	fputs("      flat  flat%   sum%        cum   cum%\n", f);
	for (size_t i = 0; i < n; i++) {
		const struct report_row *row = &t->rows[i];

		sum += row->flat;
		fprintf(f, "%10s %s %s %10s %s  ", measure_format(row->flat, units, flat),
			measure_format_share(row->flat, t->total, flat_share),
			measure_format_share(sum, t->total, sum_share),
			measure_format(row->cumulative, units, cum),
			measure_format_share(row->cumulative, t->total, cum_share));
		text_print(f, row->name, name_columns);
		fputc('\n', f);
	}
}
