/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exceptions SECONDS: thrown through five frames and caught, nothing but that. Most of the time
 * goes to the C++ runtime and the unwinder of libgcc.
 *
 * exceptions 0 step: stops itself, then throws once through three frames, for who steps through it.
 */
#include <csignal>
#include <cstring>

#include "frames.h"

struct guard {
	~guard()
	{
		NOT_A_TAIL_CALL;
	}
};

extern "C" NAMED void throw_deep(int depth)
{
	guard g;

	if (depth == 0)
		throw depth;
	throw_deep(depth - 1);
	NOT_A_TAIL_CALL;
}

extern "C" NAMED int catch_one(int depth)
{
	try {
		throw_deep(depth);
	} catch (int x) {
		return x;
	}
	return 1;
}

int main(int argc, char **argv)
{
	int x = 0;

	run_for(argc, argv);
	if (!strcmp(mode_argument(argc, argv), "step")) {
		/* Once before, so that nothing is bound or allocated for the first time. */
		x = catch_one(2);
		raise(SIGSTOP);
		return x + catch_one(2);
	}
	while (!is_over())
		for (int i = 0; i < 100; i++)
			x += catch_one(4);
	return x == 1;
}
