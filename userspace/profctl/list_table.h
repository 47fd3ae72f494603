/* SPDX-License-Identifier: Apache-2.0 */
/* The table of profctl list. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct process_row;

/* Most CPU first, then by pid. */
void list_table_sort(struct process_row *rows, size_t n);
/* At most @max_rows of them. Lines end at @columns, 0 = as long as they are. */
void list_table_print(FILE *f, const struct process_row *rows, size_t n, size_t max_rows,
		      size_t columns);
