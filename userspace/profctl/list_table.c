/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/list_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

static void print_executable(FILE *f, const char *path, size_t columns)
{
	_cleanup_free_ char *copy = malloc(strlen(path) + 5);
	size_t width = strlen(path);

	if (columns)
		width = columns > FIXED_COLUMNS + MIN_EXECUTABLE ? columns - FIXED_COLUMNS
								 : MIN_EXECUTABLE;
	fputs(copy ? text_fit(path, width, copy, strlen(path) + 5) : "?", f);
	fputc('\n', f);
}

/* Pads by characters, which printf() does not. */
static void print_padded(FILE *f, const char *text, size_t columns)
{
	char copy[4 * UNIT_COLUMNS + 1];
	size_t used = 0;

	text_fit(text, columns, copy, sizeof(copy));
	for (const char *p = copy; *p; p++)
		used += (*p & 0xc0) != 0x80;
	fprintf(f, "%s%*s  ", copy, (int)(columns - used), "");
}

static void print_row(FILE *f, const struct process_row *row, size_t columns)
{
	char container[CONTAINER_COLUMNS + 1];

	fprintf(f, "%8" PRIu64 " %6.1f  ", row->pid, row->cpu_percent);
	print_padded(f, row->comm, COMM_COLUMNS);
	snprintf(container, sizeof(container), "%s", row->container);
	print_padded(f, *container ? container : *row->unit ? row->unit : "-", UNIT_COLUMNS);
	print_executable(f, *row->executable ? row->executable : "-", columns);
}

void list_table_print(FILE *f, const struct process_row *rows, size_t n, size_t max_rows,
		      size_t columns)
{
	fprintf(f, "%8s %6s  %-*s  %-*s  %s\n", "PID", "%CPU", COMM_COLUMNS, "COMM", UNIT_COLUMNS,
		"UNIT/CONTAINER", "EXECUTABLE");
	for (size_t i = 0; i < MIN(n, max_rows); i++)
		print_row(f, &rows[i], columns);
}
