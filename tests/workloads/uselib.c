/* SPDX-License-Identifier: Apache-2.0 */
/* uselib SECONDS: main -> call_library -> library_work -> library_inner, the last two in
 * libburn.so. */
#include "burn.h"
#include "library.h"

void call_library(double seconds);

NAMED void call_library(double seconds)
{
	library_work(seconds);
	NOT_A_TAIL_CALL;
}

int main(int argc, char **argv)
{
	call_library(seconds_argument(argc, argv, 1, 5));
	print_usage();
	return 0;
}
