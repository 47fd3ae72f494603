/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As pprof's -top, functions of the same name are one row whatever file they are from. The hash is
 * interning again: row i is the name or process with id i + 1.
 */
#include "profile/report.h"

#include <errno.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "profile/pprof.h"
#include "profile/saturate.h"

DEFINE_CLEANUP(struct intern *, intern_free);

#define NO_ROW UINT32_MAX

struct top {
	const struct pprof_profile *profile;
	struct report_row *rows;
	uint32_t n_rows;
	uint32_t *row_of_function;
	uint32_t *seen;	      /* by row: the last sample it was counted for, + 1 */
	uint32_t unknown_row; /* frames without a function */
	bool *dropped;	      /* by function; NULL = none is */
};

static void top_done(struct top *t)
{
	free(t->rows);
	free(t->row_of_function);
	free(t->seen);
	free(t->dropped);
}

/* Rows by name, one more for frames that have none. */
static int top_init(struct top *t, const struct pprof_profile *p)
{
	_cleanup_(intern_freep)
	struct intern *names = intern_new();
	size_t most = (size_t)p->n_functions + 1;

	t->profile = p;
	t->rows = calloc(most, sizeof(*t->rows));
	t->seen = calloc(most, sizeof(*t->seen));
	t->row_of_function = calloc(most, sizeof(*t->row_of_function));
	if (!names || !t->rows || !t->seen || !t->row_of_function)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_functions; i++) {
		uint32_t id = intern_string(names, p->functions[i].name);

		if (id == 0)
			return -ENOMEM;
		t->rows[id - 1].name = p->functions[i].name;
		t->row_of_function[i] = id - 1;
	}
	t->unknown_row = intern_count(names);
	t->rows[t->unknown_row].name = "<unknown>";
	t->n_rows = t->unknown_row + 1;
	return 0;
}

static void count_row(struct top *t, uint32_t row, uint32_t sample, int64_t value)
{
	if (t->seen[row] == sample + 1)
		return;
	t->seen[row] = sample + 1;
	t->rows[row].cumulative = saturating_add(t->rows[row].cumulative, value);
}

DEFINE_CLEANUP(regex_t *, regfree);

static int find_dropped(struct top *t, const char *drop_frames)
{
	_cleanup_free_ char *pattern = NULL;
	regex_t regex;
	_cleanup_(regfreep)
	regex_t *r = NULL;

	if (asprintf(&pattern, "^(%s)$", drop_frames) < 0)
		return -ENOMEM;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return -EINVAL;
	r = &regex;
	t->dropped = calloc((size_t)t->profile->n_functions + 1, sizeof(*t->dropped));
	if (!t->dropped)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->profile->n_functions; i++)
		t->dropped[i] = regexec(r, t->profile->functions[i].name, 0, NULL, 0) == 0;
	return 0;
}

/* A sample on its way from the outermost frame inwards. */
struct descent {
	uint32_t sample;
	int64_t value;
	uint32_t leaf; /* a row: the last one */
	bool called;   /* there was a frame that is not to be dropped */
};

/* False: from here on frames are dropped. */
static bool count_frame(struct top *t, struct descent *d, uint32_t row, bool dropped)
{
	if (dropped && d->called)
		return false;
	d->called |= !dropped;
	d->leaf = row;
	count_row(t, row, d->sample, d->value);
	return true;
}

static bool count_location(struct top *t, struct descent *d, const struct pprof_location *l)
{
	if (l->n_lines == 0)
		return count_frame(t, d, t->unknown_row, false);
	for (uint32_t j = l->n_lines; j-- > 0;) {
		uint32_t function = l->lines[j].function;
		bool dropped = t->dropped && t->dropped[function];

		if (!count_frame(t, d, t->row_of_function[function], dropped))
			return false;
	}
	return true;
}

static void count_sample(struct top *t, uint32_t index, int64_t value)
{
	const struct pprof_sample *s = &t->profile->samples[index];
	struct descent d = { .sample = index, .value = value, .leaf = NO_ROW };

	for (uint32_t i = s->n_locations; i-- > 0;)
		if (!count_location(t, &d, &t->profile->locations[s->locations[i]]))
			break;
	if (d.leaf != NO_ROW)
		t->rows[d.leaf].flat = saturating_add(t->rows[d.leaf].flat, value);
}

static int compare_values(int64_t a, int64_t b)
{
	return (a < b) - (a > b);
}

static int by_flat(const void *a, const void *b)
{
	const struct report_row *x = a, *y = b;
	int r = compare_values(x->flat, y->flat);

	if (r == 0)
		r = compare_values(x->cumulative, y->cumulative);
	return r ? r : strcmp(x->name, y->name);
}

static int by_cumulative_value(const void *a, const void *b)
{
	const struct report_row *x = a, *y = b;
	int r = compare_values(x->cumulative, y->cumulative);

	if (r == 0)
		r = compare_values(x->flat, y->flat);
	return r ? r : strcmp(x->name, y->name);
}

/* Functions that no sample has gone through are left out. */
static size_t drop_unused_rows(struct top *t)
{
	size_t n = 0;

	for (uint32_t i = 0; i < t->n_rows; i++)
		if (t->seen[i])
			t->rows[n++] = t->rows[i];
	return n;
}

DEFINE_CLEANUP(struct top *, top_done);

int report_top(const struct pprof_profile *p, uint32_t column, const char *drop_frames,
	       int by_cumulative, struct report_row **ret_rows, size_t *ret_n, int64_t *ret_total)
{
	struct top top = {};
	_cleanup_(top_donep)
	struct top *t = &top;
	int64_t total = 0;
	int r;

	if (column >= p->n_types)
		return -EINVAL;
	r = top_init(t, p);
	if (r == 0 && drop_frames)
		r = find_dropped(t, drop_frames);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < p->n_samples; i++) {
		count_sample(t, i, p->samples[i].values[column]);
		total = saturating_add(total, p->samples[i].values[column]);
	}
	*ret_n = drop_unused_rows(t);
	qsort(t->rows, *ret_n, sizeof(*t->rows), by_cumulative ? by_cumulative_value : by_flat);
	*ret_rows = TAKE_PTR(t->rows);
	*ret_total = total;
	return 0;
}

static struct report_process process_of(const struct pprof_sample *s)
{
	struct report_process p = {};

	for (uint32_t i = 0; i < s->n_labels; i++) {
		const struct pprof_label *l = &s->labels[i];

		if (!l->string && strcmp(l->key, "pid") == 0)
			p.pid = l->number;
		else if (l->string && strcmp(l->key, "comm") == 0)
			p.comm = l->string;
		else if (l->string && strcmp(l->key, "unit") == 0)
			p.unit = l->string;
		else if (l->string && strcmp(l->key, "container") == 0)
			p.container = l->string;
	}
	return p;
}

static int by_value(const void *a, const void *b)
{
	const struct report_process *x = a, *y = b;
	int r = compare_values(x->value, y->value);

	return r ? r : (x->pid > y->pid) - (x->pid < y->pid);
}

/* A process that went from one program to another by exec is a row for each. */
static uint32_t process_id(struct intern *strings, struct intern *processes,
			   const struct report_process *p)
{
	struct {
		int64_t pid;
		uint64_t comm;
	} key = {
		.pid = p->pid,
		.comm = intern_string(strings, p->comm ? p->comm : ""),
	};

	return key.comm ? intern_bytes(processes, &key, sizeof(key)) : 0;
}

int report_processes(const struct pprof_profile *p, uint32_t column, struct report_process **ret,
		     size_t *ret_n)
{
	_cleanup_(intern_freep)
	struct intern *strings = intern_new();
	_cleanup_(intern_freep)
	struct intern *processes = intern_new();
	_cleanup_free_ struct report_process *rows = NULL;
	uint32_t n = 0;

	if (column >= p->n_types)
		return -EINVAL;
	rows = calloc((size_t)p->n_samples + 1, sizeof(*rows));
	if (!strings || !processes || !rows)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->n_samples; i++) {
		struct report_process row = process_of(&p->samples[i]);
		uint32_t id = process_id(strings, processes, &row);

		if (id == 0)
			return -ENOMEM;
		if (id > n) {
			rows[id - 1] = row;
			n = id;
		}
		rows[id - 1].value =
			saturating_add(rows[id - 1].value, p->samples[i].values[column]);
	}
	qsort(rows, n, sizeof(*rows), by_value);
	*ret = TAKE_PTR(rows);
	*ret_n = n;
	return 0;
}
