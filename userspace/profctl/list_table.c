/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/list_table.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "profctl/text.h"

/* TASK_COMM_LEN without its NUL. */
#define COMM_COLUMNS 15
#define UNIT_COLUMNS 28
/* As container tools print ids. */
#define CONTAINER_COLUMNS 12
#define FIXED_COLUMNS	  (8 + 1 + 6 + 2 + COMM_COLUMNS + 2 + UNIT_COLUMNS + 2)
#define MIN_EXECUTABLE	  8

static int compare(const void *va, const void *vb)
{
	const struct process_row *a = va, *b = vb;

	if (a->cpu_percent != b->cpu_percent)
		return a->cpu_percent < b->cpu_percent ? 1 : -1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

void list_table_sort(struct process_row *rows, size_t n)
{
	if (n)
		qsort(rows, n, sizeof(*rows), compare);
}

/* Pads by characters, which printf() does not. */
static void print_padded(FILE *f, const char *text, size_t columns)
{
	size_t used = text_print(f, text, columns);

	fprintf(f, "%*s  ", (int)(columns - used), "");
}

static void print_row(FILE *f, const struct process_row *row, size_t executable_columns)
{
	char container[CONTAINER_COLUMNS + 1];

	fprintf(f, "%8" PRIu64 " %6.1f  ", row->pid, row->cpu_percent);
	print_padded(f, row->comm, COMM_COLUMNS);
	snprintf(container, sizeof(container), "%s", row->container);
	print_padded(f, *container ? container : *row->unit ? row->unit : "-", UNIT_COLUMNS);
	text_print(f, *row->executable ? row->executable : "-", executable_columns);
	fputc('\n', f);
}

void list_table_print(FILE *f, const struct process_row *rows, size_t n, size_t max_rows,
		      size_t columns)
{
	size_t rest = SIZE_MAX;

	if (columns)
		rest = columns > FIXED_COLUMNS + MIN_EXECUTABLE ? columns - FIXED_COLUMNS
								: MIN_EXECUTABLE;
	fprintf(f, "%8s %6s  %-*s  %-*s  %s\n", "PID", "%CPU", COMM_COLUMNS, "COMM", UNIT_COLUMNS,
		"UNIT/CONTAINER", "EXECUTABLE");
	for (size_t i = 0; i < MIN(n, max_rows); i++)
		print_row(f, &rows[i], rest);
}
