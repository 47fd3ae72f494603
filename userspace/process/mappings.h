/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable mappings of a process, newest last. The kernel tells of mappings that appear but
 * of none that go, so the newest that covers an address is the truth and what is entirely covered
 * by a newer one is dropped. A child shares its parent's list until one of them changes it: a fork
 * that execs copies nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process/shared.h"

/*
 * A process that goes on mapping and unmapping code at new addresses (a plug-in loader, or somebody
 * hostile) would grow for ever: at this many the older half is dropped and counted.
 */
#define MAPPINGS_MAX 8192

/* What is mapped: the content of a struct shared, so that it is stored once per file. */
struct mapped_file {
	uint8_t deleted;
	uint8_t build_id_size; /* 0 = not known */
	uint8_t build_id[20];
	char path[]; /* valid UTF-8, NUL-terminated */
};

struct mapping {
	uint64_t start, end;
	uint64_t offset;     /* in the file, of start; bytes */
	struct shared *file; /* a struct mapped_file; NULL = no file any more (JIT code) */
};

struct mappings {
	uint32_t refs;
	uint32_t n, allocated;
	struct mapping *items;
	struct mappings_account *account;
};

/* Sums over all lists of one table. */
struct mappings_account {
	uint64_t mappings, dropped;
	size_t memory;
};

/* NULL when out of memory. The account must outlive the list. */
struct mappings *mappings_new(struct mappings_account *account);
/* Both accept NULL. unref returns NULL. */
struct mappings *mappings_ref(struct mappings *m);
struct mappings *mappings_unref(struct mappings *m);

/*
 * Adds one to *@list, which is first copied if others hold it too. Takes a reference of the file.
 * 0 or -ENOMEM.
 */
int mappings_add(struct mappings **list, const struct mapping *added);
/* The mapping of a file at @address; NULL if there is none. Accepts NULL. */
const struct mapping *mappings_find(const struct mappings *m, uint64_t address);

/* The struct mapped_file of a path. " (deleted)" at its end becomes a flag. NULL: no memory. */
struct shared *mapped_file_get(struct shared_set *set, const char *path, const uint8_t *build_id,
			       uint8_t build_id_size);

static inline const struct mapped_file *mapped_file(const struct shared *file)
{
	return (const struct mapped_file *)file->data;
}
