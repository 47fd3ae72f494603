/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of values that a file from elsewhere can make as large as it likes. */
#pragma once

#include <stdint.h>

/* a + b, or the end of the range that it would pass. */
static inline int64_t saturating_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}
