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

#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/capture.h"
#include "parser.h"
#include "pipeline.h"
#include "profiler_capture.h"
#include "unwind/table_manager.h"

#define TICK_NS	      NS_PER_S
#define EVICT_AT_ONCE 256 /* file ids given up per tick */
#define NEVER	      UINT64_MAX

struct profiler_tap {
	struct profiler *profiler;
	struct receiver *receiver;
	struct selection selection;
	bool has_waits;
	bool ending;	   /* at the end, waits that went on were read; it is open until then */
	uint64_t end_time; /* when to look after it next */
	uint64_t stop;	   /* ending: when it was over */
	profiler_tap_fn done;
	void *userdata;
	struct profiler_tap *prev, *next;
};

struct profiler {
	struct profiler_options options;
	struct pipeline *pipeline;
	struct collector *collector;
	struct unwinding *unwinding;
	struct debuginfod *debuginfod; /* NULL = none is asked */
	struct capture_writer *capture;
	int epoll;		 /* of what wants to be drained early */
	struct receiver *window; /* the continuous one; NULL = there is none */
	uint64_t window_end;	 /* NEVER = there is none */
	struct profiler_tap *taps;
	size_t n_taps;
	uint64_t horizon; /* records up to here have been handled */
	uint64_t next_tick;
	uint64_t counted_losses; /* what of the collector's is in quality records */
	bool advancing;
};

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

/* The collector is there, the tables are not filled yet. */
static int begin(struct profiler *p, uint64_t start_time)
{
	struct process_table *processes = pipeline_processes(p->pipeline);
	uint64_t now;
	int r;

	if (p->capture)
		stream_set_tee(pipeline_stream(p->pipeline), profiler_capture_record, p->capture);
	r = process_table_scan(processes);
	if (r < 0)
		return r;
	if (p->capture)
		profiler_capture_processes(p->capture, processes, start_time);
	r = unwinding_start(p->unwinding, p->pipeline, p->collector);
	if (r < 0)
		return r;
	now = clock_monotonic_ns();
	p->horizon = start_time;
	p->next_tick = now + TICK_NS;
	p->window_end = NEVER;
	if (!p->options.window_closed)
		return 0;
	p->window_end = start_time + p->options.window;
	return open_window(p, start_time);
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
	p->epoll = -1;
	if (!p->options.window)
		p->options.window = PROFILER_WINDOW_NS;
	r = unwinding_new(&o->unwinding, &p->unwinding, e);
	if (r == 0)
		r = start_debuginfod(p, e);
	if (r < 0)
		return r;
	pipeline.symbolizer.debuginfod = p->debuginfod;
	pipeline.symbolizer.worker = unwinding_worker(p->unwinding);
	pipeline.symbolizer.symbol_job = PARSER_SYMBOLS;
	pipeline.symbolizer.line_worker = unwinding_line_worker(p->unwinding);
	pipeline.symbolizer.line_job = PARSER_LINES;
	pipeline.symbolizer.jitdump_job = PARSER_JITDUMP;
	r = pipeline_new(&pipeline, &p->pipeline);
	if (r < 0)
		return error_set(e, -r, "cannot set up the profiler's tables: %s", strerror(-r));
	r = collector_new(&o->collector, &p->collector, e);
	if (r < 0)
		return r;
	/* Last: what fails before leaves no file behind. */
	if (o->capture_path) {
		r = profiler_capture_begin(o->capture_path, sample_frequency(o), start_time,
					   &p->capture, e);
		if (r < 0)
			return r;
	}
	r = begin(p, start_time);
	if (r < 0)
		return error_set(e, -r, "cannot read the processes of /proc: %s", strerror(-r));
	r = watch(p);
	if (r < 0)
		return error_set(e, -r, "cannot watch the sampler: %s", strerror(-r));
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

/* To be done before anything ends: what was lost belongs to all that is open. */
static void count_losses(struct profiler *p)
{
	struct collector_state state;
	uint64_t sum, lost;

	collector_get_state(p->collector, &state);
	sum = state.counters[ABI_COUNTER_samples_lost_ring_full] +
	      state.counters[ABI_COUNTER_samples_lost_nested];
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

static struct profiler_tap *first_tap(const struct profiler *p)
{
	struct profiler_tap *first = NULL, *tap;

	DL_FOREACH(p->taps, tap)
		if (!first || tap->end_time < first->end_time)
			first = tap;
	return first;
}

static void tap_free(struct profiler_tap *tap)
{
	DL_DELETE(tap->profiler->taps, tap);
	tap->profiler->n_taps--;
	selection_done(&tap->selection);
	free(tap);
}

static void end_tap(struct profiler_tap *tap, uint64_t end)
{
	struct profiler *p = tap->profiler;
	struct window *w = pipeline_take(p->pipeline, tap->receiver, end);
	profiler_tap_fn done = tap->done;
	void *userdata = tap->userdata;

	tap_free(tap);
	done(userdata, w);
}

struct ongoing {
	struct pipeline *pipeline;
	struct receiver *receiver;
};

static void add_ongoing(void *userdata, const void *record, size_t size)
{
	const struct ongoing *o = userdata;

	pipeline_add_ongoing(o->pipeline, o->receiver, record, size);
}

/* Gives @r the waits that go on now. What cannot be read is missing there, and nothing else. */
static int read_waits(struct profiler *p, struct receiver *r, const struct selection *s)
{
	struct ongoing o = { p->pipeline, r };

	return collector_read_waits(p->collector, s && s->n_pids == 1 ? s->pids[0] : 0, add_ongoing,
				    &o);
}

/*
 * The time of a tap with waits is over. Those that go on are read now, which is a little later;
 * those that ended meanwhile are still on their way. So it stays open until both are in.
 */
static void begin_to_end(struct profiler_tap *tap, uint64_t end)
{
	struct profiler *p = tap->profiler;

	tap->ending = true;
	tap->stop = end;
	receiver_end(tap->receiver, end);
	if (read_waits(p, tap->receiver, &tap->selection) == -ENOTSUP)
		tap->end_time = end;
	else
		tap->end_time = MAX(end, clock_monotonic_ns());
}

static void look_after_tap(struct profiler_tap *tap, uint64_t now)
{
	if (tap->ending)
		end_tap(tap, tap->stop);
	else if (tap->has_waits)
		begin_to_end(tap, now);
	else
		end_tap(tap, now);
}

/* Handles all records up to @until, and all that ends until then, in order. */
static int advance(struct profiler *p, uint64_t until)
{
	int r = 0;

	if (p->advancing)
		return 0;
	p->advancing = true;
	for (;;) {
		/* Looked for anew each time: callbacks open and close taps. */
		struct profiler_tap *tap = first_tap(p);
		uint64_t tap_end = tap ? tap->end_time : NEVER;
		uint64_t end = MIN(tap_end, p->window_end);

		if (end > until)
			break;
		if (!flush(p, end)) {
			p->advancing = false;
			return r;
		}
		if (tap_end == end)
			look_after_tap(tap, end);
		else if (turn_window(p, end) < 0)
			r = -ENOMEM;
	}
	flush(p, until);
	p->advancing = false;
	return r;
}

static bool something_ends(const struct profiler *p, uint64_t until)
{
	const struct profiler_tap *tap = first_tap(p);

	return p->window_end <= until || (tap && tap->end_time <= until);
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
		count_losses(p);
	advanced = advance(p, until);
	if (now >= p->next_tick)
		ticked = tick(p, now);
	return first_error(drained, advanced, ticked);
}

void profiler_catch_up(struct profiler *p, uint64_t now)
{
	profiler_drain(p, now);
	advance(p, now);
}

void profiler_close_window(struct profiler *p, uint64_t now)
{
	profiler_drain(p, now);
	if (!p->options.window_closed)
		return;
	count_losses(p);
	turn_window(p, p->horizon);
}

static int tap_new(struct profiler *p, const struct profiler_tap_options *o,
		   struct profiler_tap **ret)
{
	const uint32_t waits = 1U << ABI_KIND_BLOCK | 1U << ABI_KIND_MUTEX;
	const struct receiver_options receiver = {
		.selection = o->selection,
		.start_time = clock_monotonic_ns(),
		.kinds = o->kinds ? o->kinds : 1U << ABI_KIND_CPU,
		.wait_reasons = o->wait_reasons,
		.clip = true,
	};
	struct profiler_tap *tap = calloc(1, sizeof(*tap));
	int r = tap ? selection_copy(o->selection, &tap->selection) : -ENOMEM;

	if (r == 0)
		r = pipeline_receive(p->pipeline, &receiver, &tap->receiver);
	if (r < 0) {
		if (tap)
			selection_done(&tap->selection);
		free(tap);
		return r;
	}
	tap->profiler = p;
	tap->has_waits = receiver.kinds & waits;
	tap->end_time = o->end_time;
	tap->done = o->done;
	tap->userdata = o->userdata;
	*ret = tap;
	return 0;
}

int profiler_tap_open(struct profiler *p, const struct profiler_tap_options *o,
		      struct profiler_tap **ret)
{
	struct profiler_tap *tap;
	int r;

	if (p->n_taps >= PROFILER_MAX_TAPS)
		return -EBUSY;
	/* Losses so far are not this tap's. */
	count_losses(p);
	r = tap_new(p, o, &tap);
	if (r < 0)
		return r;
	DL_APPEND(p->taps, tap);
	p->n_taps++;
	*ret = tap;
	return 0;
}

/*
 * Nothing is left for later, so records that have not settled are handled too: one that is
 * overtaken by others costs less than the last milliseconds of a program that has just ended.
 */
void profiler_tap_finish(struct profiler_tap *tap, uint64_t now)
{
	struct profiler *p = tap->profiler;

	/* Not to be ended by time meanwhile. */
	tap->end_time = NEVER;
	profiler_drain(p, now);
	if (tap->has_waits && !tap->ending) {
		begin_to_end(tap, now);
		tap->end_time = NEVER;
		collector_drain(p->collector, pipeline_stream(p->pipeline));
	}
	count_losses(p);
	advance(p, clock_monotonic_ns());
	end_tap(tap, tap->ending ? tap->stop : now);
}

struct profiler_tap *profiler_tap_cancel(struct profiler_tap *tap)
{
	if (!tap)
		return NULL;
	pipeline_drop(tap->profiler->pipeline, tap->receiver);
	tap_free(tap);
	return NULL;
}

struct window *profiler_cumulative(struct profiler *p)
{
	return pipeline_cumulative(p->pipeline);
}

int profiler_read_waits(struct profiler *p, const struct selection *s, uint32_t reasons,
			struct window **ret)
{
	const struct receiver_options o = {
		.selection = s,
		.kinds = 1U << ABI_KIND_BLOCK,
		.wait_reasons = reasons,
		.without_threads = true,
	};
	struct receiver *receiver;
	int r = pipeline_receive(p->pipeline, &o, &receiver);

	if (r < 0)
		return r;
	r = read_waits(p, receiver, s);
	if (r < 0) {
		pipeline_drop(p->pipeline, receiver);
		return r;
	}
	*ret = pipeline_take(p->pipeline, receiver, clock_monotonic_ns());
	return 0;
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
