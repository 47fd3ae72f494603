/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The perf map of a process: names that a just-in-time compiler writes down for the code it makes,
 * one "START SIZE NAME" a line, the numbers hexadecimal. The file only grows; a later line is about
 * newer code and wins where it overlaps earlier ones.
 *
 * It is written by the process and means what the process says: lines that make no sense are
 * counted and skipped, lines and memory have limits. How it can be wrong: code that moved before a
 * sample was named has the sample's address named by what lies there now.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer lines are refused. Bytes. */
#define PERF_MAP_LINE_MAX 4096

struct perf_map;

struct perf_map_limits {
	uint64_t max_bytes; /* read of a file in all; 0 = 64 MiB */
	size_t max_memory;  /* of the table; 0 = 32 MiB */
};

/* NULL when out of memory. A limit of NULL is the default. */
struct perf_map *perf_map_new(const struct perf_map_limits *limits);
/* Returns NULL; accepts NULL. */
struct perf_map *perf_map_free(struct perf_map *m);

/*
 * Brings the table up to date with the file: reads what was appended since the last call, or all of
 * it if it is another file or was written anew. A last line without newline waits for the next
 * call. 1 if something was read, 0 if not; -EFBIG: a limit was reached, what was read counts;
 * or another -errno.
 */
int perf_map_read(struct perf_map *m, int fd);

/* The name for @address, NULL if there is none. Valid until the next perf_map_read(). */
const char *perf_map_find(const struct perf_map *m, uint64_t address);

uint32_t perf_map_count(const struct perf_map *m);
/* Lines that could not be understood, since perf_map_new(). */
uint64_t perf_map_bad_lines(const struct perf_map *m);
size_t perf_map_memory(const struct perf_map *m);
