/* SPDX-License-Identifier: Apache-2.0 */
#include "manager.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "exit_code.h"
#include "http.h"
#include "log.h"
#include "memory.h"
#include "name_ahead.h"
#include "opener.h"
#include "profile/window.h"
#include "rights.h"
#include "rotation.h"
#include "store.h"

#define USEC_PER_NS(ns) ((ns) / 1000)

/* Timers may be late by this much, so that those that are due at about the same time share a
 * wake-up. */
#define DRAIN_ACCURACY_USEC    20000
#define END_ACCURACY_USEC      500 /* somebody waits for the profile that ends */
#define ROTATION_ACCURACY_USEC 200000
#define NAMES_NS	       (2 * NS_PER_S) /* from the end of a file's windows to its writing */

/* The waits since the start get this part of the memory budget. */
#define CUMULATIVE_PART 16
/* And all profiles together that are being collected. */
#define TAPS_PART 4

#define WINDOWS_MIN_BYTES (4U << 20)

static void on_window_closed(void *userdata, struct window *w)
{
	struct manager *m = userdata;

	if (!m->store) { /* the manager is going */
		window_free(w);
		return;
	}
	for (unsigned int kind = 0; kind < WINDOW_KINDS; kind++)
		quality_add(&m->quality[kind], window_quality(w, kind));
	store_add(m->store, w);
	if (!m->rotation)
		store_mark_written(m->store, 1);
	m->window_closed = true;
}

size_t manager_cumulative_memory(struct manager *m)
{
	struct window *w = profiler_cumulative(m->profiler);

	return w ? window_memory(w) : 0;
}

size_t manager_windows_budget(struct manager *m)
{
	uint64_t budget = m->options.memory_budget, used, left;
	struct collector_state state;

	collector_get_state(profiler_collector(m->profiler), &state);
	used = state.map_bytes + symbolizer_memory(profiler_symbolizer(m->profiler)) +
	       process_table_memory(profiler_processes(m->profiler)) +
	       executable_table_memory(profiler_executables(m->profiler)) +
	       manager_cumulative_memory(m) + profiler_taps_memory(m->profiler);
	left = budget > used ? budget - used : 0;
	return MAX(MIN(left, budget / 2), WINDOWS_MIN_BYTES);
}

static void rotate(struct manager *m, uint64_t now)
{
	struct rotation_source source = {
		.store = m->store,
		.symbolizer = profiler_symbolizer(m->profiler),
		.period = profiler_period(m->profiler),
		.wall_offset = profiler_wall_offset(m->profiler),
	};

	m->rotate_at = 0;
	if (m->rotation)
		rotation_run(m->rotation, &source, now);
	memory_give_back();
}

/* What comes late into a file is never there: its names are asked for some time before. */
static void rotate_soon(struct manager *m, uint64_t now)
{
	struct window *const *windows;
	size_t n = store_unwritten(m->store, &windows);

	for (size_t i = 0; i < n; i++)
		name_ahead_whole(windows[i], profiler_symbolizer(m->profiler));
	m->rotate_at = now + MIN(NAMES_NS, m->options.rotate_interval / 4);
}

static void drain(struct manager *m)
{
	uint64_t now = clock_monotonic_ns(), times;
	int r = profiler_drain(m->profiler, now);

	if (r < 0) {
		if (log_begins(&m->draining))
			log_error("Samples cannot be taken in: %s; trying again every %llu ms",
				  strerror(-r), PROFILER_DRAIN_NS / NS_PER_MS);
	} else {
		times = log_ends(&m->draining);
		if (times)
			log_notice("Samples are taken in again, after %" PRIu64 " failures", times);
		m->last_drain = now;
	}
	if (m->window_closed) {
		m->window_closed = false;
		if (store_is_pressed(m->store))
			rotate(m, now);
		store_trim(m->store, manager_windows_budget(m));
	}
	if (m->rotate_at != 0 && now >= m->rotate_at) {
		rotate(m, now);
		store_trim(m->store, manager_windows_budget(m));
	}
	http_tick(m->http, now);
}

static int on_drain_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;
	uint64_t now, due;
	bool ends;
	int r;

	(void)usec;
	drain(m);
	now = clock_monotonic_ns();
	due = profiler_due(m->profiler, now);
	ends = due < now + PROFILER_DRAIN_NS;
	r = sd_event_source_set_time_accuracy(source,
					      ends ? END_ACCURACY_USEC : DRAIN_ACCURACY_USEC);
	return r < 0 ? r : sd_event_source_set_time_relative(source, USEC_PER_NS(due - now));
}

static int on_profiler(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	drain(userdata);
	return 0;
}

static int on_rotation_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;
	uint64_t now = clock_monotonic_ns();

	(void)usec;
	drain(m);
	profiler_close_window(m->profiler, now);
	m->window_closed = false;
	rotate_soon(m, now);
	return sd_event_source_set_time_relative(source, USEC_PER_NS(m->options.rotate_interval));
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source;
	(void)userdata;
	log_info("Stopping: %s", strsignal((int)info->ssi_signo));
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source;
	(void)info;
	manager_reload(userdata);
	return 0;
}

static int add_signals(struct manager *m)
{
	static const struct {
		int number;
		sd_event_signal_handler_t handler;
	} signals[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload } };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i].number);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int r = sd_event_add_signal(m->event, NULL, signals[i].number, signals[i].handler,
					    m);

		if (r < 0)
			return r;
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int add_timers(struct manager *m)
{
	int r;

	/* The first time soon: what was sampled during the start is served at once. */
	r = sd_event_add_time_relative(m->event, &m->drain_timer, CLOCK_MONOTONIC,
				       USEC_PER_NS(STREAM_SETTLE_NS), DRAIN_ACCURACY_USEC / 4,
				       on_drain_timer, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->drain_timer, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_add_io(m->event, &m->profiler_io, profiler_fd(m->profiler), EPOLLIN,
				    on_profiler, m);
	if (r >= 0)
		r = sd_event_add_time_relative(m->event, &m->rotation_timer, CLOCK_MONOTONIC,
					       USEC_PER_NS(m->options.rotate_interval),
					       ROTATION_ACCURACY_USEC, on_rotation_timer, m);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->rotation_timer, SD_EVENT_ON);
	/* Does nothing unless the service manager asked for it. */
	if (r >= 0)
		r = sd_event_set_watchdog(m->event, true);
	return r < 0 ? r : 0;
}

struct rotation_policy manager_rotation_policy(const struct manager *m)
{
	return (struct rotation_policy){
		.retain_bytes = m->options.retain_bytes,
		.retain_age = m->options.retain_age,
		.split = strcmp(m->options.split, "process") == 0,
	};
}

static int open_rotation(struct manager *m, struct error *e)
{
	struct rotation_policy policy = manager_rotation_policy(m);

	if (!*m->options.directory)
		return 0;
	return rotation_new(m->options.directory, &policy, &m->rotation, e);
}

static enum unwinding_preload preload_of(const struct options *o)
{
	if (strcmp(o->preload, "none") == 0)
		return PRELOAD_NOTHING;
	return strcmp(o->preload, "running") == 0 ? PRELOAD_RUNNING : PRELOAD_ALL;
}

uint64_t manager_unwind_budget(const struct manager *m)
{
	return MIN(m->options.unwind_memory, m->options.memory_budget / 4);
}

uint64_t manager_tables_after(const struct manager *m)
{
	uint64_t at = unwinding_loaded_at(profiler_unwinding(m->profiler));

	return at ? at - m->started : 0;
}

static uint8_t wait_hook_of(const struct options *o)
{
	for (unsigned int i = 1; i < ABI_WAIT_HOOKS_COUNT; i++)
		if (strcmp(collector_wait_hook_name(i), o->wait_hook) == 0)
			return (uint8_t)i;
	return 0; /* auto */
}

static uint64_t block_rate_of(const struct options *o)
{
	return o->block_rate == OPTIONS_AUTO ? 0 : o->block_rate;
}

static int open_profiler(struct manager *m, struct error *e)
{
	struct profiler_options o = {
		.collector = {
			.sample_frequency = m->options.sample_frequency,
			.slice_bytes = (uint32_t)m->options.slice_bytes,
			.without_slices = !m->options.slice_bytes,
			.block_rate = block_rate_of(&m->options),
			.wait_hook = wait_hook_of(&m->options),
			.without_waits = !m->options.block_rate,
			.without_wakers = !m->options.wakers,
			.open_event = opener_open,
			.open_userdata = m->opener,
		},
		.symbolizer = {
			.memory_budget = m->options.memory_budget / 4,
			.debug_directories = m->options.debug_directories,
			.demangle = demangle_form_of(m->options.demangle),
		},
		.debuginfod = {
			.urls = m->options.debuginfod_urls,
			.directory = m->options.debuginfod_cache,
			.max_bytes = m->options.debuginfod_cache_size,
		},
		.unwinding = {
			.memory = manager_unwind_budget(m),
			.cache = m->options.unwind_cache,
			.preload = preload_of(&m->options),
		},
		.window = m->options.window,
		.cumulative_memory = m->options.memory_budget / CUMULATIVE_PART,
		.tap_memory = m->options.memory_budget / TAPS_PART,
		.capture_path = m->command->capture,
		.window_closed = on_window_closed,
		.userdata = m,
	};

	return profiler_new(&o, &m->profiler, e);
}

/* Everything that needs rights, in this order: what others may hold first, so that a second profd
 * ends before it has loaded anything into the kernel. */
static int open_all(struct manager *m, int *ret_code, struct error *e)
{
	int r = listeners_open(&m->options, &m->listeners, e);

	if (r < 0) {
		*ret_code = r == -EINVAL || r == -EADDRNOTAVAIL || r == -ENAMETOOLONG
				    ? EXIT_CODE_USAGE
				    : (int)exit_code_of_error(r);
		return r;
	}
	r = open_rotation(m, e);
	if (r < 0) {
		*ret_code = r == -EBUSY ? EXIT_CODE_BUSY : EXIT_CODE_DIRECTORY;
		return r;
	}
	r = opener_new(&m->opener);
	if (r < 0)
		return error_set(e, -r, "The opener process cannot be started: %s", strerror(-r));
	r = open_profiler(m, e);
	if (r < 0)
		*ret_code = exit_code_of_error(r);
	return r;
}

static int build(struct manager *m, int *ret_code, struct error *e)
{
	int r = sd_event_default(&m->event);

	if (r >= 0)
		r = add_signals(m);
	if (r < 0)
		return error_set(e, -r, "The event loop cannot be made: %s", strerror(-r));
	m->store = store_new(m->options.memory_budget / 2);
	if (!m->store)
		return error_set(e, ENOMEM, "out of memory");
	r = open_all(m, ret_code, e);
	/* From here on profd holds only what it needs to name other users' processes. */
	if (r >= 0)
		r = rights_drop(e);
	if (r >= 0)
		r = http_new(m, &m->listeners, &m->http, e);
	if (r < 0)
		return r;
	r = add_timers(m);
	if (r < 0)
		return error_set(e, -r, "Timers cannot be made: %s", strerror(-r));
	return 0;
}

int manager_new(const struct command *command, struct options *options, struct manager **ret,
		int *ret_code, struct error *e)
{
	struct manager *m = calloc(1, sizeof(*m));
	struct utsname name;
	int r;

	*ret_code = EXIT_CODE_RUNTIME;
	if (!m)
		return error_set(e, ENOMEM, "out of memory");
	m->command = command;
	m->options = *options;
	memset(options, 0, sizeof(*options));
	m->listeners.lock_fd = -1;
	m->started = m->last_drain = clock_monotonic_ns();
	if (uname(&name) == 0)
		snprintf(m->kernel, sizeof(m->kernel), "%.63s", name.release);
	r = build(m, ret_code, e);
	if (r < 0) {
		manager_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

struct manager *manager_free(struct manager *m)
{
	if (!m)
		return NULL;
	http_free(m->http);
	sd_event_source_disable_unref(m->drain_timer);
	sd_event_source_disable_unref(m->profiler_io);
	sd_event_source_disable_unref(m->rotation_timer);
	/* Windows refer to what the profiler owns. */
	store_free(m->store);
	m->store = NULL;
	profiler_free(m->profiler);
	rotation_free(m->rotation);
	opener_free(m->opener);
	listeners_close(&m->listeners);
	sd_event_unref(m->event);
	options_done(&m->options);
	free(m);
	return NULL;
}

int manager_run(struct manager *m)
{
	uint64_t now;
	int r;

	sd_notify(0, "READY=1");
	r = sd_event_loop(m->event);
	if (r < 0)
		log_error("The event loop failed: %s", strerror(-r));
	sd_notify(0, "STOPPING=1");
	drain(m);
	now = clock_monotonic_ns();
	http_finish(m->http, now);
	profiler_close_window(m->profiler, now);
	rotate(m, now);
	return r;
}
