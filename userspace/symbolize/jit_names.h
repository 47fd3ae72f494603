/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The perf maps of processes, each read when a name is first wanted and again when told to. Once
 * the process is gone what was read stays until it is forgotten, or dropped for being unused.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct jit_names;
struct process;

struct jit_names_stats {
	uint64_t loaded, evicted, cut, bad_lines;
};

/* @proc is borrowed; NULL = nothing is read. @max_map: bytes of one table. */
int jit_names_new(const char *proc, size_t max_map, struct jit_names **ret);
/* Returns NULL; accepts NULL. */
struct jit_names *jit_names_free(struct jit_names *j);

/* The name of code of @p that no file backs, NULL if unknown; valid until the next call. */
const char *jit_names_find(struct jit_names *j, struct process *p, uint64_t address, uint64_t now);

/* Reads what is new in the process's map. */
void jit_names_refresh(struct jit_names *j, struct process *p, uint64_t now);
void jit_names_forget(struct jit_names *j, const struct process *p);

/* As of executable_names. */
uint64_t jit_names_oldest(const struct jit_names *j);
void jit_names_evict(struct jit_names *j);

void jit_names_get_stats(const struct jit_names *j, struct jit_names_stats *ret);
size_t jit_names_memory(const struct jit_names *j);
