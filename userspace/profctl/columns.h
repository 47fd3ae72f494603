/* SPDX-License-Identifier: Apache-2.0 */
/* A tab-separated text of the daemon as columns for people. */
#pragma once

#include <stddef.h>
#include <stdio.h>

/*
 * Prints @text, whose first line names the columns, with each column as wide as it needs; those of
 * numbers are aligned to the right. The last one is cut so that lines have at most @width columns;
 * 0 = never. Fields that a line does not have are empty. Cuts @text. -EBADMSG if there is no first
 * line, or it has too many columns; -ENOMEM.
 */
int columns_print(FILE *f, char *text, size_t width);
