/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugins SECONDS FIRST SECOND: loads the two libraries in turns, calls plugin_run() and unloads
 * them; they come to lie at the same address.
 */
#include <dlfcn.h>

#include "frames.h"

void use_plugin(const char *path);

NAMED void use_plugin(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	union {
		void *object;
		void (*function)(unsigned int);
	} entry = { library ? dlsym(library, "plugin_run") : NULL };

	if (!entry.object)
		exit(3);
	entry.function(UNIT);
	dlclose(library);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	run_for(argc, argv);
	while (!is_over()) {
		use_plugin(argv[2]);
		use_plugin(argv[3]);
	}
	return 0;
}
