/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture instead of a collector. Nothing of this machine is looked at but files by name, and
 * those only if their build ids agree. What a replay cannot know: kernel names, perf maps, the
 * units of processes.
 */
#include "profiler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/capture.h"
#include "pipeline.h"

struct replay {
	struct capture_info info;
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
	free(r);
	return NULL;
}

DEFINE_CLEANUP(struct replay *, replay_free);
DEFINE_CLEANUP(struct capture_reader *, capture_reader_free);

static int new_pipeline(struct replay *r)
{
	const struct pipeline_options options = { .without_proc = true };
	int error = pipeline_new(&options, &r->pipeline);

	if (error < 0)
		return error;
	stream_hold_files(pipeline_stream(r->pipeline));
	return pipeline_receive(r->pipeline, NULL, r->info.start_time, &r->receiver);
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
		pipeline_flush(r->pipeline, number, number);
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
	const void *data;
	uint32_t type;
	size_t size;
	int error;

	if (!r)
		return error_set(e, ENOMEM, "out of memory");
	error = capture_open(path, &reader, &r->info, e);
	if (error < 0)
		return error;
	error = new_pipeline(r);
	if (error < 0)
		return error_set(e, -error, "cannot begin to replay: %s", strerror(-error));
	while ((error = capture_read(reader, &type, &data, &size, e)) > 0)
		replay_chunk(r, type, data, size);
	if (error < 0)
		return error;
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
