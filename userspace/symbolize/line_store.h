/* SPDX-License-Identifier: Apache-2.0 */
/* The chains of one executable that are known, by address. Only grows; dropped as a whole. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/line_table.h"

struct line_store;

/* NULL when out of memory. */
struct line_store *line_store_new(void);
/* Returns NULL; accepts NULL. */
struct line_store *line_store_free(struct line_store *s);

/* What is known of an address: @n frames, 0 = that there is nothing. Strings are copied. -ENOMEM.
 */
int line_store_put(struct line_store *s, uint64_t address, const struct line_frame *frames,
		   size_t n);
/* False if nothing was put there. The strings live until the next line_store_put(). */
bool line_store_get(const struct line_store *s, uint64_t address, struct line_frame *ret,
		    size_t max, size_t *ret_n);
bool line_store_has(const struct line_store *s, uint64_t address);

size_t line_store_memory(const struct line_store *s);
