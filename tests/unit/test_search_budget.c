/* SPDX-License-Identifier: Apache-2.0 */
/* How much is searched for files that are not where they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "process/search_budget.h"

#define NOW (1000 * NS_PER_S)

static void test_not_again_at_once(void **state)
{
	struct search_budget b = {};

	(void)state;
	assert_int_equal(search_budget_ask(&b, 7, NOW), SEARCH_AT_ONCE);
	search_budget_spend(&b, 7, 100, SEARCH_IN_VAIN, NOW);
	assert_int_equal(search_budget_ask(&b, 7, NOW + SEARCH_AGAIN_NS - 1), 0);
	assert_true(search_budget_ask(&b, 8, NOW) > 0);
	assert_true(search_budget_ask(&b, 7, NOW + SEARCH_AGAIN_NS) > 0);
	assert_int_equal(b.searches, 3);
	assert_int_equal(b.refused, 1);
}

static void test_what_was_found_is_searched_again(void **state)
{
	struct search_budget b = {};

	(void)state;
	assert_true(search_budget_ask(&b, 7, NOW) > 0);
	search_budget_spend(&b, 7, 100, SEARCH_FOUND, NOW);
	assert_int_equal(search_budget_ask(&b, 7, NOW), SEARCH_AT_ONCE - 100);
	assert_int_equal(b.refused, 0);
}

static void test_all_together(void **state)
{
	struct search_budget b = {};
	uint64_t key;

	(void)state;
	for (key = 1; search_budget_ask(&b, key, NOW) > 0; key++)
		search_budget_spend(&b, key, SEARCH_AT_ONCE / 10, SEARCH_IN_VAIN, NOW);
	assert_int_equal(b.searches, 10);
	assert_int_equal(b.refused, 1);
	/* With time comes room, and never more than there was. */
	assert_int_equal(search_budget_ask(&b, key, NOW + NS_PER_S / 2), SEARCH_PER_SECOND / 2);
	assert_int_equal(search_budget_ask(&b, key, NOW + 3600 * NS_PER_S), SEARCH_AT_ONCE);
	/* A clock that stands still or goes back gives nothing. */
	search_budget_spend(&b, key, UINT64_MAX, SEARCH_FOUND, NOW);
	assert_int_equal(search_budget_ask(&b, key, NOW), 0);
}

/* One that was cut off was given up, too. */
static void test_cut_off(void **state)
{
	struct search_budget b = {};
	uint64_t max = search_budget_ask(&b, 7, NOW);

	(void)state;
	search_budget_spend(&b, 7, max + 1, SEARCH_CUT, NOW);
	assert_int_equal(b.refused, 1);
	assert_int_equal(search_budget_ask(&b, 7, NOW + SEARCH_AGAIN_NS - 1), 0);
	assert_true(search_budget_ask(&b, 7, NOW + SEARCH_AGAIN_NS) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_again_at_once),
		cmocka_unit_test(test_what_was_found_is_searched_again),
		cmocka_unit_test(test_all_together),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
