/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file is fetched at a time, into a temporary file of the directory that gets its name when it
 * is complete. What is asked for and what is known not to be there are entries of one table.
 */
#include "fetch/debuginfod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/directory.h"
#include "fetch/fetch_job.h"
#include "worker/worker.h"

#define DEFAULT_TIMEOUT (300 * NS_PER_S)
#define DEFAULT_MISSING (3600 * NS_PER_S)
#define DEFAULT_FAILED	(300 * NS_PER_S)
#define MEMORY_LIMIT	((size_t)1 << 30) /* addresses: threads of the resolver have large stacks */
#define MAX_WAITING	256
#define MAX_ENTRIES	16384
#define SUFFIX		".debug"
#define TEMPORARY	".arriving"
#define NAME_LEN	(2 * ELF_BUILD_ID_MAX + sizeof(SUFFIX))

struct key {
	uint8_t build_id[ELF_BUILD_ID_MAX];
	uint32_t size;
};

/* Something that is asked for, or that is not asked for before a time. */
struct entry {
	struct key key;
	bool waiting;
	uint64_t retry_at;	   /* ns, if it is not waited for */
	struct entry *prev, *next; /* in the queue, while it is waited for */
	UT_hash_handle hh;
};

struct debuginfod {
	char *urls;
	uint64_t max_bytes, timeout, missing_ns, failed_ns;
	int dirfd;
	struct worker *fetcher;
	struct entry *entries; /* hash */
	struct entry *queue;   /* the first is being fetched if @fetching */
	bool fetching;
	debuginfod_arrived_fn arrived;
	void *userdata;
	struct debuginfod_stats stats;
};

static const struct worker_job jobs[] = { { "debug file", fetch_job_run } };

static int open_directory(struct debuginfod *d, const char *path)
{
	mkdir(path, 0700);
	d->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dirfd < 0)
		return -errno;
	return directory_trim(d->dirfd, SUFFIX, TEMPORARY, d->max_bytes, NULL);
}

static int start_fetcher(struct debuginfod *d, struct error *e)
{
	const struct worker_options o = {
		.jobs = jobs,
		.n_jobs = ARRAY_SIZE(jobs),
		.memory_limit = MEMORY_LIMIT,
		.time_limit = d->timeout + NS_PER_S,
		.network = "profd-fetcher",
		.max_file = d->max_bytes / 2,
	};

	return worker_new(&o, &d->fetcher, e);
}

int debuginfod_new(const struct debuginfod_options *o, struct debuginfod **ret, struct error *e)
{
	struct debuginfod *d;
	int r;

	if (strlen(o->urls) >= FETCH_MAX_URLS)
		return error_set(e, EINVAL, "debuginfod_urls is longer than %d bytes",
				 FETCH_MAX_URLS - 1);
	d = calloc(1, sizeof(*d));
	if (!d)
		return error_set(e, ENOMEM, "out of memory");
	d->dirfd = -1;
	d->max_bytes = o->max_bytes;
	d->timeout = o->timeout ? o->timeout : DEFAULT_TIMEOUT;
	d->missing_ns = o->missing_ns ? o->missing_ns : DEFAULT_MISSING;
	d->failed_ns = o->failed_ns ? o->failed_ns : DEFAULT_FAILED;
	d->urls = strdup(o->urls);
	r = d->urls ? open_directory(d, o->directory) : -ENOMEM;
	if (r < 0)
		error_set(e, -r, "%s: %s", o->directory, strerror(-r));
	else
		r = start_fetcher(d, e);
	if (r < 0) {
		debuginfod_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct debuginfod *debuginfod_free(struct debuginfod *d)
{
	struct entry *e, *next;

	if (!d)
		return NULL;
	worker_free(d->fetcher);
	HASH_ITER(hh, d->entries, e, next) {
		HASH_DEL(d->entries, e);
		free(e);
	}
	closep(&d->dirfd);
	free(d->urls);
	free(d);
	return NULL;
}

void debuginfod_on_arrival(struct debuginfod *d, debuginfod_arrived_fn arrived, void *userdata)
{
	d->arrived = arrived;
	d->userdata = userdata;
}

static void file_name(const struct key *key, char ret[NAME_LEN])
{
	build_id_format(key->build_id, key->size, ret);
	strcat(ret, SUFFIX);
}

static void forget(struct debuginfod *d, struct entry *e)
{
	HASH_DEL(d->entries, e);
	free(e);
}

static void forget_expired(struct debuginfod *d, uint64_t now)
{
	struct entry *e, *next;

	HASH_ITER(hh, d->entries, e, next)
		if (!e->waiting && e->retry_at <= now)
			forget(d, e);
}

/* How long what came out of it is believed; 0 = there is nothing to remember. */
static uint64_t account(struct debuginfod *d, int status, const void *data, size_t size)
{
	uint64_t bytes = 0;

	switch (status) {
	case 0:
		if (size == sizeof(bytes))
			memcpy(&bytes, data, sizeof(bytes));
		d->stats.found++;
		d->stats.bytes += MIN(bytes, d->max_bytes);
		return 0;
	case -ENOENT:
		d->stats.not_found++;
		return d->missing_ns;
	case -EFBIG:
	case -EBADMSG:
		d->stats.refused++;
		return d->missing_ns;
	default:
		d->stats.failed++;
		return d->failed_ns;
	}
}

static void keep_file(struct debuginfod *d, const struct key *key)
{
	char name[NAME_LEN];

	file_name(key, name);
	if (renameat(d->dirfd, TEMPORARY, d->dirfd, name) < 0)
		return;
	directory_trim(d->dirfd, SUFFIX, TEMPORARY, d->max_bytes, NULL);
	if (d->arrived)
		d->arrived(d->userdata, key->build_id, key->size);
}

static void start_next(struct debuginfod *d);

static void fetched(void *userdata, int status, const void *data, size_t size)
{
	struct debuginfod *d = userdata;
	struct entry *e = d->queue;
	uint64_t believed = account(d, status, data, size);
	struct key key = e->key;

	DL_DELETE(d->queue, e);
	d->stats.waiting--;
	d->fetching = false;
	if (believed > 0) {
		e->waiting = false;
		e->retry_at = clock_monotonic_ns() + believed;
		unlinkat(d->dirfd, TEMPORARY, 0);
	} else {
		forget(d, e);
		keep_file(d, &key);
	}
	start_next(d);
}

static int submit(struct debuginfod *d, const struct key *key)
{
	struct fetch_question q = {
		.build_id_size = key->size,
		.timeout_ms = (uint32_t)(d->timeout / NS_PER_MS),
		.max_bytes = d->max_bytes / 2,
	};
	_cleanup_close_ int fd = openat(d->dirfd, TEMPORARY,
					O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	memcpy(q.build_id, key->build_id, key->size);
	memcpy(q.urls, d->urls, strlen(d->urls));
	return worker_submit(d->fetcher, 0, &fd, 1, &q, sizeof(q), fetched, d);
}

static void start_next(struct debuginfod *d)
{
	while (d->queue && !d->fetching) {
		struct entry *e = d->queue;

		d->fetching = submit(d, &e->key) == 0;
		if (d->fetching)
			break;
		DL_DELETE(d->queue, e);
		d->stats.waiting--;
		d->stats.failed++;
		e->waiting = false;
		e->retry_at = clock_monotonic_ns() + d->failed_ns;
	}
}

static void want(struct debuginfod *d, const struct key *key, uint64_t now)
{
	struct entry *e;

	if (HASH_COUNT(d->entries) >= MAX_ENTRIES)
		forget_expired(d, now);
	if (d->stats.waiting >= MAX_WAITING || HASH_COUNT(d->entries) >= MAX_ENTRIES) {
		d->stats.dropped++;
		return;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return;
	e->key = *key;
	HASH_ADD(hh, d->entries, key, sizeof(e->key), e);
	if (!e->hh.tbl) { /* how uthash tells that memory ran out */
		free(e);
		return;
	}
	e->waiting = true;
	DL_APPEND(d->queue, e);
	d->stats.asked++;
	d->stats.waiting++;
	start_next(d);
}

int debuginfod_open(struct debuginfod *d, const uint8_t *build_id, size_t size)
{
	uint64_t now = clock_monotonic_ns();
	struct key key = { .size = (uint32_t)size };
	char name[NAME_LEN];
	struct entry *e;
	int fd;

	if (size < 2 || size > sizeof(key.build_id))
		return -ENOENT;
	memcpy(key.build_id, build_id, size);
	file_name(&key, name);
	fd = openat(d->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		futimens(fd, NULL); /* it was used: the oldest go first */
		return fd;
	}
	HASH_FIND(hh, d->entries, &key, sizeof(key), e);
	if (e && !e->waiting && e->retry_at <= now) {
		forget(d, e);
		e = NULL;
	}
	if (!e)
		want(d, &key, now);
	return -ENOENT;
}

int debuginfod_fd(const struct debuginfod *d)
{
	return worker_fd(d->fetcher);
}

void debuginfod_process(struct debuginfod *d, uint64_t now)
{
	worker_process(d->fetcher, now);
}

void debuginfod_get_stats(const struct debuginfod *d, struct debuginfod_stats *ret)
{
	*ret = d->stats;
}

size_t debuginfod_memory(const struct debuginfod *d)
{
	return sizeof(*d) + HASH_COUNT(d->entries) * sizeof(struct entry) +
	       HASH_OVERHEAD(hh, d->entries);
}
