/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"

#define RUN 16 /* ranges that are put in order without allocating */

/* Appends what of @old lies in [from, to); @i is the first that may. */
static uint32_t copy_visible(const struct range *old, uint32_t n_old, uint32_t *i, uint64_t from,
			     uint64_t to, struct range *out, uint32_t n)
{
	for (; *i < n_old && old[*i].start < to; (*i)++) {
		struct range e = old[*i];

		e.start = MAX(e.start, from);
		e.end = MIN(e.end, to);
		if (e.start < e.end)
			out[n++] = e;
		if (old[*i].end > to)
			break;
	}
	return n;
}

/* Lays @new over @old. @out has room for n_old + 2 * n_new: each new one cuts one old in two. */
static uint32_t overlay(const struct range *old, uint32_t n_old, const struct range *new,
			uint32_t n_new, struct range *out)
{
	uint64_t from = 0;
	uint32_t i = 0, n = 0;

	for (uint32_t j = 0; j < n_new; j++) {
		n = copy_visible(old, n_old, &i, from, new[j].start, out, n);
		out[n++] = new[j];
		from = new[j].end;
	}
	return copy_visible(old, n_old, &i, from, UINT64_MAX, out, n);
}

static int overlay_new(const struct ranges *old, const struct ranges *new, struct ranges *ret)
{
	struct range *list = calloc((size_t)old->n + 2 * (size_t) new->n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	ret->list = list;
	ret->n = overlay(old->list, old->n, new->list, new->n, list);
	return 0;
}

static int resolve_run(const struct range *lines, uint32_t n, struct ranges *ret)
{
	struct range buffers[2][2 * RUN + 1];
	uint32_t used = 0;

	for (uint32_t i = 0; i < n; i++)
		used = overlay(buffers[i & 1], used, &lines[i], 1, buffers[~i & 1]);
	ret->list = calloc(used + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	memcpy(ret->list, buffers[n & 1], used * sizeof(*ret->list));
	ret->n = used;
	return 0;
}

void ranges_done(struct ranges *r)
{
	free(r->list);
	*r = (struct ranges){};
}

/* Ranges in the order of time to those that are seen; recursion is as deep as log2(n / RUN). */
static int resolve(const struct range *lines, uint32_t n, struct ranges *ret)
{
	_cleanup_(ranges_done)
	struct ranges first = {}, second = {};
	uint32_t half = n / 2;
	int r;

	if (n <= RUN)
		return resolve_run(lines, n, ret);
	r = resolve(lines, half, &first);
	if (r == 0)
		r = resolve(lines + half, n - half, &second);
	return r < 0 ? r : overlay_new(&first, &second, ret);
}

int ranges_add(struct ranges *r, const struct range *newer, uint32_t n)
{
	_cleanup_(ranges_done)
	struct ranges fresh = {};
	struct ranges all = {};
	struct range *smaller;
	int error;

	if (n == 0)
		return 0;
	error = resolve(newer, n, &fresh);
	if (error == 0)
		error = overlay_new(r, &fresh, &all);
	if (error < 0)
		return error;
	ranges_done(r);
	smaller = reallocarray(all.list, all.n + 1, sizeof(*all.list));
	r->list = smaller ? smaller : all.list;
	r->n = all.n;
	return 0;
}

const struct range *ranges_find(const struct ranges *r, uint64_t address)
{
	uint32_t n = SEARCH(r->n, i, r->list[i].start <= address);

	return n > 0 && address < r->list[n - 1].end ? &r->list[n - 1] : NULL;
}
