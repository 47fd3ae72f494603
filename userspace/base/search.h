/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up in sorted arrays. */
#pragma once

#include <stddef.h>

/*
 * How many of @n things, sorted, come before what is looked for: those for whose index @i the
 * expression @is_before is true, which must be the first ones. A size_t; it is also where the first
 * of the others is. With `<` in the expression these are what is equal or later, with `<=` what is
 * later.
 */
#define SEARCH(n, i, is_before)                                                                    \
	({                                                                                         \
		size_t _low = 0, _high = (n);                                                      \
                                                                                                   \
		while (_low < _high) {                                                             \
			size_t i = _low + (_high - _low) / 2;                                      \
                                                                                                   \
			if (is_before)                                                             \
				_low = i + 1;                                                      \
			else                                                                       \
				_high = i;                                                         \
		}                                                                                  \
		_low;                                                                              \
	})
