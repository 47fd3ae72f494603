/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plt SECONDS [resolve FILE]: calls empty functions of a library through the PLT all the time. With
 * resolve, the library FILE is loaded again and again and resolves its own calls one by one.
 */
#include <dlfcn.h>
#include <string.h>

#include "frames.h"

void empty(void), call_empty(int rounds), load_and_call(const char *path);

NAMED void call_empty(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		empty();
		empty();
		empty();
		empty();
	}
	NOT_A_TAIL_CALL;
}

NAMED void load_and_call(const char *path)
{
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	union {
		void *object;
		void (*function)(void);
	} all = { library ? dlsym(library, "call_all") : NULL };

	if (!all.object)
		exit(3);
	all.function();
	dlclose(library);
}

int main(int argc, char **argv)
{
	run_for(argc, argv);
	while (!is_over()) {
		if (!strcmp(mode_argument(argc, argv), "resolve"))
			load_and_call(argv[3]);
		else
			call_empty(20000);
	}
	return 0;
}
