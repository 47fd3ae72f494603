/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that the kernel has announced when their process was gone already, so that they could not
 * be opened at once. The side-band may still tell where they are; they are looked for again for two
 * seconds.
 */
#pragma once

#include <stdint.h>

struct executable;
struct executable_table;
struct unopened;

/* Remembers a file announced at @time, in the list that begins at @list (NULL = empty). -ENOMEM. */
int unopened_add(struct unopened **list, uint32_t file_id, uint64_t time);

/* Looks for all of them. @settled: found, or (@x NULL) given up; it is not in the list any more. */
void unopened_retry(struct unopened **list, struct executable_table *executables, uint64_t now,
		    void (*settled)(void *userdata, uint32_t file_id, struct executable *x),
		    void *userdata);

void unopened_free(struct unopened **list);
