/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "http_clients.h"
#include "http_request.h"
#include "listener.h"
#include "manager.h"
#include "profile/pprof_ahead.h"
#include "profile/window.h"

#define IDLE_SECONDS	  15	      /* without a byte in either direction */
#define CONNECTION_MEMORY (32 * 1024) /* for request line and headers */
/* Not 0, which stands for sd-event's default of 250 ms: "at once" would mean that. */
#define TIMER_ACCURACY_USEC 1000
#define FINISH_ATTEMPTS	    100 /* of 10 ms: how long shutdown waits for its answers */

struct server {
	struct MHD_Daemon *daemon;
	sd_event_source *io;
};

struct http {
	struct manager *manager;
	struct server servers[ARRAY_SIZE(((struct listeners *)0)->list)];
	size_t n_servers;
	sd_event_source *timer; /* what libmicrohttpd would use as the timeout of its own poll */
	struct http_request *requests;
	struct http_client *clients;
	struct http_stats stats;
	bool crowded; /* a listener has as many connections as it may */
	bool ended;   /* a connection, since the library was run */
};

static void run(struct http *h);

static struct http_client *client_of(struct http_request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static int socket_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

static void request_free(struct http_request *r)
{
	sd_event_source_disable_unref(r->watch);
	profiler_tap_cancel(r->tap);
	pprof_ahead_free(r->ahead);
	window_free(r->window);
	if (r->response)
		MHD_destroy_response(r->response);
	selection_done(&r->selection);
	free(r->route.location);
	free(r->path);
	free(r->body);
	free(r);
}

/*
 * Parameters are read here, not by the library: it would note each of them in the connection's
 * memory, and when that is used up it answers nothing, reads nothing and waits for its idle timeout
 * (0.9.75). So it finds none. @uri is const for us and not for the library, whose buffer it is.
 */
static void hide_query(const char *uri)
{
	char *query = strchr(uri, '?');

	if (query)
		memset(query, 0, strlen(query));
}

/* A request line was read. What it returns is the request's context from now on. */
static void *on_uri(void *userdata, const char *uri, struct MHD_Connection *connection)
{
	struct http *h = userdata;
	struct http_request *r = calloc(1, sizeof(*r));
	char *query;

	if (!r)
		return NULL;
	r->http = h;
	r->manager = h->manager;
	r->connection = connection;
	r->path = strdup(uri);
	r->body = strdup("");
	if (!r->path || !r->body || http_route_parse("/", &r->route) < 0) {
		request_free(r);
		return NULL;
	}
	hide_query(uri);
	query = strchr(r->path, '?');
	r->query = query ? query + 1 : "";
	if (query)
		*query = '\0';
	DL_APPEND(h->requests, r);
	return r;
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct http *h = userdata;
	struct http_request *r = *context;

	(void)connection;
	(void)code;
	if (!r)
		return;
	http_client_set_state(client_of(r), HTTP_CLIENT_RECEIVING);
	DL_DELETE(h->requests, r);
	request_free(r);
	*context = NULL;
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http *h = userdata;
	struct http_client *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		h->ended = true;
		if (!c)
			return;
		http_client_remove(&h->clients, c);
		h->stats.connections_active--;
		*context = NULL;
		return;
	}
	h->stats.http_connections++;
	c = http_client_add(&h->clients, socket_of(connection));
	if (!c)
		return;
	h->stats.connections_active++;
	*context = c;
}

static enum MHD_Result send_response(struct http_request *r)
{
	struct http_stats *stats = &r->http->stats;
	enum MHD_Result result;

	if (!r->response)
		return MHD_NO; /* out of memory, or nobody is there: the connection is closed */
	if (r->status < 400)
		stats->http_responses_ok++;
	else if (r->status < 500)
		stats->http_responses_client_error++;
	else
		stats->http_responses_server_error++;
	http_client_set_state(client_of(r), HTTP_CLIENT_SENDING);
	result = MHD_queue_response(r->connection, r->status, r->response);
	MHD_destroy_response(r->response);
	r->response = NULL;
	return result;
}

/* libmicrohttpd calls it when the headers are there, for each piece of the body, at the end of the
 * request, and when a suspended connection was resumed. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *url, const char *method, const char *version,
				  const char *data, size_t *size, void **context)
{
	struct http_request *r = *context;

	(void)userdata;
	(void)connection;
	(void)url;
	(void)version;
	if (!r)
		return MHD_NO;
	if (!r->began) {
		http_receive_head(r, method);
		return MHD_YES;
	}
	if (*size) {
		http_receive_body(r, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!r->ready) {
		r->ready = true;
		r->access = access_of_socket(socket_of(r->connection));
		http_client_set_state(client_of(r), HTTP_CLIENT_WORKING);
		http_dispatch(r, method);
		r->http->stats.requests[r->route.endpoint]++;
	}
	return r->suspended ? MHD_YES : send_response(r);
}

struct http_request *http_find_profile(struct http *h, const char *id)
{
	struct http_request *r;

	DL_FOREACH(h->requests, r)
		if (r->tap && *r->id && strcmp(r->id, id) == 0)
			return r;
	return NULL;
}

/* Every request that was suspended comes by here once, whatever became of its profile. */
static void resume(struct http_request *r)
{
	r->suspended = false;
	r->http->stats.profiles_active--;
	r->watch = sd_event_source_disable_unref(r->watch);
	MHD_resume_connection(r->connection);
}

/* The client of a suspended request closed its end. */
static int on_left(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct http_request *r = userdata;
	struct http *h = r->http;

	(void)source;
	(void)fd;
	(void)events;
	r->tap = profiler_tap_cancel(r->tap);
	h->stats.http_clients_left++;
	resume(r);
	run(h);
	return 0;
}

int http_suspend(struct http_request *r)
{
	int fd = socket_of(r->connection), result;

	result = sd_event_add_io(r->manager->event, &r->watch, fd, EPOLLRDHUP | EPOLLHUP, on_left,
				 r);
	if (result < 0)
		return result;
	r->suspended = true;
	r->http->stats.profiles_active++;
	MHD_suspend_connection(r->connection);
	return 0;
}

/* Sets the timer to when libmicrohttpd wants to be called again (connection timeouts). */
static void set_timer(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG wait, shortest = 0;
	bool any = false;

	for (size_t i = 0; i < h->n_servers; i++)
		if (MHD_get_timeout(h->servers[i].daemon, &wait) == MHD_YES &&
		    (!any || wait < shortest)) {
			any = true;
			shortest = wait;
		}
	if (any)
		sd_event_source_set_time_relative(h->timer, shortest * 1000);
	sd_event_source_set_enabled(h->timer, any ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static bool any_is_full(const struct http *h)
{
	for (size_t i = 0; i < h->n_servers; i++) {
		const union MHD_DaemonInfo *info = MHD_get_daemon_info(
			h->servers[i].daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

		if (info && info->num_connections >= HTTP_MAX_CONNECTIONS)
			return true;
	}
	return false;
}

/*
 * A daemon that has all the connections it may, or for which there were no more descriptors, stops
 * to watch its listening socket, and takes that up again only when it is run after a connection has
 * ended: no event tells, so http_tick() runs it.
 */
static void run(struct http *h)
{
	h->ended = false;
	for (size_t i = 0; i < h->n_servers; i++)
		MHD_run(h->servers[i].daemon);
	h->crowded = any_is_full(h);
	set_timer(h);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	run(userdata);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	run(userdata);
	return 0;
}

static void on_library_message(void *userdata, const char *format, va_list args)
{
	/* What a client did wrong, and closed connections: of no use to anybody here. */
	(void)userdata;
	(void)format;
	(void)args;
}

static int add_server(struct http *h, struct listener *l)
{
	struct server *s = &h->servers[h->n_servers];
	const union MHD_DaemonInfo *info;

	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
		on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_library_message, NULL,
		MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)HTTP_MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, on_uri, h,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, h, MHD_OPTION_END);
	if (!s->daemon)
		return -EIO;
	l->fd = -1; /* the library closes it */
	h->n_servers++;
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	return sd_event_add_io(h->manager->event, &s->io, info->epoll_fd, EPOLLIN, on_io, h);
}

int http_new(struct manager *m, struct listeners *l, struct http **ret, struct error *e)
{
	struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return error_set(e, ENOMEM, "out of memory");
	h->manager = m;
	r = sd_event_add_time_relative(m->event, &h->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC,
				       on_timer, h);
	if (r >= 0)
		r = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	for (size_t i = 0; i < l->n && r >= 0; i++) {
		r = add_server(h, &l->list[i]);
		if (r < 0)
			error_set(e, -r, "%s: the HTTP server cannot be started: %s",
				  l->list[i].name, strerror(-r));
	}
	if (r < 0) {
		http_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

struct http *http_free(struct http *h)
{
	struct http_request *r;

	if (!h)
		return NULL;
	/* The library must not be stopped while a connection is suspended. */
	DL_FOREACH(h->requests, r)
		if (r->suspended)
			resume(r);
	for (size_t i = 0; i < h->n_servers; i++) {
		sd_event_source_disable_unref(h->servers[i].io);
		MHD_stop_daemon(h->servers[i].daemon);
	}
	sd_event_source_disable_unref(h->timer);
	free(h);
	return NULL;
}

/* Answers the profiles whose windows are there. */
static void answer_finished(struct http *h)
{
	struct http_request *r;
	bool any = false;

	DL_FOREACH(h->requests, r)
		if (r->suspended && r->window) {
			http_profile_done(r);
			resume(r);
			any = true;
		}
	if (any)
		run(h);
}

void http_tick(struct http *h, uint64_t now)
{
	answer_finished(h);
	h->stats.http_clients_too_slow += http_clients_cut_off(h->clients, now, h->crowded);
	if (h->ended)
		run(h);
}

void http_finish(struct http *h, uint64_t now)
{
	struct http_request *r, *next;

	DL_FOREACH_SAFE(h->requests, r, next)
		if (r->suspended && r->tap)
			profiler_tap_finish(r->tap, now);
	answer_finished(h);
	for (int i = 0; i < FINISH_ATTEMPTS && h->requests; i++) {
		run(h);
		poll(NULL, 0, 10);
	}
}

void http_count_refused(struct http *h)
{
	h->stats.http_profiles_refused++;
}

const struct http_stats *http_get_stats(const struct http *h)
{
	return &h->stats;
}
