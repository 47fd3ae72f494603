/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table_manager.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/executable.h"
#include "unwind/debug_candidates.h"
#include "unwind/table.h"
#include "unwind/table_cache.h"
#include "unwind/table_job.h"
#include "unwind/table_store.h"
#include "worker/worker.h"

#define DEFAULT_RETRY_NS (600 * NS_PER_S)
/* Where there was no room: the store gives up tables that were not used for such a time. */
#define NO_ROOM_RETRY_NS (10 * NS_PER_S)
/* Inodes with one content: images that share a program. More than these are unwound too, but not
 * unbound one by one. */
#define MAX_FILE_IDS 64
/* Files with a worker at one time: enough to keep it busy, few descriptors. */
#define MAX_RUNNING 4

enum priority { URGENT, BACKGROUND, PRIORITIES };

struct entry {
	struct table_manager *manager;
	struct executable *executable; /* a reference */
	enum table_state state;
	enum table_source source;
	enum priority priority;
	struct stored_table *stored; /* while it is loaded */
	uint32_t rows;
	int error;
	uint64_t retry_at;
	bool debug_file_failed;	  /* what was found for it was too much for the parser */
	bool with_debug_file;	  /* the job that runs is the second one, see table_job.h */
	bool queued;		  /* in the queue of its priority */
	bool running[PRIORITIES]; /* with that worker; with both if it has become urgent */
	uint32_t file_ids[MAX_FILE_IDS];
	size_t n_file_ids;
	struct entry *prev, *next; /* in the queue */
	UT_hash_handle hh;
};

/* One for each priority. */
struct queue {
	struct worker *worker;
	struct entry *entries;
	size_t running;
};

struct table_manager {
	struct table_manager_options options;
	struct table_store *store;
	struct entry *entries; /* by executable */
	struct queue queues[PRIORITIES];
	uint64_t retry_scan_at;
	struct table_manager_stats stats;
};

static void evicted(void *userdata, void *owner)
{
	struct entry *e = owner;

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
	m->queues[URGENT].worker = o->worker;
	m->queues[BACKGROUND].worker = o->background_worker ? o->background_worker : o->worker;
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

static struct entry *find(const struct table_manager *m, const struct executable *x)
{
	struct entry *e;

	HASH_FIND_PTR(m->entries, &x, e);
	return e;
}

static struct entry *entry_new(struct table_manager *m, struct executable *x)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->manager = m;
	e->executable = executable_ref(x);
	HASH_ADD_PTR(m->entries, executable, e);
	return e;
}

static struct queue *queue_of(struct entry *e)
{
	return &e->manager->queues[e->priority];
}

static bool is_running(const struct entry *e)
{
	return e->running[URGENT] || e->running[BACKGROUND];
}

static void enqueue(struct entry *e, enum priority priority)
{
	if (e->queued || e->running[URGENT] || e->running[priority])
		return;
	e->state = TABLE_waiting;
	e->priority = priority;
	e->queued = true;
	DL_APPEND(queue_of(e)->entries, e);
}

static void unqueue(struct entry *e)
{
	if (e->queued)
		DL_DELETE(queue_of(e)->entries, e);
	e->queued = false;
}

/* A stack waits for it, for as long as it may: before what was only mapped or announced. */
static void enqueue_first(struct entry *e)
{
	unqueue(e);
	enqueue(e, URGENT);
	if (e->queued) {
		DL_DELETE(queue_of(e)->entries, e);
		DL_PREPEND(queue_of(e)->entries, e);
	}
}

/* Not while the parser works for it: its answer needs the entry. */
static void entry_free(struct entry *e)
{
	unqueue(e);
	table_store_remove(e->manager->store, e->stored);
	HASH_DEL(e->manager->entries, e);
	executable_unref(e->executable);
	free(e);
}

struct table_manager *table_manager_free(struct table_manager *m)
{
	struct entry *e, *next;

	if (!m)
		return NULL;
	HASH_ITER(hh, m->entries, e, next)
		entry_free(e);
	table_store_free(m->store);
	free(m);
	return NULL;
}

static void bind_all(struct entry *e)
{
	for (size_t i = 0; i < e->n_file_ids; i++)
		table_store_bind(e->manager->store, e->stored, e->file_ids[i]);
}

/* The table is there, or will not come for now. */
static void settle(struct entry *e, enum table_state state, int error)
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

static void load(struct entry *e, const struct unwind_table *table, enum table_source source)
{
	struct table_manager *m = e->manager;
	int r;

	e->source = source;
	e->rows = table->n_rows;
	if (!table->n_rows) {
		settle(e, TABLE_empty, 0);
		return;
	}
	r = table_store_put(m->store, table, e, clock_monotonic_ns(), &e->stored);
	settle(e, r < 0 ? TABLE_refused : TABLE_loaded, r);
}

/* The cache is a convenience: what goes wrong with it is counted and costs a rebuild. */
static void remember(struct entry *e, const struct unwind_table *table)
{
	struct table_manager *m = e->manager;
	struct table_cache_key key;
	int fd = executable_table_open(m->options.executables, e->executable);

	if (m->options.cache_dirfd < 0 || fd < 0 || table_cache_key_of(fd, &key) < 0)
		return;
	if (table_cache_put(m->options.cache_dirfd, &key, table) < 0)
		m->stats.cache_errors++;
}

static bool load_from_cache(struct entry *e, int fd)
{
	_cleanup_free_ struct unwind_table *table = NULL;
	struct table_manager *m = e->manager;
	struct table_cache_key key;

	if (m->options.cache_dirfd < 0 || table_cache_key_of(fd, &key) < 0 ||
	    table_cache_get(m->options.cache_dirfd, &key, &table) < 0)
		return false;
	m->stats.from_cache++;
	load(e, table, TABLE_FROM_CACHE);
	return true;
}

static void built_urgent(void *userdata, int status, const void *data, size_t size);
static void built_in_background(void *userdata, int status, const void *data, size_t size);

static int submit(struct entry *e, enum priority priority, const int *fds, size_t n_fds)
{
	struct table_manager *m = e->manager;
	struct queue *q = &m->queues[priority];
	int r = worker_submit(q->worker, m->options.job, fds, n_fds, NULL, 0,
			      priority == URGENT ? built_urgent : built_in_background, e);

	if (r < 0)
		return r;
	e->running[priority] = true;
	e->with_debug_file = n_fds > 1;
	q->running++;
	return 0;
}

/* Gives the parser the file once more, with what may be its debug file. False if there is none. */
static bool build_with_debug_file(struct entry *e, enum priority priority,
				  const struct debug_identity *identity)
{
	struct table_manager *m = e->manager;
	_cleanup_(debug_candidates_done)
	struct debug_candidates found = { .n = 0 };
	int fds[1 + DEBUG_CANDIDATES];

	debug_candidates_find(identity, m->options.debug_directories, e->executable->path, &found);
	fds[0] = executable_table_open(m->options.executables, e->executable);
	memcpy(fds + 1, found.fds, sizeof(found.fds));
	return found.n > 0 && fds[0] >= 0 && submit(e, priority, fds, 1 + found.n) == 0;
}

/*
 * A table that wants a debug file, or has one, is not kept on disk: the debug file may come, go, or
 * be somebody else's.
 */
static void take_table(struct entry *e, enum priority priority, const struct unwind_table *table,
		       const struct table_answer *answer)
{
	struct table_manager *m = e->manager;

	if (answer->wants_debug_file && !e->debug_file_failed &&
	    build_with_debug_file(e, priority, &answer->identity))
		return;
	m->stats.built++;
	m->stats.debug_files += !!answer->has_debug_file;
	if (!answer->wants_debug_file && !e->with_debug_file)
		remember(e, table);
	load(e, table, TABLE_FROM_FILE);
}

/*
 * A parser's answer. What it says is as little to be trusted as the file. The second answer, if
 * both workers were asked, is of no interest.
 */
static void built(struct entry *e, enum priority priority, int status, const void *data,
		  size_t size)
{
	struct table_manager *m = e->manager;
	struct table_answer answer;

	e->running[priority] = false;
	m->queues[priority].running--;
	if (e->state != TABLE_waiting)
		return;
	/* On a busy machine the idle worker runs out of time without having had any. */
	if (status == -ETIME && priority == BACKGROUND &&
	    m->queues[URGENT].worker != m->queues[BACKGROUND].worker) {
		enqueue(e, URGENT);
		return;
	}
	if (status == 0)
		status = table_job_check(data, size, &answer);
	if (status == 0) {
		take_table(e, priority, data, &answer);
	} else if (e->with_debug_file) {
		m->stats.debug_files_failed++;
		e->debug_file_failed = true;
		enqueue(e, priority);
	} else {
		settle(e, TABLE_refused, status);
	}
}

static void built_urgent(void *userdata, int status, const void *data, size_t size)
{
	built(userdata, URGENT, status, data, size);
}

static void built_in_background(void *userdata, int status, const void *data, size_t size)
{
	built(userdata, BACKGROUND, status, data, size);
}

static void start(struct entry *e)
{
	int fd = executable_table_open(e->manager->options.executables, e->executable);
	int r = fd;

	if (fd >= 0 && load_from_cache(e, fd))
		return;
	if (fd >= 0)
		r = submit(e, e->priority, &fd, 1);
	if (r < 0)
		settle(e, TABLE_refused, r);
}

static bool has_file_id(const struct entry *e, uint32_t file_id)
{
	for (size_t i = 0; i < e->n_file_ids; i++) {
		if (e->file_ids[i] == file_id)
			return true;
	}
	return false;
}

int table_manager_bind(struct table_manager *m, struct executable *x, uint32_t file_id,
		       bool background)
{
	struct entry *e = find(m, x);

	if (!e) {
		e = entry_new(m, x);
		if (!e)
			return -ENOMEM;
		enqueue(e, background ? BACKGROUND : URGENT);
	}
	if (!has_file_id(e, file_id) && e->n_file_ids < MAX_FILE_IDS)
		e->file_ids[e->n_file_ids++] = file_id;
	if (e->state == TABLE_evicted)
		enqueue(e, background ? BACKGROUND : URGENT);
	if (e->state != TABLE_waiting)
		table_store_bind(m->store, e->stored, file_id);
	return 0;
}

void table_manager_want(struct table_manager *m, struct executable *x)
{
	struct entry *e = find(m, x);

	if (!e) {
		e = entry_new(m, x);
		if (!e)
			return;
		e->state = TABLE_evicted;
	}
	if (e->state == TABLE_evicted || e->state == TABLE_waiting)
		enqueue_first(e);
}

static bool drop_file_id(struct entry *e, uint32_t file_id)
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
	struct entry *e, *next;

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
	struct entry *e, *next;

	if (now < m->retry_scan_at)
		return;
	m->retry_scan_at = now + MIN(m->options.retry_ns / 10, NO_ROOM_RETRY_NS / 2);
	HASH_ITER(hh, m->entries, e, next) {
		if (e->state == TABLE_refused && now >= e->retry_at)
			enqueue(e, BACKGROUND);
	}
}

void table_manager_process(struct table_manager *m, uint64_t now)
{
	retry(m, now);
	for (int p = 0; p < PRIORITIES; p++) {
		struct queue *q = &m->queues[p];

		while (q->entries && q->running < MAX_RUNNING) {
			struct entry *e = q->entries;

			unqueue(e);
			start(e);
		}
	}
}

bool table_manager_is_awaited(const struct table_manager *m)
{
	return m->queues[URGENT].entries || m->queues[URGENT].running;
}

struct table_store *table_manager_store(struct table_manager *m)
{
	return m->store;
}

enum table_state table_manager_state(const struct table_manager *m, const struct executable *x)
{
	const struct entry *e = find(m, x);

	return e ? e->state : TABLE_evicted;
}

const struct unwind_rule *table_manager_find(const struct table_manager *m,
					     const struct executable *x, uint64_t offset)
{
	const struct entry *e = find(m, x);

	return e && e->stored ? table_store_find(m->store, e->stored, offset) : NULL;
}

int table_manager_each(const struct table_manager *m,
		       int (*visit)(const struct table_info *info, void *userdata), void *userdata)
{
	struct entry *e, *next;
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
	const struct entry *e;
	int waiting = 0;

	*ret = m->stats;
	for (int p = 0; p < PRIORITIES; p++) {
		DL_COUNT(m->queues[p].entries, e, waiting);
		ret->waiting += (uint64_t)waiting + m->queues[p].running;
	}
}
