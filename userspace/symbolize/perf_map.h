/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The perf map of a process: names that a just-in-time compiler writes down for the code it makes,
 * one "START SIZE NAME" a line, the numbers hexadecimal. The file only grows; a later line is about
 * newer code and wins where it overlaps earlier ones.
 */
#pragma once

#include <stddef.h>

struct jit_block;
struct jit_limits;

/* Longer lines are refused. Bytes. */
#define PERF_MAP_LINE_MAX 4096

/*
 * Reads the lines from an offset on, where an earlier reading has ended. Those that make no sense
 * are counted as bad; a last one without newline waits for the next time. -ENOMEM or another
 * -errno. Caller frees.
 */
int perf_map_read(int fd, const struct jit_limits *limits, struct jit_block **ret,
		  size_t *ret_size);
