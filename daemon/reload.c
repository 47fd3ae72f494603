/* SPDX-License-Identifier: Apache-2.0 */
/* What profd says when it starts, and what it does when it is told to read its configuration. */
#include "manager.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "collect/collector_system.h"
#include "log.h"
#include "rotation.h"
#include "units.h"

/* The first TCP listener, which is what people type. */
static const struct listener *shown_listener(const struct manager *m)
{
	for (size_t i = 0; i < m->listeners.n; i++)
		if (!m->listeners.list[i].is_unix)
			return &m->listeners.list[i];
	return NULL;
}

static void announce_files(const struct manager *m)
{
	char interval[UNITS_TEXT_LEN], bytes[UNITS_TEXT_LEN], age[UNITS_TEXT_LEN];

	if (!m->rotation) {
		log_info("Writing no files (directory is empty)");
		return;
	}
	log_info("Writing to %s every %s, keeping %s or %s", m->options.directory,
		 units_format_duration(m->options.rotate_interval, interval),
		 units_format_size(m->options.retain_bytes, bytes),
		 units_format_duration(m->options.retain_age, age));
}

static void announce_unwinding(const struct manager *m)
{
	char wanted[UNITS_TEXT_LEN], got[UNITS_TEXT_LEN];
	uint64_t budget = manager_unwind_budget(m);

	if (budget < m->options.unwind_memory)
		log_notice("unwind_memory=%s is more than a quarter of memory_budget: using %s",
			   units_format_size(m->options.unwind_memory, wanted),
			   units_format_size(budget, got));
	if (*m->options.unwind_cache && access(m->options.unwind_cache, R_OK | W_OK | X_OK) < 0)
		log_warning("unwind_cache: %s: %s; unwinding tables are built anew at each start",
			    m->options.unwind_cache, strerror(errno));
}

static void announce_waits(const struct manager *m, const struct collector_state *state)
{
	bool adapts = m->options.block_rate == OPTIONS_AUTO;
	char rate[UNITS_TEXT_LEN];

	if (!m->options.block_rate) {
		log_info("Waits are not sampled: block_rate=0");
		return;
	}
	units_format_duration(state->block_rate, rate);
	if (state->wait_hook == ABI_WAIT_HOOK_none)
		log_warning("Waits are not sampled, block and mutex profiles stay empty: %s",
			    state->wait_hook_text);
	else
		log_info("Sampling waits, a stack per %s of waiting%s (%s%s%s)", rate,
			 adapts ? " or more" : "", collector_wait_hook_name(state->wait_hook),
			 state->wait_hook_text[0] ? ", " : "", state->wait_hook_text);
}

void manager_announce(struct manager *m)
{
	const struct listener *shown = shown_listener(m);
	struct collector_state state;

	collector_get_state(profiler_collector(m->profiler), &state);
	log_info("Version %s, sampling %u CPUs at %u Hz (%s)", PROFD_VERSION, state.cpus,
		 state.sample_frequency, state.event);
	for (size_t i = 0; i < m->listeners.n; i++)
		log_info("Listening on %s%s%s", m->listeners.list[i].is_unix ? "" : "http://",
			 m->listeners.list[i].name, m->listeners.list[i].is_unix ? "" : "/");
	if (m->listeners.n == 0)
		log_warning("Listening nowhere: listen and socket are empty");
	announce_waits(m, &state);
	announce_files(m);
	announce_unwinding(m);
	if (m->command->capture)
		log_info("Capturing the raw stream to %s", m->command->capture);
	if (!state.vma_walk_works)
		log_warning("The start-up self-test failed: the layout of this kernel's memory "
			    "maps is not understood; user frames will miss files");
	if (collector_system_is_container() > 0)
		log_warning("This is a container with process numbers of its own, and samples "
			    "carry the host's: a profile of one process may be another's; run "
			    "the container with --pid=host");
	if (shown)
		log_info("Try: go tool pprof 'http://%s/debug/pprof/profile?seconds=10'",
			 shown->name);
	sd_notifyf(0, "STATUS=Sampling %u CPUs at %u Hz (%s)", state.cpus, state.sample_frequency,
		   state.event);
}

static void on_changed(const char *key, const char *value, void *userdata)
{
	(void)userdata;
	log_notice("Reload: %s=%s", key, value);
}

static void on_refused(const char *key, void *userdata)
{
	(void)userdata;
	log_warning("Reload: %s cannot change while profd runs; restart it to apply", key);
}

static void apply(struct manager *m)
{
	struct rotation_policy policy = manager_rotation_policy(m);

	if (m->rotation)
		rotation_set_policy(m->rotation, &policy);
	sd_event_source_set_time_relative(m->rotation_timer, m->options.rotate_interval / 1000);
}

void manager_reload(struct manager *m)
{
	struct options fresh;
	struct error e;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_ns() / 1000);
	if (command_options(m->command, &fresh, &e) < 0) {
		log_error("Reload: %s; going on as before", e.text);
	} else {
		options_reload(&m->options, &fresh, on_changed, on_refused, m);
		options_done(&fresh);
		apply(m);
		m->reloads++;
		log_info("Reload: done");
	}
	sd_notify(0, "READY=1");
}
