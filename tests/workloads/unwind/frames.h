/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of this folder share. Each is "PROGRAM SECONDS [MODE]": it has one chain of
 * named functions, programs.py says which, and is inside of it practically always.
 */
#pragma once

#include "burn.h"

/* About 100 us of work between two looks at the clock. */
#define UNIT 50000

static double over_at;

static inline void run_for(int argc, char **argv)
{
	over_at = now_seconds() + seconds_argument(argc, argv, 1, 5);
}

static inline int is_over(void)
{
	return now_seconds() >= over_at;
}

static inline const char *mode_argument(int argc, char **argv)
{
	return argc > 2 ? argv[2] : "";
}
