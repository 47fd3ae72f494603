/* SPDX-License-Identifier: Apache-2.0 */
/* What would give names to frames that have none, from the daemon's list of executables. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* At most so many files are written about, those with most unnamed frames. */
#define HINTS_MAX 20

/* What can be done depends on. */
struct hints_machine {
	const char *packages; /* dpkg's directory (packages.h) */
	const char *root;     /* below which files are; "" = here */
	bool has_debuginfod;  /* the daemon asks servers for debug files */
};

/*
 * @text is the list as the daemon sent it; it is cut. Prints nothing if all frames have names, or
 * the list has no column for it. 0 or -ENOMEM.
 */
int hints_print(FILE *f, char *text, const struct hints_machine *machine);
