/* SPDX-License-Identifier: Apache-2.0 */
/* A library of plugins; NAME() and EXTRA differ, so that one's rules do not fit the other. */
#include "burn.h"

#define JOIN2(a, b) a##b
#define JOIN(a, b)  JOIN2(a, b)

void JOIN(NAME, _leaf)(unsigned int rounds), JOIN(NAME, _middle)(unsigned int rounds),
	plugin_run(unsigned int rounds);

NAMED void JOIN(NAME, _leaf)(unsigned int rounds)
{
	burn(rounds);
}

NAMED void JOIN(NAME, _middle)(unsigned int rounds)
{
	volatile char frame[EXTRA];

	frame[0] = 1;
	frame[EXTRA - 1] = frame[0];
	JOIN(NAME, _leaf)(rounds * (unsigned int)frame[EXTRA - 1]);
	NOT_A_TAIL_CALL;
}

void plugin_run(unsigned int rounds)
{
	JOIN(NAME, _middle)(rounds);
	NOT_A_TAIL_CALL;
}
