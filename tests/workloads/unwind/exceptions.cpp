/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exceptions SECONDS: thrown through five frames and caught, nothing but that. Most of the time
 * goes to the C++ runtime and the unwinder of libgcc.
 */
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

extern "C" NAMED int catch_one()
{
	try {
		throw_deep(4);
	} catch (int x) {
		return x;
	}
	return 1;
}

int main(int argc, char **argv)
{
	int x = 0;

	run_for(argc, argv);
	while (!is_over())
		for (int i = 0; i < 100; i++)
			x += catch_one();
	return x == 1;
}
