/* SPDX-License-Identifier: Apache-2.0 */
/* What a URL asks for: pure functions over text. Nothing here knows of connections. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/selection.h"

#define HTTP_DEFAULT_SECONDS 30
#define HTTP_VALUE_LEN	     256 /* longer names of processes and units do not exist */

/* X(NAME, "what it is called in metrics") */
#define HTTP_ENDPOINTS(X)                                                                          \
	X(UNKNOWN, "unknown")                                                                      \
	X(REDIRECT, "redirect")                                                                    \
	X(HOME, "home")                                                                            \
	X(INDEX, "index")                                                                          \
	X(PROFILE, "profile")                                                                      \
	X(BLOCK, "block")                                                                          \
	X(MUTEX, "mutex")                                                                          \
	X(CMDLINE, "cmdline")                                                                      \
	X(SYMBOL, "symbol")                                                                        \
	X(UNKNOWN_PROFILE, "unknown_profile")                                                      \
	X(METRICS, "metrics")                                                                      \
	X(HEALTHZ, "healthz")                                                                      \
	X(FINISH, "finish")                                                                        \
	X(PROCESSES, "processes")                                                                  \
	X(STATUS, "status")                                                                        \
	X(EXECUTABLES, "executables")

enum http_endpoint {
#define X(name, text) HTTP_##name,
	HTTP_ENDPOINTS(X)
#undef X
		HTTP_ENDPOINTS_COUNT
};

enum http_selector {
	HTTP_SELECT_NONE,
	HTTP_SELECT_PID,
	HTTP_SELECT_COMM,
	HTTP_SELECT_UNIT,
	HTTP_SELECT_CONTAINER,
};

struct http_route {
	enum http_endpoint endpoint;
	enum http_selector selector;
	char value[HTTP_VALUE_LEN]; /* of the prefix, decoded */
	char *location;		    /* REDIRECT: where to; to be freed */
};

/* The route of a path (what is before '?'), still percent-encoded. -ENOMEM or 0. */
int http_route_parse(const char *path, struct http_route *ret);

/* Decodes %XX; with @plus also '+' as a space. -EINVAL, -ENOSPC; the text must hold no NUL. */
int http_decode(const char *text, size_t length, bool plus, char *ret, size_t size);

/*
 * The next key=value of a query or form, decoded; moves *@query behind it. Pairs that are badly
 * encoded, too long or hold ';' are passed over, as Go does. False at the end.
 */
bool http_query_next(const char **query, char key[static HTTP_VALUE_LEN],
		     char value[static HTTP_VALUE_LEN]);
/* The first value of a key; false if it is not there. */
bool http_query_get(const char *query, const char *key, char value[static HTTP_VALUE_LEN]);

/* Go's rule for profile?seconds=: what is missing, no base-10 integer, 0 or negative means 30. */
uint64_t http_profile_seconds(const char *value);

/* Go's rule for a delta, as block?seconds=: a base-10 integer from 1 on. 0 = it is none. */
uint64_t http_delta_seconds(const char *value);
/* Go's rule for debug=: what is missing or no integer is 0. */
bool http_wants_text(const char *value);

/*
 * The selection of a route and of a query (pid, comm, unit, container; pid may be repeated).
 * -EINVAL: *@ret_bad says which value is wrong, in words. selection_done() frees it.
 */
int http_selection(const struct http_route *route, const char *query, struct selection *ret,
		   const char **ret_bad);
