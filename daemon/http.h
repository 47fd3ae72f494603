/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP: one libmicrohttpd daemon per listening socket, all run by the event loop of the one thread.
 * A profile request is suspended while its tap collects; libmicrohttpd does not look at suspended
 * connections, so a client that leaves is noticed here, and its tap is given up.
 *
 * Slow clients cannot hold it: a request must have arrived, and a response be taken, within a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "http_route.h"

#define HTTP_MAX_PROFILES    32	  /* at one time; more get 503 */
#define HTTP_MAX_SECONDS     3600 /* of one profile */
#define HTTP_MAX_CONNECTIONS 128  /* per listener; more wait in the kernel's queue */

struct http;
struct listeners;
struct manager;

#define HTTP_COUNTERS(X)                                                                           \
	X(http_connections, "connections accepted")                                                \
	X(http_responses_ok, "responses with status 2xx or 3xx")                                   \
	X(http_responses_client_error, "responses with status 4xx")                                \
	X(http_responses_server_error, "responses with status 5xx")                                \
	X(http_clients_left, "clients that left before their profile was complete")                \
	X(http_clients_too_slow, "clients cut off because they sent or read too slowly")           \
	X(http_profiles_refused, "profile requests refused because too many were under way")

struct http_stats {
#define X(name, help) uint64_t name;
	HTTP_COUNTERS(X)
#undef X
	uint64_t requests[HTTP_ENDPOINTS_COUNT];
	uint64_t profiles_active, connections_active;
};

/* Takes the descriptors of @l. @m must outlive it. */
int http_new(struct manager *m, struct listeners *l, struct http **ret, struct error *e);
/* Answers what is under way with what there is; not after the profiler is gone. */
void http_finish(struct http *h, uint64_t now);
struct http *http_free(struct http *h);

/* To be called after each drain: answers the profiles that are complete, cuts off the slow. */
void http_tick(struct http *h, uint64_t now);

/* A profile request was turned away. */
void http_count_refused(struct http *h);
const struct http_stats *http_get_stats(const struct http *h);
