/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table_manager.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/executable.h"
#include "unwind/table_manager_object.h"

#define DEFAULT_RETRY_NS (600 * NS_PER_S)
/* Where there was no room: the store gives up tables that were not used for such a time. */
#define NO_ROOM_RETRY_NS (10 * NS_PER_S)
/*
 * Files with a worker at one time: one that it works on and one that it finds when it has done.
 * More would be in the way of those that are awaited.
 */
#define MAX_RUNNING 2

static void evicted(void *userdata, void *owner)
{
	struct table_entry *e = owner;

	(void)userdata;
	e->stored = NULL;
	e->state = TABLE_evicted;
}

int table_manager_new(const struct table_manager_options *o, struct table_manager **ret)
{
	struct table_manager *m = calloc(1, sizeof(*m));
	struct table_store_options store = o->store;
	int r;

	if (!m)
		return -ENOMEM;
	m->options = *o;
	if (!m->options.retry_ns)
		m->options.retry_ns = DEFAULT_RETRY_NS;
	m->queues[TABLE_AWAITED].worker = o->worker;
	m->queues[TABLE_URGENT].worker = o->worker;
	m->queues[TABLE_BACKGROUND].worker =
		o->background_worker ? o->background_worker : o->worker;
	store.evicted = evicted;
	store.userdata = m;
	r = table_store_new(&store, &m->store);
	if (r < 0) {
		free(m);
		return r;
	}
	*ret = m;
	return 0;
}

static struct table_entry *find(const struct table_manager *m, const struct executable *x)
{
	struct table_entry *e;

	HASH_FIND_PTR(m->entries, &x, e);
	return e;
}

static struct table_entry *entry_new(struct table_manager *m, struct executable *x)
{
	struct table_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->manager = m;
	e->executable = executable_ref(x);
	for (int p = 0; p < TABLE_PRIORITIES; p++)
		e->runs[p] = (struct table_run){ .entry = e, .priority = p };
	HASH_ADD_PTR(m->entries, executable, e);
	return e;
}

static struct table_queue *queue_of(struct table_entry *e)
{
	return &e->manager->queues[e->priority];
}

static bool is_running(const struct table_entry *e)
{
	for (int p = 0; p < TABLE_PRIORITIES; p++) {
		if (e->runs[p].running)
			return true;
	}
	return false;
}

static void unqueue(struct table_entry *e)
{
	if (e->queued)
		DL_DELETE(queue_of(e)->entries, e);
	e->queued = false;
}

void table_entry_enqueue(struct table_entry *e, enum table_priority priority)
{
	if (e->queued && e->priority <= priority)
		return;
	/* One worker does what is awaited and what is urgent: there it is already. */
	if (e->runs[TABLE_AWAITED].running || e->runs[TABLE_URGENT].running ||
	    e->runs[priority].running)
		return;
	unqueue(e);
	e->state = TABLE_waiting;
	e->priority = priority;
	e->queued = true;
	DL_APPEND(queue_of(e)->entries, e);
}

/* Not while the parser works for it: its answer needs the entry. */
static void entry_free(struct table_entry *e)
{
	unqueue(e);
	table_store_remove(e->manager->store, e->stored);
	HASH_DEL(e->manager->entries, e);
	executable_unref(e->executable);
	free(e);
}

struct table_manager *table_manager_free(struct table_manager *m)
{
	struct table_entry *e, *next;

	if (!m)
		return NULL;
	HASH_ITER(hh, m->entries, e, next)
		entry_free(e);
	table_store_free(m->store);
	free(m);
	return NULL;
}

static void bind_all(struct table_entry *e)
{
	for (size_t i = 0; i < e->n_file_ids; i++)
		table_store_bind(e->manager->store, e->stored, e->file_ids[i]);
}

void table_entry_settle(struct table_entry *e, enum table_state state, int error)
{
	struct table_manager *m = e->manager;

	e->state = state;
	e->error = error;
	if (state == TABLE_refused) {
		m->stats.refused++;
		e->retry_at = clock_monotonic_ns() +
			      (error == -ENOSPC ? NO_ROOM_RETRY_NS : m->options.retry_ns);
	}
	bind_all(e);
	if (m->options.settled)
		m->options.settled(m->options.userdata, e->executable);
}

static bool has_file_id(const struct table_entry *e, uint32_t file_id)
{
	for (size_t i = 0; i < e->n_file_ids; i++) {
		if (e->file_ids[i] == file_id)
			return true;
	}
	return false;
}

int table_manager_bind(struct table_manager *m, struct executable *x, uint32_t file_id,
		       enum table_priority priority)
{
	struct table_entry *e = find(m, x);

	if (!e) {
		e = entry_new(m, x);
		if (!e)
			return -ENOMEM;
		table_entry_enqueue(e, priority);
	}
	if (!has_file_id(e, file_id) && e->n_file_ids < TABLE_MAX_FILE_IDS)
		e->file_ids[e->n_file_ids++] = file_id;
	if (e->state == TABLE_evicted || e->state == TABLE_waiting)
		table_entry_enqueue(e, priority);
	if (e->state != TABLE_waiting)
		table_store_bind(m->store, e->stored, file_id);
	return 0;
}

void table_manager_want(struct table_manager *m, struct executable *x)
{
	struct table_entry *e = find(m, x);

	if (!e) {
		e = entry_new(m, x);
		if (!e)
			return;
		e->state = TABLE_evicted;
	}
	if (e->state == TABLE_evicted || e->state == TABLE_waiting)
		table_entry_enqueue(e, TABLE_AWAITED);
}

static bool drop_file_id(struct table_entry *e, uint32_t file_id)
{
	for (size_t i = 0; i < e->n_file_ids; i++) {
		if (e->file_ids[i] == file_id) {
			e->file_ids[i] = e->file_ids[--e->n_file_ids];
			return true;
		}
	}
	return false;
}

void table_manager_forget(struct table_manager *m, const uint32_t *file_ids, size_t n)
{
	struct table_entry *e, *next;

	HASH_ITER(hh, m->entries, e, next) {
		bool dropped = false;

		for (size_t i = 0; i < n; i++)
			dropped |= drop_file_id(e, file_ids[i]);
		if (!e->n_file_ids && !is_running(e) && (dropped || e->state != TABLE_waiting))
			entry_free(e);
	}
}

/* Files that were refused long enough ago get another chance. */
static void retry(struct table_manager *m, uint64_t now)
{
	struct table_entry *e, *next;

	if (now < m->retry_scan_at)
		return;
	m->retry_scan_at = now + MIN(m->options.retry_ns / 10, NO_ROOM_RETRY_NS / 2);
	HASH_ITER(hh, m->entries, e, next) {
		if (e->state == TABLE_refused && now >= e->retry_at)
			table_entry_enqueue(e, TABLE_BACKGROUND);
	}
}

void table_manager_process(struct table_manager *m, uint64_t now)
{
	retry(m, now);
	for (int p = 0; p < TABLE_PRIORITIES; p++) {
		struct table_queue *q = &m->queues[p];

		while (q->entries && q->running < MAX_RUNNING) {
			struct table_entry *e = q->entries;

			unqueue(e);
			table_entry_build(e);
		}
	}
}

bool table_manager_is_awaited(const struct table_manager *m)
{
	for (int p = 0; p < TABLE_BACKGROUND; p++) {
		if (m->queues[p].entries || m->queues[p].running)
			return true;
	}
	return false;
}

struct table_store *table_manager_store(struct table_manager *m)
{
	return m->store;
}

enum table_state table_manager_state(const struct table_manager *m, const struct executable *x)
{
	const struct table_entry *e = find(m, x);

	return e ? e->state : TABLE_evicted;
}

const struct unwind_rule *table_manager_find(const struct table_manager *m,
					     const struct executable *x, uint64_t offset)
{
	const struct table_entry *e = find(m, x);

	return e && e->stored ? table_store_find(m->store, e->stored, offset) : NULL;
}

int table_manager_each(const struct table_manager *m,
		       int (*visit)(const struct table_info *info, void *userdata), void *userdata)
{
	struct table_entry *e, *next;
	int r;

	HASH_ITER(hh, m->entries, e, next) {
		const struct table_info info = {
			.executable = e->executable,
			.state = e->state,
			.source = e->source,
			.rows = e->rows,
			.error = e->error,
		};

		r = visit(&info, userdata);
		if (r)
			return r;
	}
	return 0;
}

void table_manager_get_stats(const struct table_manager *m, struct table_manager_stats *ret)
{
	const struct table_entry *e;
	int waiting = 0;

	*ret = m->stats;
	for (int p = 0; p < TABLE_PRIORITIES; p++) {
		DL_COUNT(m->queues[p].entries, e, waiting);
		ret->waiting += (uint64_t)waiting + m->queues[p].running;
	}
}
