/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much may be searched for files that were not found where they should be: a machine that
 * builds software, or somebody hostile, has such files without end. What was searched for in vain
 * is not searched for again for a while, and all searches together look at so many things a second.
 *
 * How it can be wrong: what would be found by now is not for SEARCH_AGAIN_NS; nor is, for as long,
 * something else of the same key.
 */
#pragma once

#include <stdint.h>

#include "base/clock.h"

#define SEARCH_AGAIN_NS	  (10 * NS_PER_S)
#define SEARCH_PER_SECOND 250000 /* things; of 1 % of a CPU's time, as mappings are compared */
#define SEARCH_AT_ONCE	  (2 * SEARCH_PER_SECOND)
#define SEARCH_REMEMBERED 256

struct search_budget {
	uint64_t left;	/* things */
	uint64_t since; /* time that left is of; 0 = nothing was searched for yet */
	struct {
		uint64_t key, until;
	} in_vain[SEARCH_REMEMBERED];
	uint64_t searches, refused; /* refused: also those that were cut off */
};

/*
 * How many things may be looked at in search of what @key is a hash of; 0 = none, it is refused.
 * @now: monotonic ns.
 */
uint64_t search_budget_ask(struct search_budget *b, uint64_t key, uint64_t now);

enum search_end { SEARCH_FOUND, SEARCH_IN_VAIN, SEARCH_CUT };

/* Such a search is over and has looked at @n things. */
void search_budget_spend(struct search_budget *b, uint64_t key, uint64_t n, enum search_end end,
			 uint64_t now);
