/* SPDX-License-Identifier: Apache-2.0 */
/* A profile from the daemon: asking, waiting, ending early. */
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profctl/child.h"
#include "profctl/client.h"
#include "profctl/exchange.h"
#include "profctl/profctl.h"
#include "profile/selection.h"

#define FINISH_TIMEOUT_S 10
/* What is asked for when the end is not known: the most that the daemon grants one request. */
#define OPEN_SECONDS 3600
/* Encoding and naming what was recorded, on a busy machine. */
#define ANSWER_TIMEOUT_S 60
/*
 * A request that was not refused within this time is being served; and a process that the daemon
 * does not know yet is one of which it has not read yet (it drains every 200 ms).
 */
#define SETTLE_NS   (150 * NS_PER_MS)
#define MAX_REFUSED 8

#define ID_BYTES 16

/* Adds "?key=value" or "&key=value" to the query @f writes. */
static void add_parameter(FILE *f, bool *first, const char *key, const char *value)
{
	fprintf(f, "%c%s=%s", *first ? '?' : '&', key, value);
	*first = false;
}

/* A selection by one thing is a prefix, as anybody would write it; more are in the query. */
/* What is asked of a profile of waits. The words were checked: none needs to be encoded. */
static void add_waits(FILE *f, bool *first, const struct wanted *wanted, uint8_t kind)
{
	if (kind == ABI_KIND_CPU)
		return;
	if (wanted->reasons)
		add_parameter(f, first, "reason", wanted->reasons);
	if (wanted->locks)
		add_parameter(f, first, "lock", wanted->locks);
	if (wanted_wakers(wanted, kind))
		add_parameter(f, first, "wakers", "1");
}

char *client_profile_path(const struct selection *s, const struct wanted *wanted, uint8_t kind,
			  unsigned int seconds)
{
	char *comm = s->comm ? curl_easy_escape(NULL, s->comm, 0) : NULL;
	char *unit = s->unit ? curl_easy_escape(NULL, s->unit, 0) : NULL;
	char *path = NULL, number[16];
	bool one = s->n_pids + !!s->comm + !!s->unit == 1, first = true;
	size_t size;
	FILE *f = open_memstream(&path, &size);

	if (f) {
		if (one && unit)
			fprintf(f, "/unit/%s", unit);
		else if (one && comm)
			fprintf(f, "/comm/%s", comm);
		else if (one)
			fprintf(f, "/pid/%u", s->pids[0]);
		fprintf(f, "/debug/pprof/%s", kind == ABI_KIND_CPU ? "profile" : wanted_name(kind));
		snprintf(number, sizeof(number), "%u", seconds);
		add_parameter(f, &first, "seconds", number);
		add_waits(f, &first, wanted, kind);
		if (!one && unit)
			add_parameter(f, &first, "unit", unit);
		if (!one && comm)
			add_parameter(f, &first, "comm", comm);
		for (size_t i = 0; !one && i < s->n_pids; i++) {
			snprintf(number, sizeof(number), "%u", s->pids[i]);
			add_parameter(f, &first, "pid", number);
		}
		if (fclose(f) != 0) {
			free(path);
			path = NULL;
		}
	}
	curl_free(comm);
	curl_free(unit);
	return path;
}

/* One profile: the request for it, and the one that ends it early. */
enum { PROFILE, FINISH, N_EXCHANGES };

struct part {
	struct curl_slist *headers;
	char id[2 * ID_BYTES + 1];
};

struct recording {
	struct client *client;
	const struct client_profile *request;
	struct exchange x[WANTED_MAX][N_EXCHANGES];
	struct part parts[WANTED_MAX];
	size_t n;	/* profiles */
	uint64_t asked; /* when the requests left */
	uint64_t end;	/* when it is to be ended; UINT64_MAX = the daemon does it */
	bool finishing;
	unsigned int refused; /* how often a held program was not known yet */
};

/* The daemon counts in whole seconds; the rest is cut off by ending early. */
static unsigned int whole_seconds(uint64_t duration)
{
	if (!duration)
		return OPEN_SECONDS;
	return (unsigned int)((duration + NS_PER_S - 1) / NS_PER_S);
}

static int ask_one(struct recording *rec, size_t i)
{
	const struct client_profile *r = rec->request;
	unsigned int seconds = whole_seconds(r->duration);
	_cleanup_free_ char *path =
		client_profile_path(r->selection, r->wanted, r->wanted->kinds[i], seconds);
	struct exchange *x = &rec->x[i][PROFILE];
	int result;

	if (!path)
		return -ENOMEM;
	result = exchange_begin(rec->client, x, path, (long)seconds + ANSWER_TIMEOUT_S);
	if (result == 0)
		curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, rec->parts[i].headers);
	return result;
}

static int recording_ask(struct recording *rec)
{
	uint64_t duration = rec->request->duration;
	int result = 0;

	for (size_t i = 0; i < rec->n && result == 0; i++)
		result = ask_one(rec, i);
	rec->asked = clock_monotonic_ns();
	rec->end = UINT64_MAX;
	if (duration % NS_PER_S)
		rec->end = rec->asked + duration;
	return result;
}

static int part_begin(struct part *p)
{
	unsigned char random[ID_BYTES];
	char header[64];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < ID_BYTES; i++)
		sprintf(p->id + 2 * i, "%02x", random[i]);
	snprintf(header, sizeof(header), "X-Profd-Id: %s", p->id);
	p->headers = curl_slist_append(NULL, header);
	return p->headers ? 0 : -ENOMEM;
}

static int recording_begin(struct recording *rec)
{
	rec->n = rec->request->wanted->n;
	for (size_t i = 0; i < rec->n; i++) {
		int r = part_begin(&rec->parts[i]);

		if (r < 0)
			return r;
	}
	return recording_ask(rec);
}

static int finish_one(struct recording *rec, size_t i)
{
	struct exchange *x = &rec->x[i][FINISH];
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/finish?id=%s", rec->parts[i].id);
	r = exchange_begin(rec->client, x, path, FINISH_TIMEOUT_S);
	if (r < 0)
		return r;
	curl_easy_setopt(x->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE, 0L);
	return 0;
}

static int recording_finish(struct recording *rec)
{
	int r = 0;

	if (rec->finishing)
		return 0;
	rec->finishing = true;
	for (size_t i = 0; i < rec->n && r == 0; i++)
		if (!rec->x[i][PROFILE].done)
			r = finish_one(rec, i);
	return r;
}

/* The daemon would not end the recording early: its own end has to be waited for. */
static void check_finish(struct recording *rec, size_t i)
{
	struct exchange *x = &rec->x[i][FINISH];
	struct error why = {};
	int status;

	if (!x->done || rec->x[i][PROFILE].done)
		return;
	x->done = false;
	status = exchange_status(rec->client, x, &why);
	if (status >= 200 && status < 300)
		return;
	if (status >= 0)
		exchange_refusal(x, status, &why);
	complain("the recording cannot be ended early (%s); waiting for its end, Ctrl-C again "
		 "gives up",
		 why.text);
}

/* A held program is let go once the daemon records it; a 404 may only mean "not known yet". */
static bool is_held(const struct recording *rec)
{
	return rec->request->child && rec->request->child->gate >= 0;
}

static long status_of(const struct recording *rec, size_t i)
{
	long status = 0;

	curl_easy_getinfo(rec->x[i][PROFILE].easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static size_t count_done(const struct recording *rec)
{
	size_t n = 0;

	for (size_t i = 0; i < rec->n; i++)
		n += rec->x[i][PROFILE].done;
	return n;
}

/* One that is over and is no profile: the others are of no use. rec->n = there is none. */
static size_t find_refused(const struct recording *rec)
{
	size_t i = 0;

	while (i < rec->n && !(rec->x[i][PROFILE].done && status_of(rec, i) != 200))
		i++;
	return i;
}

static bool may_ask_again(const struct recording *rec)
{
	size_t i = find_refused(rec);

	return is_held(rec) && i < rec->n && status_of(rec, i) == 404 && rec->refused < MAX_REFUSED;
}

static int look_after_command(struct recording *rec, struct error *e)
{
	if (!is_held(rec) || clock_monotonic_ns() < rec->asked + SETTLE_NS)
		return 0;
	if (!count_done(rec))
		return child_release(rec->request->child, e);
	rec->refused++;
	for (size_t i = 0; i < rec->n; i++)
		exchange_end(rec->client, &rec->x[i][PROFILE]);
	return recording_ask(rec) < 0 ? error_set(e, ENOMEM, "out of memory") : 0;
}

/* Waits for the network and for what is watched, at most a tick. */
static void wait_for_something(struct recording *rec)
{
	const struct watch *watch = rec->request->watch;
	struct curl_waitfd fds[WATCH_MAX_FDS];
	uint64_t now = clock_monotonic_ns(), wait = WATCH_TICK_NS;
	uint64_t until = rec->finishing ? UINT64_MAX : rec->end;
	unsigned int n = 0;

	if (is_held(rec))
		until = MIN(until, rec->asked + SETTLE_NS);
	for (nfds_t i = 0; i < watch->n_fds && i < WATCH_MAX_FDS; i++)
		if (watch->fds[i].fd >= 0)
			fds[n++] = (struct curl_waitfd){ .fd = watch->fds[i].fd,
							 .events = CURL_WAIT_POLLIN };
	if (until != UINT64_MAX)
		wait = until > now ? MIN(wait, until - now) : 0;
	curl_multi_poll(rec->client->multi, fds, n, (int)((wait + NS_PER_MS - 1) / NS_PER_MS),
			NULL);
	/* Which are ready is asked again: the order and number of entries differ. */
	poll(watch->fds, watch->n_fds, 0);
}

static int recording_step(struct recording *rec, struct error *e)
{
	const struct watch *watch = rec->request->watch;
	int r;

	switch (watch->look(watch->userdata)) {
	case WATCH_ABORT:
		return error_set(e, ECANCELED, "interrupted");
	case WATCH_FINISH:
		rec->end = 0;
		break;
	case WATCH_GO_ON:
		break;
	}
	if (rec->end <= clock_monotonic_ns() && count_done(rec) < rec->n) {
		r = recording_finish(rec);
		if (r < 0)
			return error_set(e, -r, "out of memory");
	}
	for (size_t i = 0; i < rec->n; i++)
		check_finish(rec, i);
	return 0;
}

static int recording_take(struct recording *rec, struct recorded ret[static WANTED_MAX],
			  struct error *e)
{
	size_t refused = find_refused(rec);
	struct reply reply;

	if (refused < rec->n)
		return exchange_take(rec->client, &rec->x[refused][PROFILE], &reply, e);
	for (size_t i = 0; i < rec->n; i++) {
		int r = exchange_take(rec->client, &rec->x[i][PROFILE], &reply, e);

		if (r < 0)
			return r;
		ret[i] = (struct recorded){ reply.body, reply.size };
	}
	return 0;
}

static int recording_run(struct recording *rec, struct recorded ret[static WANTED_MAX],
			 struct error *e)
{
	for (;;) {
		int r;

		if (exchange_perform(rec->client, rec->x[0], WANTED_MAX * N_EXCHANGES) < 0)
			return error_set(e, EIO, "libcurl failed");
		if ((find_refused(rec) < rec->n || count_done(rec) == rec->n) &&
		    !may_ask_again(rec))
			return recording_take(rec, ret, e);
		r = look_after_command(rec, e);
		if (r == 0)
			r = recording_step(rec, e);
		if (r < 0)
			return r;
		wait_for_something(rec);
	}
}

int client_profile(struct client *c, const struct client_profile *request,
		   struct recorded ret[static WANTED_MAX], struct error *e)
{
	struct recording rec = { .client = c, .request = request };
	int r;

	r = recording_begin(&rec);
	if (r < 0)
		error_set(e, -r, "cannot make a request: %s", strerror(-r));
	else
		r = recording_run(&rec, ret, e);
	for (size_t i = 0; i < rec.n; i++) {
		for (size_t k = 0; k < N_EXCHANGES; k++)
			exchange_end(c, &rec.x[i][k]);
		curl_slist_free_all(rec.parts[i].headers);
	}
	return r;
}
