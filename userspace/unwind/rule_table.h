/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the whole machine, interned: what the rule numbers of the rows in the kernel mean.
 * Append-only, so that a number once given stays true; number 0 is the gap, number 1 says that
 * there was no number left.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "unwind_abi.h"

struct unwind_table;
struct rule_table;

#define RULE_TABLE_COUNTERS(X)                                                                     \
	X(rules, "distinct unwinding rules")                                                       \
	X(rules_overflowed, "rules that found no number left and became unsupported")

struct rule_table_stats {
#define X(name, help) uint64_t name;
	RULE_TABLE_COUNTERS(X)
#undef X
};

/* Returns NULL when out of memory. */
struct rule_table *rule_table_new(void);
/* Returns NULL; accepts NULL. */
struct rule_table *rule_table_free(struct rule_table *t);

/*
 * Fills @ret_numbers[i] with the machine's number of rule i of @table, for all its n_rules. -ENOMEM
 * or 0. Rules that are new are behind the count before: they must be in the kernel before a row
 * that names them is.
 */
int rule_table_add(struct rule_table *t, const struct unwind_table *table, uint16_t *ret_numbers);

uint32_t rule_table_count(const struct rule_table *t);
/* The rule of a number below the count. */
void rule_table_get(const struct rule_table *t, uint32_t number, struct unwind_rule *ret);

void rule_table_get_stats(const struct rule_table *t, struct rule_table_stats *ret);
