/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon, over HTTP on its Unix socket. One request at a time; a profile request also looks
 * after what else may happen meanwhile (watch.h).
 *
 * A recording is ended early by a second request: the first carries "X-Profd-Id: HEX", and
 * POST /finish?id=HEX makes the daemon answer it with what there is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "profctl/wanted.h"
#include "profctl/watch.h"

struct client;
struct child;
struct selection;

/* The daemon answers a socket at @path: 0, or why not (-ENOENT, -ECONNREFUSED, -EACCES, ...). */
int client_probe(const char *path);

int client_new(const char *socket, struct client **ret, struct error *e);
struct client *client_free(struct client *c);

/* What a request brought. The body ends with a NUL that size does not count. */
struct reply {
	char *body;
	size_t size;
};

/* GET of a short text. An error (also a status other than 200) is in words in @e. Caller frees. */
int client_get(struct client *c, const char *path, struct reply *ret, struct error *e);

struct client_profile {
	const struct selection *selection;
	const struct wanted *wanted;
	uint64_t duration;   /* ns; 0 = until @watch says so */
	struct child *child; /* held; let go when the daemon is recording; NULL = none */
	const struct watch *watch;
};

/*
 * A profile of each kind that is wanted; recorded_done() frees them, also after an error. -ESRCH:
 * the selection matches no process; -ECANCELED: @watch gave up; others with words in @e.
 */
int client_profile(struct client *c, const struct client_profile *r,
		   struct recorded ret[static WANTED_MAX], struct error *e);

/* The path and query of such a request for one kind. Caller frees; NULL when out of memory. */
char *client_profile_path(const struct selection *s, const struct wanted *wanted, uint8_t kind,
			  unsigned int seconds);
