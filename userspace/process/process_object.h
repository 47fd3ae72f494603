/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is behind a struct process: where its strings live. A process that others hold is changed by
 * replacing it with a copy; but what was unknown about it ("" or NULL) may be filled in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "process/process.h"
#include "process/shared.h"

/* 15 bytes (63 of kernel threads in /proc), each of which may become a U+FFFD. */
#define PROCESS_COMM_SIZE 64

struct process_object {
	struct process process; /* must be first */
	char comm[PROCESS_COMM_SIZE];
	struct shared *executable; /* a struct mapped_file */
	struct shared *identity;   /* see cgroups.h */
};

/* NULL when out of memory. One reference. */
struct process *process_new(uint32_t tgid, const char *comm);
/* A process of its own with the same content; NULL when out of memory. */
struct process *process_clone(const struct process *p);

/* To be called on processes that nobody else holds, or to fill in what was unknown. */
void process_set_comm(struct process *p, const char *comm);
/* Both take a reference; NULL = unknown. */
void process_set_executable(struct process *p, struct shared *file);
void process_set_identity(struct process *p, struct shared *identity);

/* Whether the setters would change anything. */
bool process_has_comm(const struct process *p, const char *comm);
struct shared *process_executable_file(const struct process *p);
struct shared *process_identity(const struct process *p);
