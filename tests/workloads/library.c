/* SPDX-License-Identifier: Apache-2.0 */
/* libburn.so: library_work is exported, library_inner is only in .symtab. */
#include "library.h"

#include "burn.h"

static NAMED void library_inner(void)
{
	burn(2000000);
}

NAMED void library_work(double seconds)
{
	double end = now_seconds() + seconds;

	while (now_seconds() < end) {
		library_inner();
		NOT_A_TAIL_CALL;
	}
}
