/* SPDX-License-Identifier: Apache-2.0 */
/* How an executable gets its table: from the cache on disk, else from the parser process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "process/executable.h"
#include "unwind/debug_candidates.h"
#include "unwind/table.h"
#include "unwind/table_cache.h"
#include "unwind/table_job.h"
#include "unwind/table_manager_object.h"
#include "worker/worker.h"

static void load(struct table_entry *e, const struct unwind_table *table, enum table_source source)
{
	struct table_manager *m = e->manager;
	int r;

	e->source = source;
	e->rows = table->n_rows;
	if (!table->n_rows) {
		table_entry_settle(e, TABLE_empty, 0);
		return;
	}
	r = table_store_put(m->store, table, e, clock_monotonic_ns(), &e->stored);
	table_entry_settle(e, r < 0 ? TABLE_refused : TABLE_loaded, r);
}

/* The cache is a convenience: what goes wrong with it is counted and costs a rebuild. */
static void remember(struct table_entry *e, const struct unwind_table *table)
{
	struct table_manager *m = e->manager;
	struct table_cache_key key;
	int fd = executable_table_open(m->options.executables, e->executable);

	if (m->options.cache_dirfd < 0 || fd < 0 || table_cache_key_of(fd, &key) < 0)
		return;
	if (table_cache_put(m->options.cache_dirfd, &key, table) < 0)
		m->stats.cache_errors++;
}

static bool load_from_cache(struct table_entry *e, int fd)
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

static void built(void *userdata, int status, const void *data, size_t size);

static int submit(struct table_entry *e, enum table_priority priority, const int *fds, size_t n_fds)
{
	struct table_manager *m = e->manager;
	struct table_queue *q = &m->queues[priority];
	int r = worker_submit(q->worker, m->options.job, fds, n_fds, NULL, 0, built,
			      &e->runs[priority]);

	if (r < 0)
		return r;
	e->runs[priority].running = true;
	e->with_debug_file = n_fds > 1;
	q->running++;
	return 0;
}

/* Gives the parser the file once more, with what may be its debug file. False if there is none. */
static bool build_with_debug_file(struct table_entry *e, enum table_priority priority,
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
static void take_table(struct table_entry *e, enum table_priority priority,
		       const struct unwind_table *table, const struct table_answer *answer)
{
	struct table_manager *m = e->manager;

	if (answer->wants_debug_file && !e->debug_file_failed &&
	    build_with_debug_file(e, priority, &answer->identity))
		return;
	m->stats.built++;
	m->stats.debug_files += !!answer->has_debug_file;
	load(e, table, TABLE_FROM_FILE);
	if (!answer->wants_debug_file && !e->with_debug_file)
		remember(e, table);
}

/*
 * A parser's answer. What it says is as little to be trusted as the file. The second answer, if
 * both workers were asked, is of no interest.
 */
static void built(void *userdata, int status, const void *data, size_t size)
{
	struct table_run *run = userdata;
	struct table_entry *e = run->entry;
	enum table_priority priority = run->priority;
	struct table_manager *m = e->manager;
	struct table_answer answer;

	run->running = false;
	m->queues[priority].running--;
	if (e->state != TABLE_waiting)
		return;
	/* On a busy machine the idle worker runs out of time without having had any. */
	if (status == -ETIME && priority == TABLE_BACKGROUND &&
	    m->queues[TABLE_URGENT].worker != m->queues[TABLE_BACKGROUND].worker) {
		table_entry_enqueue(e, TABLE_URGENT);
		return;
	}
	if (status == 0)
		status = table_job_check(data, size, &answer);
	if (status == 0) {
		take_table(e, priority, data, &answer);
	} else if (e->with_debug_file) {
		m->stats.debug_files_failed++;
		e->debug_file_failed = true;
		table_entry_enqueue(e, priority);
	} else {
		table_entry_settle(e, TABLE_refused, status);
	}
}

void table_entry_build(struct table_entry *e)
{
	int fd = executable_table_open(e->manager->options.executables, e->executable);
	int r = fd;

	if (fd >= 0 && load_from_cache(e, fd))
		return;
	if (fd >= 0)
		r = submit(e, e->priority, &fd, 1);
	if (r < 0)
		table_entry_settle(e, TABLE_refused, r);
}
