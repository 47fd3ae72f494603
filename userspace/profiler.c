/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time is what happens here: the continuous window and the taps end at exact moments of the stream,
 * not at the moments of draining. Records are handled up to the next end, then what ends there is
 * handed out, and so on up to the horizon: STREAM_SETTLE_NS before now, which all records have
 * reached.
 */
#include "profiler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/capture.h"
#include "parser.h"
#include "pipeline.h"
#include "profiler_capture.h"
#include "profiler_object.h"
#include "unwind/table_manager.h"

#define TICK_NS	      NS_PER_S
#define EVICT_AT_ONCE 256 /* file ids given up per tick */

static uint32_t sample_frequency(const struct profiler_options *o)
{
	return o->collector.sample_frequency ? o->collector.sample_frequency
					     : COLLECTOR_DEFAULT_FREQUENCY;
}

struct profiler *profiler_free(struct profiler *p)
{
	if (!p)
		return NULL;
	while (p->taps)
		profiler_tap_cancel(p->taps);
	/* In this order: tables are taken out of the collector's memory, jobs belong to tables. */
	pipeline_free(p->pipeline);
	collector_free(p->collector);
	unwinding_free(p->unwinding);
	debuginfod_free(p->debuginfod);
	capture_close(p->capture);
	closep(&p->epoll);
	free(p);
	return NULL;
}

static void capture_file(void *userdata, const struct abi_file_announcement *file,
			 const struct executable *x)
{
	struct profiler *p = userdata;

	if (p->capture)
		profiler_capture_file(p->capture, file, x);
}

static int open_window(struct profiler *p, uint64_t start_time)
{
	const struct receiver_options o = {
		.start_time = start_time,
		.wait_reasons = wait_reasons_default(),
	};

	return pipeline_receive(p->pipeline, &o, &p->window);
}

/* The collector is there, the tables are not filled yet. Nothing is sampled meanwhile. */
static int fill_tables(struct profiler *p, uint64_t start_time)
{
	struct process_table *processes = pipeline_processes(p->pipeline);
	int r;

	if (p->capture)
		stream_set_tee(pipeline_stream(p->pipeline), profiler_capture_record, p->capture);
	r = process_table_scan(processes);
	if (r < 0)
		return r;
	if (p->capture)
		profiler_capture_processes(p->capture, processes, start_time);
	return unwinding_start(p->unwinding, p->pipeline, p->collector);
}

static int begin(struct profiler *p)
{
	uint64_t now = clock_monotonic_ns();

	p->horizon = now;
	p->next_tick = now + TICK_NS;
	p->window_end = PROFILER_NEVER;
	if (!p->options.window_closed)
		return 0;
	p->window_end = now + p->options.window;
	return open_window(p, now);
}

static int watch(struct profiler *p)
{
	const int fds[] = {
		collector_fd(p->collector),
		unwinding_fd(p->unwinding),
		p->debuginfod ? debuginfod_fd(p->debuginfod) : -1,
	};

	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct epoll_event event = { .events = EPOLLIN };

		if (fds[i] >= 0 && epoll_ctl(p->epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
			return -errno;
	}
	return 0;
}

static void debug_file_arrived(void *userdata, const uint8_t *build_id, size_t size)
{
	struct profiler *p = userdata;

	symbolizer_debug_file_arrived(pipeline_symbolizer(p->pipeline), build_id, size);
}

static int start_debuginfod(struct profiler *p, struct error *e)
{
	const struct debuginfod_options *o = &p->options.debuginfod;
	int r;

	if (!o->urls || !o->urls[0])
		return 0;
	r = debuginfod_new(o, &p->debuginfod, e);
	if (r == 0)
		debuginfod_on_arrival(p->debuginfod, debug_file_arrived, p);
	return r;
}

DEFINE_CLEANUP(struct profiler *, profiler_free);

int profiler_new(const struct profiler_options *o, struct profiler **ret, struct error *e)
{
	_cleanup_(profiler_freep)
	struct profiler *p = calloc(1, sizeof(*p));
	struct pipeline_options pipeline = {
		.symbolizer = o->symbolizer,
		.file_announced = capture_file,
		.userdata = p,
		.start_time = clock_monotonic_ns(),
		.cumulative_memory = o->cumulative_memory,
	};
	uint64_t start_time = pipeline.start_time;
	int r;

	if (!p)
		return error_set(e, ENOMEM, "out of memory");
	p->options = *o;
	p->options.collector.start_later = true;
	p->tap_budget.max = o->tap_memory;
	p->tap_budget.each = PROFILER_TAP_MIN_BYTES;
	p->epoll = -1;
	if (!p->options.window)
		p->options.window = PROFILER_WINDOW_NS;
	r = unwinding_new(&o->unwinding, &p->unwinding, e);
	if (r == 0)
		r = start_debuginfod(p, e);
	if (r < 0)
		return r;
	pipeline.symbolizer.debuginfod = p->debuginfod;
	pipeline.symbolizer.worker = unwinding_name_worker(p->unwinding);
	pipeline.symbolizer.symbol_job = PARSER_SYMBOLS;
	pipeline.symbolizer.line_worker = unwinding_line_worker(p->unwinding);
	pipeline.symbolizer.line_job = PARSER_LINES;
	pipeline.symbolizer.jit_job = PARSER_JIT;
	r = pipeline_new(&pipeline, &p->pipeline);
	if (r < 0)
		return error_set(e, -r, "cannot set up the profiler's tables: %s", strerror(-r));
	r = collector_new(&p->options.collector, &p->collector, e);
	if (r < 0)
		return r;
	/* Late: what fails before leaves no file behind. */
	if (o->capture_path) {
		r = profiler_capture_begin(o->capture_path, sample_frequency(o), start_time,
					   &p->capture, e);
		if (r < 0)
			return r;
	}
	r = fill_tables(p, start_time);
	if (r < 0)
		return error_set(e, -r, "cannot read the processes of /proc: %s", strerror(-r));
	r = begin(p);
	if (r == 0)
		r = watch(p);
	if (r < 0)
		return error_set(e, -r, "cannot watch the sampler: %s", strerror(-r));
	/* Last of all: the ring holds what comes in a moment, and who drains it comes next. */
	r = collector_start(p->collector, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

int profiler_fd(const struct profiler *p)
{
	return p->epoll;
}

int profiler_capture_error(const struct profiler *p)
{
	return p->capture ? capture_error(p->capture) : 0;
}

void profiler_count_losses(struct profiler *p)
{
	uint64_t counters[ABI_COUNTERS_COUNT], sum, lost;

	collector_get_counters(p->collector, counters);
	sum = counters[ABI_COUNTER_samples_lost_ring_full] +
	      counters[ABI_COUNTER_samples_lost_nested];
	lost = sum - p->counted_losses;
	p->counted_losses = sum;
	if (lost && p->capture)
		capture_write(p->capture, CAPTURE_LOST, &lost, sizeof(lost));
	pipeline_count_losses(p->pipeline, lost);
}

/* Returns whether all up to @until is handled; else something waits for an unwinding table. */
static bool flush(struct profiler *p, uint64_t until)
{
	uint64_t reached;

	if (p->capture)
		capture_write(p->capture, CAPTURE_DRAIN, &until, sizeof(until));
	reached = pipeline_flush(p->pipeline, until, clock_monotonic_ns());
	p->horizon = MAX(p->horizon, reached);
	return reached == until;
}

/* Hands the continuous window out; the next one begins where it ended. */
static int turn_window(struct profiler *p, uint64_t end)
{
	struct window *w = p->window ? pipeline_take(p->pipeline, TAKE_PTR(p->window), end) : NULL;
	int r = open_window(p, end);

	p->window_end = end + p->options.window;
	if (w)
		p->options.window_closed(p->options.userdata, w);
	return r;
}

int profiler_advance(struct profiler *p, uint64_t until)
{
	int r = 0;

	if (p->advancing)
		return 0;
	p->advancing = true;
	for (;;) {
		/* Looked for anew each time: callbacks open and close taps. */
		uint64_t tap_end;
		struct profiler_tap *tap = profiler_first_tap(p, &tap_end);
		uint64_t end = MIN(tap_end, p->window_end);

		if (end > until)
			break;
		if (!flush(p, end)) {
			p->advancing = false;
			return r;
		}
		if (tap_end == end)
			profiler_tap_look_after(tap, end);
		else if (turn_window(p, end) < 0)
			r = -ENOMEM;
	}
	flush(p, until);
	p->advancing = false;
	return r;
}

static bool something_ends(const struct profiler *p, uint64_t until)
{
	uint64_t tap_end;

	profiler_first_tap(p, &tap_end);
	return MIN(tap_end, p->window_end) <= until;
}

static int first_error(int a, int b, int c)
{
	if (a < 0)
		return a;
	if (b < 0)
		return b;
	return MIN(c, 0);
}

static int tick(struct profiler *p, uint64_t now)
{
	uint32_t ids[EVICT_AT_ONCE];
	int r, evicted;

	p->next_tick = now + TICK_NS;
	r = collector_follow_cpus(p->collector);
	evicted = collector_evict_files(p->collector, ids, ARRAY_SIZE(ids));
	if (evicted > 0) {
		table_manager_forget(pipeline_tables(p->pipeline), ids, (size_t)evicted);
		executable_table_forget(pipeline_executables(p->pipeline), ids, (size_t)evicted);
	}
	pipeline_tick(p->pipeline, now);
	return first_error(r, evicted, 0);
}

static uint64_t settled(uint64_t now)
{
	return now > STREAM_SETTLE_NS ? now - STREAM_SETTLE_NS : 0;
}

int profiler_drain(struct profiler *p, uint64_t now)
{
	uint64_t until = settled(now);
	int drained, advanced, ticked = 0;

	if (p->advancing)
		return 0;
	unwinding_process(p->unwinding, now);
	if (p->debuginfod)
		debuginfod_process(p->debuginfod, now);
	drained = collector_drain(p->collector, pipeline_stream(p->pipeline));
	if (now >= p->next_tick || something_ends(p, until))
		profiler_count_losses(p);
	advanced = profiler_advance(p, until);
	profiler_name_ahead(p, now);
	if (now >= p->next_tick)
		ticked = tick(p, now);
	return first_error(drained, advanced, ticked);
}

uint64_t profiler_due(const struct profiler *p, uint64_t now)
{
	uint64_t end, next = now + PROFILER_DRAIN_NS;

	profiler_first_tap(p, &end);
	return end < next ? MAX(end, now) + STREAM_SETTLE_NS : next;
}

bool profiler_catch_up(struct profiler *p, uint64_t now)
{
	pipeline_set_hold(p->pipeline, PIPELINE_PATIENCE_NS);
	profiler_drain(p, now);
	profiler_advance(p, now);
	pipeline_set_hold(p->pipeline, PIPELINE_HOLD_NS);
	return p->horizon >= now;
}

void profiler_close_window(struct profiler *p, uint64_t now)
{
	profiler_drain(p, now);
	if (!p->options.window_closed)
		return;
	profiler_count_losses(p);
	turn_window(p, p->horizon);
}

struct window *profiler_cumulative(struct profiler *p)
{
	return pipeline_cumulative(p->pipeline);
}

struct count {
	const struct selection *selection;
	size_t n;
};

static int count_match(struct process *process, void *userdata)
{
	struct count *c = userdata;

	c->n += selection_matches(c->selection, process);
	return 0;
}

size_t profiler_count_matches(struct profiler *p, const struct selection *s)
{
	struct count c = { .selection = s };

	process_table_each(pipeline_processes(p->pipeline), count_match, &c);
	return c.n;
}

DEFINE_CLEANUP(struct process_table *, process_table_free);

size_t profiler_count_running(const struct selection *s)
{
	const struct process_table_options o = { 0 };
	_cleanup_(process_table_freep)
	struct process_table *t = NULL;
	struct count c = { .selection = s };

	if (process_table_new(&o, &t) == 0 && process_table_scan(t) == 0)
		process_table_each(t, count_match, &c);
	return c.n;
}

struct collector *profiler_collector(struct profiler *p)
{
	return p->collector;
}

struct pipeline *profiler_pipeline(struct profiler *p)
{
	return p->pipeline;
}

struct symbolizer *profiler_symbolizer(struct profiler *p)
{
	return pipeline_symbolizer(p->pipeline);
}

struct process_table *profiler_processes(struct profiler *p)
{
	return pipeline_processes(p->pipeline);
}

struct executable_table *profiler_executables(struct profiler *p)
{
	return pipeline_executables(p->pipeline);
}

struct stream *profiler_stream(struct profiler *p)
{
	return pipeline_stream(p->pipeline);
}

uint64_t profiler_period(const struct profiler *p)
{
	return NS_PER_S / sample_frequency(&p->options);
}

int64_t profiler_wall_offset(const struct profiler *p)
{
	(void)p;
	return (int64_t)(clock_ns(CLOCK_REALTIME) - clock_monotonic_ns());
}

struct table_manager *profiler_tables(struct profiler *p)
{
	return pipeline_tables(p->pipeline);
}

struct unwinding *profiler_unwinding(struct profiler *p)
{
	return p->unwinding;
}

const struct window *profiler_window(const struct profiler *p, uint64_t *ret_until)
{
	if (!p->window)
		return NULL;
	*ret_until = MAX(p->horizon, window_start(receiver_window(p->window)));
	return receiver_window(p->window);
}

struct debuginfod *profiler_debuginfod(struct profiler *p)
{
	return p->debuginfod;
}
