/* SPDX-License-Identifier: Apache-2.0 */
#include "unwinding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collector.h"
#include "parser.h"
#include "pipeline.h"
#include "unwind/table_cache.h"
#include "unwind/table_manager.h"

/* What loading may take of the owner's thread each time. */
#define STEP_NS (5 * NS_PER_MS)
/* Files are preloaded up to this many: the kernel's table has room for twice as many. */
#define MAX_PRELOADED 8192

struct unwinding {
	struct unwinding_options options;
	struct worker *worker, *background_worker, *name_worker, *line_worker;
	struct pipeline *pipeline; /* borrowed; NULL until the start */
	struct preload *preload;
	bool preloading;
	uint64_t loaded_at; /* ns; 0 = tables of what runs are missing yet */
	int cache_dirfd;    /* -1 = none */
	int epoll;
};

struct unwinding *unwinding_free(struct unwinding *u)
{
	if (!u)
		return NULL;
	preload_free(u->preload);
	worker_free(u->worker);
	worker_free(u->background_worker);
	worker_free(u->name_worker);
	worker_free(u->line_worker);
	closep(&u->cache_dirfd);
	closep(&u->epoll);
	free(u);
	return NULL;
}

/* Its absence costs time, nothing else. */
static int open_cache(const char *path)
{
	int fd;

	if (!path || !path[0])
		return -1;
	mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		table_cache_trim(fd, UNWINDING_CACHE_BYTES, NULL);
	return fd;
}

static int watch(struct unwinding *u, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(u->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

DEFINE_CLEANUP(struct unwinding *, unwinding_free);

int unwinding_new(const struct unwinding_options *o, struct unwinding **ret, struct error *e)
{
	_cleanup_(unwinding_freep)
	struct unwinding *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return error_set(e, ENOMEM, "out of memory");
	u->options = *o;
	if (!u->options.memory)
		u->options.memory = UNWINDING_DEFAULT_MEMORY;
	u->cache_dirfd = -1;
	u->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = parser_new(WORKER_AWAITED, &u->worker, e);
	if (r == 0)
		r = parser_new(WORKER_IDLE, &u->background_worker, e);
	if (r == 0)
		r = parser_new(WORKER_NORMAL, &u->name_worker, e);
	if (r == 0)
		r = parser_new_for_lines(&u->line_worker, e);
	if (r < 0)
		return r;
	r = u->epoll < 0 ? -errno : watch(u, worker_fd(u->worker));
	if (r == 0)
		r = watch(u, worker_fd(u->background_worker));
	if (r == 0)
		r = watch(u, worker_fd(u->name_worker));
	if (r == 0)
		r = watch(u, worker_fd(u->line_worker));
	if (r < 0)
		return error_set(e, -r, "cannot watch the parser process: %s", strerror(-r));
	u->cache_dirfd = open_cache(o->cache);
	*ret = TAKE_PTR(u);
	return 0;
}

static int start_preload(struct unwinding *u, struct collector *c)
{
	const struct preload_options o = {
		.collector = c,
		.processes = pipeline_processes(u->pipeline),
		.executables = pipeline_executables(u->pipeline),
		.tables = pipeline_tables(u->pipeline),
		.row_bytes = u->options.memory / 4 * 3,
		.max_files = MAX_PRELOADED,
	};
	int r;

	if (u->options.preload == PRELOAD_NOTHING)
		return 0;
	r = preload_new(&o, &u->preload);
	if (r < 0)
		return r;
	u->preloading = u->options.preload == PRELOAD_ALL;
	return preload_processes(u->preload);
}

int unwinding_start(struct unwinding *u, struct pipeline *p, struct collector *c)
{
	struct pipeline_tables tables = {
		.budget = u->options.memory,
		.worker = u->worker,
		.background_worker = u->background_worker,
		.job = PARSER_UNWIND_TABLE,
		.cache_dirfd = u->cache_dirfd,
	};
	int r = collector_table_memory(c, &tables.memory);

	if (r < 0)
		return r;
	r = pipeline_use_tables(p, &tables);
	if (r < 0)
		return r;
	u->pipeline = p;
	r = start_preload(u, c);
	if (r < 0)
		return r;
	unwinding_process(u, clock_monotonic_ns());
	return 0;
}

struct worker *unwinding_worker(struct unwinding *u)
{
	return u->worker;
}

struct worker *unwinding_name_worker(struct unwinding *u)
{
	return u->name_worker;
}

struct worker *unwinding_line_worker(struct unwinding *u)
{
	return u->line_worker;
}

int unwinding_fd(const struct unwinding *u)
{
	return u->epoll;
}

void unwinding_process(struct unwinding *u, uint64_t now)
{
	worker_process(u->worker, now);
	worker_process(u->background_worker, now);
	worker_process(u->name_worker, now);
	worker_process(u->line_worker, now);
	if (u->preloading)
		u->preloading = preload_step(u->preload, STEP_NS);
	if (!u->pipeline)
		return;
	table_manager_process(pipeline_tables(u->pipeline), now);
	if (u->preload && !u->loaded_at && !table_manager_is_awaited(pipeline_tables(u->pipeline)))
		u->loaded_at = clock_monotonic_ns();
}

uint64_t unwinding_loaded_at(const struct unwinding *u)
{
	return u->loaded_at;
}

void unwinding_get_worker_stats(const struct unwinding *u, struct worker_stats *ret)
{
	struct worker_stats background, names, lines;

	worker_get_stats(u->worker, ret);
	worker_get_stats(u->background_worker, &background);
	worker_get_stats(u->name_worker, &names);
	worker_get_stats(u->line_worker, &lines);
#define X(name, help) ret->name += background.name + names.name + lines.name;
	WORKER_COUNTERS(X)
#undef X
}

void unwinding_get_preload_stats(const struct unwinding *u, struct preload_stats *ret)
{
	*ret = (struct preload_stats){ 0 };
	if (u->preload)
		preload_get_stats(u->preload, ret);
}
