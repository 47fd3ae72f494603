/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request of a client on its way, for the sources of the client only. Several may be under
 * way at one time; libcurl moves them all on.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "profctl/client.h"

struct client {
	char *socket;
	CURLM *multi;
};

struct exchange {
	CURL *easy;
	struct reply reply;
	size_t allocated;
	bool too_big;
	bool done; /* @result is how it ended */
	CURLcode result;
};

/* @path begins with a slash. Fills @x, which is to be ended whatever the result. -ENOMEM or 0. */
int exchange_begin(struct client *c, struct exchange *x, const char *path, long timeout_s);
/* Gives up what is not over, frees. Accepts one that never began. */
void exchange_end(struct client *c, struct exchange *x);

/* Moves requests on; those of @x that are over are marked done. Does not wait. */
int exchange_perform(struct client *c, struct exchange *x, size_t n);

/* The status of a request that is over, or -errno with words if there was no answer. */
int exchange_status(const struct client *c, const struct exchange *x, struct error *e);
/* The error that a status other than 200 is, in the daemon's own words if it has some. */
int exchange_refusal(const struct exchange *x, int status, struct error *e);
/* Takes the answer out of a request that is over. */
int exchange_take(const struct client *c, struct exchange *x, struct reply *ret, struct error *e);
