/* SPDX-License-Identifier: Apache-2.0 */
#include "rotation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "log.h"
#include "process/process.h"
#include "profile/pprof.h"
#include "profile/selection.h"
#include "profile/window.h"
#include "store.h"
#include "symbolize/symbolizer.h"

struct rotation {
	struct history *history;
	char *directory;
	struct rotation_policy policy;
	struct rotation_stats stats;
	struct log_cause writing, removing;
};

/* The windows of one file, or of one set of files by process. */
struct batch {
	struct window *const *windows;
	size_t n;
	const struct rotation_source *source;
};

/* A process that is in a batch; borrowed from its windows. */
struct member {
	uint32_t pid;
	uint32_t kinds; /* bits 1 << enum abi_sample_kind that there is something of */
	const char *comm;
};

struct members {
	struct member *list;
	size_t n, allocated;
};

int rotation_new(const char *directory, const struct rotation_policy *policy, struct rotation **ret,
		 struct error *e)
{
	struct rotation *r = calloc(1, sizeof(*r));
	int result;

	if (!r)
		return error_set(e, ENOMEM, "out of memory");
	r->policy = *policy;
	r->directory = strdup(directory);
	result = r->directory ? history_new(directory, &r->history, e)
			      : error_set(e, ENOMEM, "out of memory");
	if (result < 0) {
		rotation_free(r);
		return result;
	}
	*ret = r;
	return 0;
}

struct rotation *rotation_free(struct rotation *r)
{
	if (!r)
		return NULL;
	history_free(r->history);
	free(r->directory);
	free(r);
	return NULL;
}

void rotation_set_policy(struct rotation *r, const struct rotation_policy *policy)
{
	r->policy = *policy;
}

static const struct {
	uint8_t kind;
	const char *name;
} kinds[] = {
	{ ABI_KIND_CPU, "cpu" },
	{ ABI_KIND_BLOCK, "block" },
	{ ABI_KIND_MUTEX, "mutex" },
};

static int write_kind(struct rotation *r, const struct batch *b, const struct selection *selection,
		      const struct member *member, size_t kind)
{
	uint64_t start = window_start(b->windows[0]);
	const struct pprof_options o = {
		.kind = kinds[kind].kind,
		.selection = selection,
		.period = b->source->period,
		.time = (int64_t)start + b->source->wall_offset,
		.duration = (int64_t)(window_end(b->windows[b->n - 1]) - start),
	};
	_cleanup_free_ void *data = NULL;
	size_t size;
	int result;

	result = pprof_encode(b->windows, b->n, &o, b->source->symbolizer, &data, &size, NULL);
	if (result < 0)
		return result;
	return history_write(r->history, o.time, kinds[kind].name, member ? member->comm : NULL,
			     member ? member->pid : 0, data, size);
}

static bool batch_has(const struct batch *b, uint8_t kind)
{
	for (size_t i = 0; i < b->n; i++)
		if (window_has_kind(b->windows[i], kind))
			return true;
	return false;
}

/* What became of the files of a batch. */
struct outcome {
	size_t written, failed;
	int error; /* of the last one that failed; 0 = none did */
};

/* There was no room for the first file: nothing is gained by trying the others, and all can be
 * tried again. */
static bool is_hopeless(const struct outcome *o)
{
	return o->written == 0 && (o->error == -ENOSPC || o->error == -EDQUOT ||
				   o->error == -EROFS || o->error == -EFBIG || o->error == -EIO);
}

/* A file of each kind: of CPU always, of waits if there were any. @member has its kinds. */
static void write_files(struct rotation *r, const struct batch *b,
			const struct selection *selection, const struct member *member,
			struct outcome *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !is_hopeless(o); i++) {
		bool wanted = member ? member->kinds & 1U << kinds[i].kind
				     : kinds[i].kind == ABI_KIND_CPU || batch_has(b, kinds[i].kind);
		int result = wanted ? write_kind(r, b, selection, member, i) : -ENODATA;

		if (result == 0) {
			o->written++;
		} else if (result != -ENODATA) {
			o->failed++;
			o->error = result;
		}
	}
}

static int collect_member(const struct window_entry *entry, void *userdata)
{
	struct members *m = userdata;

	if (m->n == m->allocated) {
		size_t n = m->allocated ? m->allocated * 2 : 64;
		struct member *list = reallocarray(m->list, n, sizeof(*list));

		if (!list)
			return -ENOMEM;
		m->list = list;
		m->allocated = n;
	}
	m->list[m->n++] = (struct member){
		.pid = entry->process->tgid,
		.kinds = 1U << entry->kind,
		.comm = entry->process->comm,
	};
	return 0;
}

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* The processes of a batch. Entries are many and processes few, so it is thinned by window. */
static int collect_members(const struct batch *b, struct members *m)
{
	for (size_t i = 0; i < b->n; i++) {
		size_t kept = 0;
		int result = window_each(b->windows[i], collect_member, m);

		if (result < 0)
			return result;
		if (m->n)
			qsort(m->list, m->n, sizeof(*m->list), compare_members);
		for (size_t k = 0; k < m->n; k++) {
			if (kept == 0 || m->list[kept - 1].pid != m->list[k].pid)
				m->list[kept++] = m->list[k];
			m->list[kept - 1].kinds |= m->list[k].kinds;
		}
		m->n = kept;
	}
	return 0;
}

/* A file of each kind for each pid; two lives of one number share it, their samples carry their own
 * comm. */
static void write_split(struct rotation *r, const struct batch *b, struct outcome *o)
{
	struct members m = { 0 };

	o->error = collect_members(b, &m);
	for (size_t i = 0; i < m.n && !is_hopeless(o); i++) {
		const struct selection s = { .pids = { m.list[i].pid }, .n_pids = 1 };

		write_files(r, b, &s, &m.list[i], o);
	}
	free(m.list);
}

/*
 * If some files can be written and some not, the batch counts as written all the same: to try again
 * would give the first ones twice. Those that are missing are counted as lost.
 */
static int write_batch(struct rotation *r, const struct batch *b, uint64_t now)
{
	struct outcome o = { 0 };

	if (r->policy.split)
		write_split(r, b, &o);
	else
		write_files(r, b, NULL, NULL, &o);
	if (o.error == 0 || o.written > 0) {
		store_mark_written(b->source->store, b->n);
		r->stats.lost += o.failed;
	}
	if (o.error == 0)
		r->stats.last_success = now;
	return o.error;
}

static void report(struct rotation *r, struct log_cause *cause, int result, const char *what,
		   const char *then)
{
	uint64_t times;

	if (result < 0) {
		r->stats.failures++;
		if (log_begins(cause))
			log_error("directory %s: profiles cannot be %s: %s; %s", r->directory, what,
				  strerror(-result), then);
		return;
	}
	times = log_ends(cause);
	if (times)
		log_notice("directory %s: profiles can be %s again, after %llu failures",
			   r->directory, what, (unsigned long long)times);
}

int rotation_run(struct rotation *r, const struct rotation_source *source, uint64_t now)
{
	struct batch b = { .source = source };
	int result = 0, removed;

	b.n = store_unwritten(source->store, &b.windows);
	if (b.n) {
		result = write_batch(r, &b, now);
		symbolizer_trim(source->symbolizer);
		report(r, &r->writing, result, "written",
		       "sampling goes on, the next rotation tries again; free some space, see "
		       "retain_bytes");
	}
	removed = history_retain(r->history, (int64_t)now + source->wall_offset,
				 r->policy.retain_bytes, r->policy.retain_age);
	report(r, &r->removing, removed, "removed", "the next rotation tries again");
	return result < 0 ? result : removed;
}

void rotation_get_stats(const struct rotation *r, struct rotation_stats *ret)
{
	*ret = r->stats;
	history_get_stats(r->history, &ret->history);
}
