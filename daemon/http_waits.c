/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /debug/pprof/block and mutex, as Go's: of all time since profd started, or with the parameter
 * seconds of so many from now on. debug=1 is text.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "http.h"
#include "http_request.h"
#include "http_select.h"
#include "manager.h"
#include "profile/pprof.h"
#include "profile/window.h"

void http_wait_comments(struct manager *m, struct http_wait_comments *ret)
{
	struct collector_state state;
	size_t n = 0;

	collector_get_state(profiler_collector(m->profiler), &state);
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->text[n++], sizeof(ret->text[0]), "profd: block_rate_ns=%" PRIu64 "%s",
		 state.block_rate, m->options.block_rate == OPTIONS_AUTO ? " (now, auto)" : "");
	snprintf(ret->text[n++], sizeof(ret->text[0]), "profd: wait_hook=%s",
		 collector_wait_hook_name(state.wait_hook));
	if (state.wait_hook_text[0])
		snprintf(ret->text[n++], sizeof(ret->text[0]), "profd: wait_hook_reason=%s",
			 state.wait_hook_text);
	for (size_t i = 0; i < n; i++)
		ret->lines[i] = ret->text[i];
}

/* A set of words. False: answered. */
static bool read_set(struct http_request *r, const char *text, const char *key,
		     int (*parse)(const char *text, uint32_t *ret, char ret_bad[static 32]),
		     void (*list)(char *text, size_t size), uint32_t *set)
{
	char value[HTTP_VALUE_LEN], bad[32], allowed[256];

	if (!http_query_get(text, key, value) || parse(value, set, bad) == 0)
		return true;
	list(allowed, sizeof(allowed));
	http_error(r, MHD_HTTP_BAD_REQUEST, "%s: '%s' is none of: %s", key, bad, allowed);
	return false;
}

/* Which waits. False: answered. */
static bool read_filter(struct http_request *r, const char *text)
{
	r->filter = wait_filter_default(r->kind);
	return read_set(r, text, "reason", wait_reasons_parse, wait_list_reasons,
			&r->filter.reasons) &&
	       read_set(r, text, "lock", wait_locks_parse, wait_list_locks, &r->filter.locks);
}

/* Whether with their wakers. False: answered. */
static bool read_wakers(struct http_request *r, const char *text)
{
	char value[HTTP_VALUE_LEN];

	if (!http_query_get(text, "wakers", value) || strcmp(value, "0") == 0)
		return true;
	if (strcmp(value, "1") != 0) {
		http_error(r, MHD_HTTP_BAD_REQUEST, "wakers must be 0 or 1");
		return false;
	}
	if (r->kind != ABI_KIND_BLOCK) {
		http_error(r, MHD_HTTP_BAD_REQUEST,
			   "wakers belong to the profile block; this one is of them already");
		return false;
	}
	/* Who wakes may be a process of somebody else. */
	r->wakers = r->access.everything ? PPROF_WAKERS_ALL : PPROF_WAKERS_SELECTED;
	return true;
}

/* Whether a profile of all time tells processes apart. False: answered. */
static bool read_labels(struct http_request *r, const char *text, bool *ret_pids)
{
	char value[HTTP_VALUE_LEN] = "";

	http_query_get(text, "labels", value);
	*ret_pids = strcmp(value, "pid") == 0;
	if (*value && !*ret_pids) {
		http_error(r, MHD_HTTP_BAD_REQUEST, "labels can be pid, and nothing else");
		return false;
	}
	return true;
}

/* 0 = none was given. False: answered, in the words of Go and in its order. */
static bool read_seconds(struct http_request *r, const char *text, bool as_text, uint64_t *ret)
{
	char value[HTTP_VALUE_LEN] = "";

	*ret = 0;
	http_query_get(text, "seconds", value);
	if (!*value)
		return true;
	*ret = http_delta_seconds(value);
	if (!*ret)
		http_error(r, MHD_HTTP_BAD_REQUEST,
			   "invalid value for \"seconds\" - must be a positive integer");
	else if (*ret > HTTP_MAX_SECONDS)
		http_error(r, MHD_HTTP_BAD_REQUEST,
			   "profile duration exceeds server's WriteTimeout (%d s)",
			   HTTP_MAX_SECONDS);
	else if (as_text)
		http_error(r, MHD_HTTP_BAD_REQUEST, "seconds and debug params are incompatible");
	return !r->response;
}

/*
 * What ended since the start, and what goes on. Of a wait that ended a moment ago the sample may
 * not have settled: it has to be in the one before it is not in the other any more.
 */
static size_t gather(struct http_request *r, struct window *windows[2])
{
	struct profiler *p = r->manager->profiler;
	size_t n = 0;

	profiler_catch_up(p, clock_monotonic_ns());
	windows[n] = profiler_cumulative(p);
	n += windows[n] != NULL;
	if (r->kind == ABI_KIND_BLOCK &&
	    profiler_read_waits(p, &r->selection, r->filter.reasons, &windows[n]) == 0)
		n++;
	return n;
}

/*
 * Scrapers take the difference of two answers about a whole machine, or a unit. One about processes
 * that were named, by the client or because no others are its own, is about these.
 */
static void reply_cumulative(struct http_request *r, bool as_text, bool pids)
{
	struct profiler *p = r->manager->profiler;
	struct pprof_options o = http_pprof_options(r);
	struct window *windows[2] = { NULL };
	struct http_wait_comments comments;
	size_t n = gather(r, windows), size;
	void *data = NULL;
	char *text = NULL;
	int result;

	http_wait_comments(r->manager, &comments);
	o.comments = comments.lines;
	o.time = (int64_t)clock_ns(CLOCK_REALTIME);
	o.subtractable = !pids && r->selection.n_pids == 0;
	if (as_text)
		result = pprof_encode_text(windows, n, &o, profiler_symbolizer(p), &text, &size);
	else
		result = pprof_encode(windows, n, &o, profiler_symbolizer(p), &data, &size, NULL);
	symbolizer_trim(profiler_symbolizer(p));
	for (size_t i = 0; i < n; i++)
		if (windows[i] != profiler_cumulative(p))
			window_free(windows[i]);
	if (result < 0)
		http_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "Could not encode the profile: %s",
			   strerror(-result));
	else if (as_text)
		http_reply(r, MHD_HTTP_OK, HTTP_TEXT, text, size);
	else
		http_reply_profile(r, data, size, "");
}

static void waits(struct http_request *r, uint8_t kind)
{
	_cleanup_free_ char *text = http_parameters(r);
	char debug[HTTP_VALUE_LEN] = "";
	uint64_t seconds;
	bool as_text, pids;

	if (!text)
		return;
	r->kind = kind;
	http_query_get(text, "debug", debug);
	as_text = http_wants_text(debug);
	if (!read_seconds(r, text, as_text, &seconds) || !read_filter(r, text) ||
	    !read_wakers(r, text) || !read_labels(r, text, &pids) ||
	    !http_select(r, text, seconds ? HTTP_SELECT_PRESENT : HTTP_SELECT_PAST, &r->selection))
		return;
	if (seconds)
		http_collect(r, seconds);
	else
		reply_cumulative(r, as_text, pids);
}

void http_block(struct http_request *r)
{
	waits(r, ABI_KIND_BLOCK);
}

void http_mutex(struct http_request *r)
{
	waits(r, ABI_KIND_MUTEX);
}
