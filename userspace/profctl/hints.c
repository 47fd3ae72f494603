/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/hints.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
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

static void print_remedy(FILE *f, const struct unnamed *u, const char *package)
{
	const struct jit_runtime *jit = jit_runtime_of(u->path);

	if (strcmp(u->why, "jit_without_map") == 0) {
		fputs(jit && jit->advice[0] ? jit->advice : "it has no way to tell its names", f);
	} else if (strcmp(u->why, "stripped") == 0) {
		if (package)
			print_package(f, package);
		if (strcmp(u->build_id, "-") != 0)
			fprintf(f, "%sset debuginfod_urls in profd.conf", package ? ", or " : "");
		else if (!package)
			fputs("build it with symbols", f);
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

static void print_all(FILE *f, const struct list *list, char *const *packages)
{
	fputs("\nFrames without a name, and what would give them one:\n", f);
	for (size_t i = 0; i < list->n; i++) {
		const struct unnamed *u = &list->items[i];

		fputs("  ", f);
		text_print(f, u->path, SIZE_MAX);
		fprintf(f, ": %" PRIu64 " frames, ", u->frames);
		text_print(f, u->why, SIZE_MAX);
		fputs("\n    ", f);
		print_remedy(f, u, packages[i]);
		fputc('\n', f);
	}
}

int hints_print(FILE *f, char *text, const char *packages)
{
	const char *paths[HINTS_MAX];
	char *names[HINTS_MAX] = {};
	struct list list = {};
	int r = read_text(text, &list);

	for (size_t i = 0; i < list.n; i++)
		paths[i] = list.items[i].path;
	if (r == 0 && list.n > 0) {
		r = packages_find(packages, paths, list.n, names);
		if (r != -ENOMEM) { /* a system without dpkg has other remedies */
			print_all(f, &list, names);
			r = 0;
		}
	}
	for (size_t i = 0; i < list.n; i++)
		free(names[i]);
	free(list.items);
	return r;
}
