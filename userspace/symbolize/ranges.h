/* SPDX-License-Identifier: Apache-2.0 */
/* Stretches of addresses that do not overlap, laid over each other as code is made and made anew.
 */
#pragma once

#include <stdint.h>

struct range {
	uint64_t start, end; /* start < end */
	uint32_t value;
};

/* By rising address, not overlapping. Zeroed is empty. */
struct ranges {
	struct range *list;
	uint32_t n;
};

/*
 * Lays @n ranges over those that are there. They come in the order of time and may overlap: where
 * they do the last one is seen, of the others what it leaves. -ENOMEM, and nothing was changed.
 */
int ranges_add(struct ranges *r, const struct range *newer, uint32_t n);
/* The one that covers @address; NULL if none does. */
const struct range *ranges_find(const struct ranges *r, uint64_t address);
void ranges_done(struct ranges *r);
