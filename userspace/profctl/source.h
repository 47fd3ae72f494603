/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where profiles come from: the daemon, where there is one, else this process, as root. What is
 * above does not know which.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "profctl/wanted.h"
#include "profctl/watch.h"

struct client;
struct child;
struct local;
struct arguments;
struct selection;

struct source {
	struct client *client; /* either this */
	struct local *local;   /* or that */
};

struct source_options {
	bool prefer_local;	/* root collects by itself even if there is a daemon */
	uint64_t line_patience; /* as of struct local_options; the daemon has its own */
};

/*
 * Decides and prepares.
 * -ENOTCONN: neither way is open; @e says how each can be opened.
 */
int source_open(const struct arguments *a, const struct source_options *o, struct source *ret,
		struct error *e);
void source_close(struct source *s);

/* "the daemon" or "this process", for messages. */
const char *source_name(const struct source *s);

struct source_request {
	const struct selection *selection;
	const struct wanted *wanted;
	uint64_t duration; /* ns; 0 = until @watch says so */
	struct child *child;
	const struct watch *watch;
};

/*
 * A gzip-compressed profile of each kind that is wanted; recorded_done() frees them. -ESRCH: no
 * process matches; -ECANCELED: @watch gave up.
 */
int source_profile(struct source *s, const struct source_request *r,
		   struct recorded ret[static WANTED_MAX], struct error *e);
