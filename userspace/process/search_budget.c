/* SPDX-License-Identifier: Apache-2.0 */
#include "process/search_budget.h"

#include <stdbool.h>

#include "base/cleanup.h"

static void refill(struct search_budget *b, uint64_t now)
{
	uint64_t passed = now > b->since ? now - b->since : 0;

	if (b->since == 0 || passed >= SEARCH_AT_ONCE / SEARCH_PER_SECOND * NS_PER_S)
		b->left = SEARCH_AT_ONCE;
	else
		b->left = MIN(b->left + passed * SEARCH_PER_SECOND / NS_PER_S,
			      (uint64_t)SEARCH_AT_ONCE);
	b->since = now;
}

static bool was_in_vain(const struct search_budget *b, uint64_t key, uint64_t now)
{
	size_t i = key % SEARCH_REMEMBERED;

	return b->in_vain[i].key == key && now < b->in_vain[i].until;
}

uint64_t search_budget_ask(struct search_budget *b, uint64_t key, uint64_t now)
{
	uint64_t left = 0;

	if (!was_in_vain(b, key, now)) {
		refill(b, now);
		left = b->left;
	}
	b->searches += left > 0;
	b->refused += left == 0;
	return left;
}

void search_budget_spend(struct search_budget *b, uint64_t key, uint64_t n, enum search_end end,
			 uint64_t now)
{
	size_t i = key % SEARCH_REMEMBERED;

	b->left -= MIN(b->left, n);
	b->refused += end == SEARCH_CUT;
	if (end == SEARCH_FOUND)
		return;
	b->in_vain[i].key = key;
	b->in_vain[i].until = now + SEARCH_AGAIN_NS;
}
