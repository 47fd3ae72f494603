/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "profctl/client.h"
#include "profctl/child.h"
#include "profctl/local.h"
#include "profctl/arguments.h"
#include "profctl/text.h"
#include "profile/window.h"

static int open_local(const struct arguments *a, const struct source_options *o, struct source *ret,
		      struct error *e)
{
	const struct local_options local = {
		.frequency = a->frequency,
		.wanted = &a->wanted,
		.line_patience = o->line_patience,
	};

	*ret = (struct source){};
	return local_new(&local, &ret->local, e);
}

/* Does the daemon sample as often as @frequency asks? 1, 0 or -errno. */
static int frequency_agrees(struct client *c, uint32_t frequency, unsigned long *ret_daemons,
			    struct error *e)
{
	_cleanup_free_ char *body = NULL;
	struct reply reply;
	char value[32];
	int r;

	r = client_get(c, "/status", &reply, e);
	if (r < 0)
		return r;
	body = reply.body;
	if (text_value(body, "frequency", value, sizeof(value)) < 0)
		return error_set(e, EPROTO, "the daemon does not say how often it samples");
	*ret_daemons = strtoul(value, NULL, 10);
	return *ret_daemons == frequency;
}

static int open_daemon(const struct arguments *a, const struct source_options *o,
		       struct source *ret, struct error *e)
{
	struct client *client;
	unsigned long daemons = 0;
	int r;

	r = client_new(a->socket, &client, e);
	if (r < 0)
		return r;
	r = a->frequency ? frequency_agrees(client, a->frequency, &daemons, e) : 1;
	if (r > 0) {
		*ret = (struct source){ .client = client };
		return 0;
	}
	client_free(client);
	if (r < 0)
		return r;
	if (geteuid() == 0)
		return open_local(a, o, ret, e);
	return error_set(e, EPERM,
			 "--frequency %u: the daemon samples at %lu Hz; leave it out, or run "
			 "profctl as root",
			 a->frequency, daemons);
}

int source_open(const struct arguments *a, const struct source_options *o, struct source *ret,
		struct error *e)
{
	bool root = geteuid() == 0;
	int r;

	if (a->local && !root)
		return error_set(e, ENOTCONN, "--local: collecting without the daemon needs root");
	if (a->local || (o->prefer_local && root))
		return open_local(a, o, ret, e);
	r = client_probe(a->socket);
	if (r == 0)
		return open_daemon(a, o, ret, e);
	if (root)
		return open_local(a, o, ret, e);
	if (r == -EACCES)
		return error_set(e, ENOTCONN,
				 "no permission to talk to the daemon at %s: run profctl as root, "
				 "or ask to be "
				 "let in",
				 a->socket);
	return error_set(
		e, ENOTCONN,
		"no daemon at %s (%s): start profd, or run profctl as root to collect without it",
		a->socket, strerror(-r));
}

void source_close(struct source *s)
{
	s->client = client_free(s->client);
	s->local = local_free(s->local);
}

const char *source_name(const struct source *s)
{
	return s->client ? "the daemon" : "this process";
}

static int profile_from_daemon(struct source *s, const struct source_request *r,
			       struct recorded ret[static WANTED_MAX], struct error *e)
{
	struct selection selection = *r->selection;
	const struct client_profile request = {
		.selection = &selection,
		.wanted = r->wanted,
		.duration = r->duration,
		.child = r->child,
		.watch = r->watch,
	};

	if (r->child) {
		selection.pids[0] = (uint32_t)r->child->pid;
		selection.n_pids = 1;
	}
	return client_profile(s->client, &request, ret, e);
}

static int encode_each(struct source *s, const struct source_request *r, struct window *w,
		       struct recorded ret[static WANTED_MAX], struct error *e)
{
	int result = 0;

	for (size_t i = 0; i < r->wanted->n && result == 0; i++)
		result = local_encode(s->local, w, r->wanted, r->wanted->kinds[i], &ret[i], e);
	return result;
}

static int profile_from_here(struct source *s, const struct source_request *r,
			     struct recorded ret[static WANTED_MAX], struct error *e)
{
	const struct local_request request = {
		.selection = r->selection,
		.wanted = r->wanted,
		.duration = r->duration,
		.child = r->child,
		.watch = r->watch,
	};
	struct window *window;
	int result;

	result = local_collect(s->local, &request, &window, e);
	if (result < 0)
		return result;
	result = encode_each(s, r, window, ret, e);
	window_free(window);
	return result;
}

int source_profile(struct source *s, const struct source_request *r,
		   struct recorded ret[static WANTED_MAX], struct error *e)
{
	struct recorded list[WANTED_MAX] = { 0 };
	int result =
		s->client ? profile_from_daemon(s, r, list, e) : profile_from_here(s, r, list, e);

	if (result < 0)
		recorded_done(list);
	else
		memcpy(ret, list, sizeof(list));
	return result;
}
