/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of all tables together, each once, within the room that there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unwind/rule_table.h"
#include "unwind/table_builder.h"

/* A table of n rules that nobody else has, told apart by @first. */
static struct unwind_table *table_of_rules(uint32_t n, int32_t first)
{
	struct unwind_table_stats stats = {};
	struct unwind_rule *rules = calloc(n + 1, sizeof(*rules));
	struct unwind_table *t = NULL;

	assert_non_null(rules);
	for (uint32_t i = 1; i <= n; i++)
		rules[i] = (struct unwind_rule){ .cfa = UNWIND_CFA_REGISTER,
						 .cfa_offset = first + (int32_t)i };
	assert_int_equal(unwind_table_make(rules, n + 1, NULL, 0, 0, NULL, 0, &stats, &t), 0);
	free(rules);
	return t;
}

static void test_rule_table(void **state)
{
	struct rule_table *machine = rule_table_new();
	struct unwind_table *a = table_of_rules(100, 0), *b = table_of_rules(100, 50);
	uint16_t of_a[101], of_b[101], numbers[8001];
	struct rule_table_stats stats;
	struct unwind_rule rule;

	(void)state;
	assert_non_null(machine);
	assert_int_equal(rule_table_add(machine, a, of_a), 0);
	assert_int_equal(rule_table_add(machine, b, of_b), 0);
	assert_int_equal(rule_table_count(machine), 2 + 150);
	assert_int_equal(of_a[0], 0);
	assert_int_equal(of_b[1], of_a[51]); /* the same rule */
	for (int i = 1; i <= 100; i++) {
		rule_table_get(machine, of_b[i], &rule);
		assert_int_equal(rule.cfa_offset, 50 + i);
	}
	rule_table_get(machine, 0, &rule);
	assert_int_equal(rule.cfa, UNWIND_CFA_GAP);
	free(b);

	/* Full: what is new is unsupported, what was there before stays. */
	for (int i = 0; i < 9; i++) {
		b = table_of_rules(8000, 1000 + 8000 * i);
		assert_int_equal(rule_table_add(machine, b, numbers), 0);
		free(b);
	}
	rule_table_get_stats(machine, &stats);
	assert_int_equal(stats.rules, UNWIND_MAX_RULES);
	assert_int_equal(stats.rules_overflowed, 2 + 150 + 9 * 8000 - UNWIND_MAX_RULES);
	rule_table_get(machine, numbers[8000], &rule);
	assert_int_equal(rule.cfa, UNWIND_CFA_UNSUPPORTED);
	assert_int_equal(rule.cfa_add, UNWIND_REASON_overflow);
	assert_int_equal(rule_table_add(machine, a, numbers), 0);
	assert_memory_equal(numbers, of_a, sizeof(of_a));
	free(a);
	rule_table_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
