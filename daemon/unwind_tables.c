/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind_tables.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "process/executable.h"
#include "symbolize/executable_names.h"
#include "symbolize/jit_programs.h"

static int count_one(const struct table_info *info, void *userdata)
{
	uint64_t *counts = userdata;

	counts[info->state]++;
	return 0;
}

void unwind_tables_count(const struct table_manager *m, uint64_t ret[static TABLE_STATES_COUNT])
{
	memset(ret, 0, TABLE_STATES_COUNT * sizeof(*ret));
	table_manager_each(m, count_one, ret);
}

struct list {
	struct unwind_table_line *lines;
	size_t n, allocated;
};

static int add(struct list *list, const struct unwind_table_line *line)
{
	if (list->n == list->allocated) {
		size_t n = list->allocated ? list->allocated * 2 : 512;
		struct unwind_table_line *lines = reallocarray(list->lines, n, sizeof(*lines));

		if (!lines)
			return -ENOMEM;
		list->lines = lines;
		list->allocated = n;
	}
	list->lines[list->n++] = *line;
	return 0;
}

static int add_known(const struct table_info *info, void *userdata)
{
	static const char *const states[] = {
#define X(name, help) #name,
		TABLE_STATES(X)
#undef X
	};
	static const char *const sources[] = {
		[TABLE_FROM_NOWHERE] = "-",
		[TABLE_FROM_CACHE] = "cache",
		[TABLE_FROM_FILE] = "file",
	};

	return add(userdata, &(struct unwind_table_line){
				     .executable = info->executable,
				     .state = states[info->state],
				     .source = sources[info->source],
				     .rows = info->state == TABLE_loaded ? info->rows : 0,
				     .error = info->state == TABLE_refused ? info->error : 0,
			     });
}

static int by_executable(const void *a, const void *b)
{
	const struct executable *x = ((const struct unwind_table_line *)a)->executable;
	const struct executable *y = ((const struct unwind_table_line *)b)->executable;

	return x < y ? -1 : x > y;
}

struct others {
	struct list known, more;
};

/* Those that the manager does not know. */
static int add_other(struct executable *x, void *userdata)
{
	struct others *o = userdata;
	const struct unwind_table_line key = { .executable = x };

	if (o->known.n && bsearch(&key, o->known.lines, o->known.n, sizeof(key), by_executable))
		return 0;
	return add(&o->more, &(struct unwind_table_line){
				     .executable = x,
				     .state = x->readable ? "none" : "unreadable",
				     .source = "-",
				     .error = x->readable ? 0 : -ENOENT,
			     });
}

static int by_rows(const void *a, const void *b)
{
	const struct unwind_table_line *x = a, *y = b;

	if (x->rows != y->rows)
		return x->rows < y->rows ? 1 : -1;
	return strcmp(x->executable->path, y->executable->path);
}

int unwind_tables_list(const struct table_manager *m, struct executable_table *executables,
		       struct unwind_table_line **ret, size_t *ret_n)
{
	struct others o = { 0 };
	int r = table_manager_each(m, add_known, &o.known);

	if (r == 0) {
		if (o.known.n)
			qsort(o.known.lines, o.known.n, sizeof(*o.known.lines), by_executable);
		r = executable_table_each(executables, add_other, &o);
	}
	for (size_t i = 0; r == 0 && i < o.more.n; i++)
		r = add(&o.known, &o.more.lines[i]);
	free(o.more.lines);
	if (r < 0) {
		free(o.known.lines);
		return r;
	}
	if (o.known.n)
		qsort(o.known.lines, o.known.n, sizeof(*o.known.lines), by_rows);
	*ret = o.known.lines;
	*ret_n = o.known.n;
	return 0;
}

const char *unwind_tables_error(int error)
{
	static const struct {
		int error;
		const char *text;
	} words[] = {
		{ 0, "-" },
		{ -ENOENT, "the file cannot be opened" },
		{ -ESTALE, "the file is another one now" },
		{ -ENOEXEC, "the file is no ELF file of this machine" },
		{ -EBADMSG, "the file is damaged" },
		{ -ENODATA, "the file is damaged" },
		{ -ENOTSUP, "the file has a form that is not supported" },
		{ -EFBIG, "the file is too large" },
		{ -ENOSPC, "there is no room in the kernel" },
		{ -ENOMEM, "out of memory" },
		{ -ECHILD, "the parser crashed" },
		{ -ETIME, "the parser took too long" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].error == error)
			return words[i].text;
	return strerror(-error);
}

/* Where names came from, frames that have none, and why. */
static void print_names(const struct executable *x, FILE *f)
{
	struct executable_names_status status;
	const char *why;

	executable_names_status(x, &status);
	why = unnamed_reason_name(status.why);
	fprintf(f, "%s\t%" PRIu64 "\t%s\t", elf_symbols_source_name(status.source), status.unnamed,
		why ? why : "-");
}

static void print_path(const char *path, FILE *f)
{
	for (; *path; path++)
		fputc(iscntrl((unsigned char)*path) ? '?' : *path, f);
	fputc('\n', f);
}

void unwind_tables_print(const struct unwind_table_line *lines, size_t n, FILE *f)
{
	fputs("state\tsource\trows\tbytes\terror\tnames\tunnamed\twhy\tbuild_id\tpath\n", f);
	for (size_t i = 0; i < n; i++) {
		const struct executable *x = lines[i].executable;

		fprintf(f, "%s\t%s\t%" PRIu32 "\t%zu\t%s\t", lines[i].state, lines[i].source,
			lines[i].rows, lines[i].rows * sizeof(struct unwind_row),
			unwind_tables_error(lines[i].error));
		print_names(x, f);
		for (size_t k = 0; k < x->build_id_size; k++)
			fprintf(f, "%02x", x->build_id[k]);
		fputs(x->build_id_size ? "\t" : "-\t", f);
		print_path(x->path, f);
	}
}

void unwind_tables_print_jit(const struct jit_programs *programs, FILE *f)
{
	for (size_t i = 0; i < programs->n; i++) {
		fprintf(f, "-\t-\t0\t0\t-\t-\t%" PRIu64 "\t%s\t-\t", programs->list[i].frames,
			unnamed_reason_name(UNNAMED_jit_without_map));
		print_path(programs->list[i].path, f);
	}
}
