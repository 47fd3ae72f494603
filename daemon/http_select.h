/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes a request is about, and which of them its client may see. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "profile/selection.h"

struct http_request;

/* What a profile is of. */
enum http_select_time {
	HTTP_SELECT_PRESENT, /* what processes will do */
	HTTP_SELECT_PAST,    /* what they did: also those that have ended */
};

/*
 * The selection of a request by its prefix and by @query. For a client that may not see everything
 * it is narrowed to its own processes that live: earlier and later owners of their pids may be
 * somebody else's. Of the past it gets what they did since their last exec: before it they may have
 * been somebody else's, such as a login's. False: it was answered (400, 403, or 404 if no
 * process matches). selection_done() frees it.
 */
bool http_select(struct http_request *r, const char *query, enum http_select_time time,
		 struct selection *ret);

/*
 * As http_select() narrows it for the past, without an answer: false if none of the processes is
 * the client's, or too many are.
 */
bool http_select_own(const struct http_request *r, struct selection *s);

/*
 * Whether none of the selected processes has become somebody else's: of those that live, by their
 * owner; of what was run and is over, by its program, which must be there and have no rights of its
 * own. To be asked when the request has its window.
 */
bool http_select_still_allowed(const struct http_request *r);

/* The lowest pid that matches and lives; 0 if there is none. */
uint32_t http_select_first(struct http_request *r, const struct selection *s);
