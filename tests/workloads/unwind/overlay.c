/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay SECONDS FIRST SECOND: maps the text of two libraries in turns at one address, each over
 * the other, now and then writable first, and calls plugin_run() there.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "frames.h"

#define PAGE 4096UL

struct library {
	int fd;
	unsigned long offset; /* of plugin_run() in the file; the linker's default: its address */
};

void use_overlay(const struct library *library, char *at, int writable);

static struct library library_of(const char *path)
{
	void *loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *function = loaded ? dlsym(loaded, "plugin_run") : NULL;
	struct library library = { .fd = open(path, O_RDONLY) };
	Dl_info info;

	if (library.fd < 0 || !function || !dladdr(function, &info))
		exit(3);
	library.offset = (unsigned long)function - (unsigned long)info.dli_fbase;
	return library;
}

NAMED void use_overlay(const struct library *library, char *at, int writable)
{
	unsigned long page = library->offset & ~(PAGE - 1);
	union {
		void *object;
		void (*function)(unsigned int);
	} entry;

	if (mmap(at, PAGE, writable ? PROT_READ | PROT_WRITE : PROT_READ | PROT_EXEC,
		 MAP_PRIVATE | MAP_FIXED, library->fd, (off_t)page) == MAP_FAILED)
		exit(3);
	if (writable) {
		*(volatile char *)at = *at;
		mprotect(at, PAGE, PROT_READ | PROT_EXEC);
	}
	entry.object = at + (library->offset - page);
	entry.function(UNIT);
	NOT_A_TAIL_CALL;
}

int main(int argc, char **argv)
{
	struct library both[2];
	char *at;

	if (argc != 4)
		return 2;
	run_for(argc, argv);
	both[0] = library_of(argv[2]);
	both[1] = library_of(argv[3]);
	at = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; !is_over(); i++)
		use_overlay(&both[i % 2], at, i % 3 == 0);
	return 0;
}
