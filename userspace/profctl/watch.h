/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is looked at besides samples while a collection runs: signals, keys, processes that may end.
 * The collecting loop polls the descriptors beside its own and asks what to do.
 */
#pragma once

#include <poll.h>
#include <stdint.h>

#include "profile/selection.h"

#define WATCH_TICK_NS 200000000ULL
/* A descriptor for each selected process, the signals, the keyboard and a program. */
#define WATCH_MAX_FDS (SELECTION_MAX_PIDS + 3)

enum watch_answer {
	WATCH_GO_ON,
	WATCH_FINISH, /* end now, keep what there is */
	WATCH_ABORT,  /* give up */
};

struct watch {
	struct pollfd *fds; /* at most WATCH_MAX_FDS; one with fd -1 is not looked at */
	nfds_t n_fds;
	/* Called every WATCH_TICK_NS and when a descriptor is ready (see its revents). */
	enum watch_answer (*look)(void *userdata);
	void *userdata;
};
