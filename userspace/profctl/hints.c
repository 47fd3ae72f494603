/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/hints.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "elf/elf_file.h"
#include "profctl/packages.h"
#include "profctl/text.h"
#include "symbolize/jit_runtime.h"

struct unnamed {
	uint64_t frames;
	const char *why, *path, *build_id; /* in the text */
};

struct list {
	struct unnamed *items;
	size_t n, allocated;
};

enum column { UNNAMED, WHY, BUILD_ID, PATH, COLUMNS };

/* Where the columns are, by the first line; false if one is not there. */
static bool find_columns(char *header, int at[COLUMNS])
{
	static const char *const names[COLUMNS] = { "unnamed", "why", "build_id", "path" };
	size_t found = 0;
	char *name;

	for (int i = 0; (name = strsep(&header, "\t")); i++)
		for (int c = 0; c < COLUMNS; c++)
			if (strcmp(name, names[c]) == 0) {
				at[c] = i;
				found++;
			}
	return found == COLUMNS;
}

static bool read_line(char *line, const int at[COLUMNS], struct unnamed *ret)
{
	const char *fields[COLUMNS] = {};
	char *field;

	for (int i = 0; (field = strsep(&line, "\t")); i++)
		for (int c = 0; c < COLUMNS; c++)
			if (at[c] == i)
				fields[c] = field;
	if (!fields[PATH] || !fields[UNNAMED] || !fields[WHY] || !fields[BUILD_ID])
		return false;
	*ret = (struct unnamed){
		.frames = strtoull(fields[UNNAMED], NULL, 10),
		.why = fields[WHY],
		.path = fields[PATH],
		.build_id = fields[BUILD_ID],
	};
	return ret->frames > 0;
}

static int add(struct list *list, const struct unnamed *u)
{
	if (list->n == list->allocated) {
		size_t n = list->allocated ? list->allocated * 2 : 64;
		struct unnamed *items = reallocarray(list->items, n, sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->allocated = n;
	}
	list->items[list->n++] = *u;
	return 0;
}

static int most_first(const void *a, const void *b)
{
	const struct unnamed *x = a, *y = b;

	if (x->frames != y->frames)
		return x->frames < y->frames ? 1 : -1;
	return strcmp(x->path, y->path);
}

static int read_text(char *text, struct list *ret)
{
	char *line = strsep(&text, "\n");
	int at[COLUMNS], r = 0;
	struct unnamed u;

	if (!line || !find_columns(line, at))
		return 0;
	while (r == 0 && (line = strsep(&text, "\n")))
		if (read_line(line, at, &u))
			r = add(ret, &u);
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), most_first);
	ret->n = MIN(ret->n, (size_t)HINTS_MAX);
	return r;
}

/*
 * Debian's debug files are in PACKAGE-dbgsym, but for sources that have made packages of their own
 * for it since before: of the C library and of binutils PACKAGE-dbg, of OpenJDK one for all.
 */
static void print_package(FILE *f, const char *package)
{
	static const char *const older[] = { "libc6",	    "binutils-", "libbinutils",
					     "libgprofng0", "libctf0",	 "libctf-nobfd0" };
	static const char openjdk[] = "openjdk-";
	size_t n = strlen(openjdk);
	const char *suffix = "dbgsym";

	if (strncmp(package, openjdk, n) == 0) {
		n += strspn(package + n, "0123456789");
		fprintf(f, "install %.*s-dbg", (int)n, package);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(older); i++)
		if (strncmp(package, older[i], strlen(older[i])) == 0)
			suffix = "dbg";
	fprintf(f, "install %s-%s", package, suffix);
}

static bool has_build_id(const struct unnamed *u)
{
	return strcmp(u->build_id, "-") != 0;
}

/*
 * Whether this machine's file of that path has another build id: what runs is a version that has
 * been upgraded since, or the file of a container. The path comes from a program, so nothing but a
 * regular file is read, and of that no more than the daemon reads itself.
 */
static bool is_another(const char *root, const struct unnamed *u)
{
	char path[PATH_MAX], build_id[2 * ELF_BUILD_ID_MAX + 1] = "";
	_cleanup_close_ int fd = -1;
	struct elf_file elf;
	struct stat st;

	if (!has_build_id(u) ||
	    snprintf(path, sizeof(path), "%s%s", root, u->path) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || elf_file_read(fd, &elf) < 0)
		return false;
	for (size_t i = 0; i < elf.build_id_size; i++)
		snprintf(build_id + 2 * i, 3, "%02x", elf.build_id[i]);
	return strcmp(build_id, u->build_id) != 0;
}

static void print_symbols(FILE *f, const struct unnamed *u, const char *package,
			  const struct hints_machine *machine)
{
	if (package && is_another(machine->root, u))
		fputs("restart it if it was upgraded; in a container, install its debug package "
		      "there",
		      f);
	else if (package)
		print_package(f, package);
	else if (has_build_id(u))
		fputs("build it with symbols, or put its debug file into /usr/lib/debug/.build-id",
		      f);
	else
		fputs("build it with symbols", f);
	if (has_build_id(u))
		fputs(machine->has_debuginfod ? "; debuginfod has none yet"
					      : ", or set debuginfod_urls in profd.conf",
		      f);
}

static void print_remedy(FILE *f, const struct unnamed *u, const char *package,
			 const struct hints_machine *machine)
{
	const struct jit_runtime *jit = jit_runtime_of(u->path);

	if (strcmp(u->why, "jit_without_map") == 0) {
		fputs(jit && jit->advice[0] ? jit->advice : "it has no way to tell its names", f);
	} else if (strcmp(u->why, "stripped") == 0) {
		print_symbols(f, u, package, machine);
	} else if (strcmp(u->why, "gone") == 0 || strcmp(u->why, "no_file") == 0) {
		fputs("start the program again while profd runs", f);
	} else if (strcmp(u->why, "late") == 0) {
		fputs("nothing: the next profile has the names", f);
	} else if (strcmp(u->why, "no_symbol") == 0) {
		fputs("nothing: it is code that has no symbol", f);
	} else {
		fputs("nothing: its symbols cannot be read", f);
	}
}

static void print_all(FILE *f, const struct list *list, char *const *packages,
		      const struct hints_machine *machine)
{
	fputs("\nFrames without a name, and what would give them one:\n", f);
	for (size_t i = 0; i < list->n; i++) {
		const struct unnamed *u = &list->items[i];

		fputs("  ", f);
		text_print(f, u->path, SIZE_MAX);
		fprintf(f, ": %" PRIu64 " frames, ", u->frames);
		text_print(f, u->why, SIZE_MAX);
		fputs("\n    ", f);
		print_remedy(f, u, packages[i], machine);
		fputc('\n', f);
	}
}

int hints_print(FILE *f, char *text, const struct hints_machine *machine)
{
	const char *paths[HINTS_MAX];
	char *names[HINTS_MAX] = {};
	struct list list = {};
	int r = read_text(text, &list);

	for (size_t i = 0; i < list.n; i++)
		paths[i] = list.items[i].path;
	if (r == 0 && list.n > 0) {
		r = packages_find(machine->packages, paths, list.n, names);
		if (r != -ENOMEM) { /* a system without dpkg has other remedies */
			print_all(f, &list, names, machine);
			r = 0;
		}
	}
	for (size_t i = 0; i < list.n; i++)
		free(names[i]);
	free(list.items);
	return r;
}
