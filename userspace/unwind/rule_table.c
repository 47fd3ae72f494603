/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/rule_table.h"
#include "unwind/table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Want of memory must be an answer, not an exit. */
#define HASH_NONFATAL_OOM	   1
#define uthash_nonfatal_oom(entry) ((entry)->lost = true)
#include <uthash.h>

#define NUMBER_OVERFLOW 1

struct entry {
	struct unwind_rule rule; /* the key */
	uint16_t number;
	bool lost;
	UT_hash_handle hh;
};

struct rule_table {
	struct entry *by_rule;
	struct entry *by_number[UNWIND_MAX_RULES];
	uint32_t n; /* numbers given, the gap included */
	uint64_t overflowed;
};

static struct entry *add(struct rule_table *t, const struct unwind_rule *rule)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->rule = *rule;
	e->number = (uint16_t)t->n;
	HASH_ADD(hh, t->by_rule, rule, sizeof(e->rule), e);
	if (e->lost) {
		free(e);
		return NULL;
	}
	t->by_number[t->n++] = e;
	return e;
}

struct rule_table *rule_table_new(void)
{
	static const struct unwind_rule gap;
	static const struct unwind_rule overflow = {
		.cfa = UNWIND_CFA_UNSUPPORTED,
		.cfa_add = UNWIND_REASON_overflow,
	};
	struct rule_table *t = calloc(1, sizeof(*t));

	if (!t || !add(t, &gap) || !add(t, &overflow))
		return rule_table_free(t);
	return t;
}

struct rule_table *rule_table_free(struct rule_table *t)
{
	if (!t)
		return NULL;
	HASH_CLEAR(hh, t->by_rule);
	for (uint32_t i = 0; i < t->n; i++)
		free(t->by_number[i]);
	free(t);
	return NULL;
}

int rule_table_add(struct rule_table *t, const struct unwind_table *table, uint16_t *ret_numbers)
{
	const struct unwind_rule *rules = unwind_table_rules(table);

	for (uint32_t i = 0; i < table->n_rules; i++) {
		struct entry *e;

		HASH_FIND(hh, t->by_rule, &rules[i], sizeof(rules[i]), e);
		if (!e && t->n == UNWIND_MAX_RULES) {
			ret_numbers[i] = NUMBER_OVERFLOW;
			t->overflowed++;
			continue;
		}
		if (!e)
			e = add(t, &rules[i]);
		if (!e)
			return -ENOMEM;
		ret_numbers[i] = e->number;
	}
	return 0;
}

uint32_t rule_table_count(const struct rule_table *t)
{
	return t->n;
}

void rule_table_get(const struct rule_table *t, uint32_t number, struct unwind_rule *ret)
{
	*ret = t->by_number[number]->rule;
}

void rule_table_get_stats(const struct rule_table *t, struct rule_table_stats *ret)
{
	*ret = (struct rule_table_stats){ .rules = t->n, .rules_overflowed = t->overflowed };
}
