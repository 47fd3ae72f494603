/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /debug/pprof/: the index, profile and cmdline; http_waits.c has block and mutex. Shapes, headers
 * and rules are those of Go's net/http/pprof, which its clients and scrapers rely on.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "http.h"
#include "http_request.h"
#include "http_select.h"
#include "manager.h"
#include "profile/pprof.h"
#include "profile/pprof_ahead.h"
#include "profile/window.h"

#define RETRY_AFTER	  "5"
#define CMDLINE_MAX_BYTES (4U << 20)
#define BINARY		  "application/octet-stream"

static const struct {
	const char *name, *description;
	uint8_t kind; /* of the entries that are counted; 0 = none are */
} profiles[] = {
	{ "block",
	  "Where processes wait, since profd started or, with the parameter seconds, over so many; "
	  "reason says for what (lock,disk,socket, ..., all; those that wait for work are left "
	  "out unless asked for), wakers=1 adds who ended each wait, labels=pid tells processes "
	  "apart since the start.",
	  ABI_KIND_BLOCK },
	{ "cmdline", "The command line of the process that was selected, or of profd itself", 0 },
	{ "mutex",
	  "Who holds locks that others wait for: the stack that let go of one, with how long they "
	  "waited for it. Parameters as for block; lock says which kinds (mutex,rwlock, ..., all).",
	  ABI_KIND_MUTEX },
	{ "profile",
	  "Where CPU time goes, sampled over the next seconds. The parameter seconds "
	  "says how many (30 if it is missing), pid selects a process. Save it to a "
	  "file, or give its URL to go tool pprof.",
	  0 },
	{ "symbol",
	  "The names of program addresses, given in the query or in the body of a POST "
	  "and separated by +",
	  0 },
};

struct entry_count {
	const struct selection *selection;
	uint8_t kind;
	uint64_t n;
};

static int count_entry(const struct window_entry *e, void *userdata)
{
	struct entry_count *c = userdata;

	c->n += e->kind == c->kind && selection_matches(c->selection, e->process);
	return 0;
}

/* How many stacks the cumulative profile has of the request's selection. */
static uint64_t count_entries(struct http_request *r, uint8_t kind)
{
	const struct window *w = profiler_cumulative(r->manager->profiler);
	struct entry_count c = { .selection = &r->selection, .kind = kind };

	if (kind && w)
		window_each(w, count_entry, &c);
	return c.n;
}

void http_index(struct http_request *r)
{
	const char *bad;
	struct http_page page;
	bool counted;
	FILE *f;

	if (http_selection(&r->route, "", &r->selection, &bad) < 0) {
		http_error(r, MHD_HTTP_BAD_REQUEST, "%s", bad);
		return;
	}
	/* Who may see none of it is not told how much there is. */
	counted = http_select_own(r, &r->selection);
	f = http_page_open(&page);
	if (!f)
		return;
	fputs("<html>\n<head>\n<title>/debug/pprof/</title>\n<style>\n"
	      ".profile-name{\n\tdisplay:inline-block;\n\twidth:6rem;\n}\n"
	      "</style>\n</head>\n<body>\n/debug/pprof/<br>\n<br>\n"
	      "Types of profiles available:\n<table>\n"
	      "<thead><td>Count</td><td>Profile</td></thead>\n",
	      f);
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		fprintf(f, "<tr><td>%" PRIu64 "</td><td><a href='%s?debug=1'>%s</a></td></tr>\n",
			counted ? count_entries(r, profiles[i].kind) : 0, profiles[i].name,
			profiles[i].name);
	fputs("</table>\n<br>\n<p>\nProfile Descriptions:\n<ul>\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		fprintf(f, "<li><div class=profile-name>%s: </div> %s</li>\n", profiles[i].name,
			profiles[i].description);
	fputs("</ul>\n</p>\n</body>\n</html>\n", f);
	http_page_send(r, &page, HTTP_HTML);
}

char *http_parameters(const struct http_request *r)
{
	char *text;

	if (asprintf(&text, "%s&%s", r->is_form ? r->body : "", r->query) < 0)
		return NULL;
	return text;
}

static const char *kind_name(uint8_t kind)
{
	return kind == ABI_KIND_CPU ? "CPU" : kind == ABI_KIND_BLOCK ? "block" : "mutex";
}

static void on_tap_done(void *userdata, struct window *w)
{
	struct http_request *r = userdata;

	r->tap = NULL;
	r->window = w; /* encoded and answered from http_tick() */
}

static void start(struct http_request *r, uint64_t seconds)
{
	struct profiler_tap_options o = {
		.ahead = r->ahead,
		.selection = &r->selection,
		.end_time = clock_monotonic_ns() + seconds * NS_PER_S,
		.kinds = 1U << r->kind,
		.wait_reasons = r->filter.reasons,
		.done = on_tap_done,
		.userdata = r,
	};
	int result;

	result = profiler_tap_open(r->manager->profiler, &o, &r->tap);
	if (result == 0) {
		result = http_suspend(r);
		if (result == 0)
			return;
		r->tap = profiler_tap_cancel(r->tap);
	}
	http_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "Could not enable %s profiling: %s",
		   kind_name(r->kind), strerror(-result));
}

void http_collect(struct http_request *r, uint64_t seconds)
{
	if (http_get_stats(r->http)->profiles_active >= HTTP_MAX_PROFILES) {
		http_count_refused(r->http);
		http_error(r, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "Could not enable %s profiling: %d profiles are under way",
			   kind_name(r->kind), HTTP_MAX_PROFILES);
		http_header(r, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER);
		return;
	}
	/* Of waits it is not known yet which will be in the profile. */
	if (r->kind == ABI_KIND_CPU)
		r->ahead = pprof_ahead_new(profiler_symbolizer(r->manager->profiler));
	start(r, seconds);
}

void http_profile(struct http_request *r)
{
	_cleanup_free_ char *text = http_parameters(r);
	char value[HTTP_VALUE_LEN] = "";
	uint64_t seconds;

	if (!text)
		return;
	r->kind = ABI_KIND_CPU;
	http_query_get(text, "seconds", value);
	seconds = http_profile_seconds(value);
	if (seconds > HTTP_MAX_SECONDS) {
		http_error(r, MHD_HTTP_BAD_REQUEST,
			   "profile duration exceeds server's WriteTimeout (%d s)",
			   HTTP_MAX_SECONDS);
		return;
	}
	if (http_select(r, text, HTTP_SELECT_PRESENT, &r->selection))
		http_collect(r, seconds);
}

struct pprof_options http_pprof_options(const struct http_request *r)
{
	return (struct pprof_options){
		.kind = r->kind,
		.selection = &r->selection,
		.filter = r->filter,
		.wakers = r->wakers,
		.period = profiler_period(r->manager->profiler),
	};
}

void http_reply_profile(struct http_request *r, void *data, size_t size, const char *suffix)
{
	static const char *const names[] = {
		[ABI_KIND_CPU] = "profile",
		[ABI_KIND_BLOCK] = "block",
		[ABI_KIND_MUTEX] = "mutex",
	};
	char disposition[64];

	snprintf(disposition, sizeof(disposition), "attachment; filename=\"%s%s\"", names[r->kind],
		 suffix);
	http_reply(r, MHD_HTTP_OK, BINARY, data, size);
	http_header(r, MHD_HTTP_HEADER_CONTENT_DISPOSITION, disposition);
}

void http_profile_done(struct http_request *r)
{
	struct profiler *p = r->manager->profiler;
	struct pprof_options o = http_pprof_options(r);
	struct http_wait_comments comments;
	void *data;
	size_t size;
	int result;

	if (!http_select_still_allowed(r)) {
		http_error(
			r, MHD_HTTP_FORBIDDEN,
			"a selected process belongs to another user now, or has run a program "
			"that is set-uid, has capabilities, or is gone; to see it, be root or in "
			"group " ACCESS_GROUP);
		return;
	}
	o.ahead = r->ahead;
	o.time = (int64_t)window_start(r->window) + profiler_wall_offset(p);
	o.duration = (int64_t)(window_end(r->window) - window_start(r->window));
	if (r->kind != ABI_KIND_CPU) {
		http_wait_comments(r->manager, &comments);
		o.comments = comments.lines;
	}
	result = pprof_encode(&r->window, 1, &o, profiler_symbolizer(p), &data, &size, NULL);
	r->ahead = pprof_ahead_free(r->ahead);
	symbolizer_trim(profiler_symbolizer(p));
	if (result < 0) {
		http_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "Could not encode the profile: %s",
			   strerror(-result));
		return;
	}
	http_reply_profile(r, data, size, r->kind == ABI_KIND_CPU ? "" : "-delta");
}

/*
 * POST /finish?id=ID: the profile that was asked for with the header "X-Profd-Id: ID" is answered
 * now, with what there is. Whoever knows the id may do that.
 */
void http_end_early(struct http_request *r)
{
	uint64_t now = clock_monotonic_ns();
	char id[HTTP_VALUE_LEN] = "";
	struct http_request *profile;
	char *text;

	if (!r->is_post) {
		http_error(r, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed; use POST");
		http_header(r, MHD_HTTP_HEADER_ALLOW, "POST");
		return;
	}
	http_query_get(r->query, "id", id);
	profile = http_find_profile(r->http, id);
	if (!profile) {
		http_error(r, MHD_HTTP_NOT_FOUND, "no profile is collected under this id");
		return;
	}
	/* What happened up to now belongs to it; that may also bring it to its end. */
	profiler_drain(r->manager->profiler, now);
	if (profile->tap)
		profiler_tap_finish(profile->tap, now);
	text = strdup("ok\n");
	if (text)
		http_reply(r, MHD_HTTP_OK, HTTP_TEXT, text, strlen(text));
}

void http_cmdline(struct http_request *r)
{
	struct selection s;
	uint32_t pid = 0;
	char path[48], *data;
	size_t size;
	int result;

	if (!http_select(r, r->query, HTTP_SELECT_PRESENT, &s))
		return;
	if (!selection_is_everything(&s)) {
		pid = http_select_first(r, &s);
		if (pid == 0) {
			selection_done(&s);
			http_error(r, MHD_HTTP_NOT_FOUND, "the process has ended");
			return;
		}
	}
	selection_done(&s);
	snprintf(path, sizeof(path), pid ? "/proc/%" PRIu32 "/cmdline" : "/proc/self/cmdline", pid);
	result = file_read(AT_FDCWD, path, CMDLINE_MAX_BYTES, &data, &size);
	if (result < 0) {
		http_error(r, MHD_HTTP_NOT_FOUND, "%s: %s", path, strerror(-result));
		return;
	}
	/* Go joins the arguments by NUL; /proc also ends the last one. */
	if (size > 0 && data[size - 1] == '\0')
		size--;
	http_reply(r, MHD_HTTP_OK, HTTP_TEXT, data, size);
}
