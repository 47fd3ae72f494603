/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture instead of a collector. Nothing of this machine is looked at but files by name, and
 * those only if their build ids agree. What a replay cannot know: kernel names, perf maps, the
 * units of processes.
 */
#include "profiler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "collect/capture.h"
#include "parser.h"
#include "pipeline.h"
#include "unwind/table_memory.h"
#include "worker/worker.h"

/* How often a job that takes too long is looked for. */
#define PARSER_POLL_MS 100

struct replay {
	struct capture_info info;
	struct worker *parser;
	struct table_memory *memory; /* of the unwinding tables */
	struct pipeline *pipeline;
	struct receiver *receiver;
	struct window *window;
	uint64_t end_time; /* the last flush */
};

struct replay *replay_free(struct replay *r)
{
	if (!r)
		return NULL;
	window_free(r->window);
	pipeline_free(r->pipeline);
	worker_free(r->parser);
	table_memory_free(r->memory);
	free(r);
	return NULL;
}

DEFINE_CLEANUP(struct replay *, replay_free);
DEFINE_CLEANUP(struct capture_reader *, capture_reader_free);

/* The vdso is the kernel's: ours is the captured one if the machine has not been started anew. */
static bool is_this_boot(const struct capture_info *info)
{
	_cleanup_free_ char *boot_id = NULL;

	return info->boot_id[0] &&
	       file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, &boot_id, NULL) == 0 &&
	       strncmp(boot_id, info->boot_id, strlen(info->boot_id)) == 0;
}

static int new_pipeline(struct replay *r, struct error *e)
{
	struct pipeline_options options = {
		.without_proc = true,
		.same_vdso = is_this_boot(&r->info),
	};
	struct pipeline_tables tables = { .job = PARSER_UNWIND_TABLE, .cache_dirfd = -1 };
	const struct receiver_options everything = { .start_time = r->info.start_time };
	int error = parser_new(WORKER_NORMAL, &r->parser, e);

	if (error < 0)
		return error;
	options.symbolizer.worker = r->parser;
	options.symbolizer.symbol_job = PARSER_SYMBOLS;
	options.symbolizer.line_worker = r->parser;
	options.symbolizer.line_job = PARSER_LINES;
	options.symbolizer.patience_ns = UINT64_MAX; /* it has time */
	r->memory = table_memory_new();
	error = r->memory ? pipeline_new(&options, &r->pipeline) : -ENOMEM;
	if (error < 0)
		return error_set(e, -error, "cannot begin to replay: %s", strerror(-error));
	tables.memory = table_memory_get(r->memory);
	tables.worker = r->parser;
	error = pipeline_use_tables(r->pipeline, &tables);
	stream_hold_files(pipeline_stream(r->pipeline));
	if (error == 0)
		error = pipeline_receive(r->pipeline, &everything, &r->receiver);
	if (error < 0)
		return error_set(e, -error, "cannot begin to replay: %s", strerror(-error));
	return 0;
}

/* A replay has time: it waits for every unwinding table that a stack needs. */
static void flush(struct replay *r, uint64_t until)
{
	while (pipeline_flush(r->pipeline, until, until) < until) {
		struct pollfd p = { .fd = worker_fd(r->parser), .events = POLLIN };

		poll(&p, 1, PARSER_POLL_MS);
		worker_process(r->parser, clock_monotonic_ns());
	}
}

/* What is bad in a chunk is counted by the stream, as it is in a live profiler. */
static void replay_chunk(struct replay *r, uint32_t type, const void *data, size_t size)
{
	struct stream *stream = pipeline_stream(r->pipeline);
	uint64_t number;

	switch (type) {
	case CAPTURE_RING:
		stream_put_ring(stream, data, size);
		break;
	case CAPTURE_SIDEBAND:
		stream_put_sideband(stream, data, size);
		break;
	case CAPTURE_DRAIN:
	case CAPTURE_LOST:
		if (size != sizeof(number))
			break;
		memcpy(&number, data, sizeof(number));
		if (type == CAPTURE_LOST) {
			pipeline_count_losses(r->pipeline, number);
			break;
		}
		flush(r, number);
		r->end_time = number;
		break;
	}
}

int replay_run(const char *path, struct replay **ret, struct error *e)
{
	_cleanup_(capture_reader_freep)
	struct capture_reader *reader = NULL;
	_cleanup_(replay_freep)
	struct replay *r = calloc(1, sizeof(*r));
	struct error damage;
	const void *data;
	uint32_t type;
	size_t size;
	int error;

	if (!r)
		return error_set(e, ENOMEM, "out of memory");
	error = capture_open(path, &reader, &r->info, e);
	if (error < 0)
		return error;
	error = new_pipeline(r, e);
	if (error < 0)
		return error;
	while ((error = capture_read(reader, &type, &data, &size, &damage)) > 0)
		replay_chunk(r, type, data, size);
	if (error < 0)
		return error_set(e, -error, "%s: %s", path, damage.text);
	flush(r, r->end_time);
	pipeline_flush(r->pipeline, UINT64_MAX, UINT64_MAX);
	pipeline_count_losses(r->pipeline, 0);
	r->window = pipeline_take(r->pipeline, TAKE_PTR(r->receiver), r->end_time);
	*ret = TAKE_PTR(r);
	return 0;
}

struct window *replay_window(struct replay *r)
{
	return r->window;
}

struct symbolizer *replay_symbolizer(struct replay *r)
{
	return pipeline_symbolizer(r->pipeline);
}

uint64_t replay_period(const struct replay *r)
{
	return r->info.sample_frequency ? NS_PER_S / r->info.sample_frequency : 0;
}

int64_t replay_wall_offset(const struct replay *r)
{
	return r->info.wall_minus_monotonic;
}
