/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for unwinding tables that no kernel reads: a replay unwinds the stacks of its slices by the
 * same tables, from ordinary memory.
 */
#pragma once

#include "unwind/table_store.h"

struct table_memory;

/* Returns NULL when out of memory. */
struct table_memory *table_memory_new(void);
/* After the store that uses it. Accepts NULL, returns NULL. */
struct table_memory *table_memory_free(struct table_memory *m);

/* For struct table_store_options. */
struct table_store_memory table_memory_get(struct table_memory *m);
