/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets: those that systemd hands over, else those of the options. A Unix socket that a
 * killed profd left behind is replaced; one that a living profd holds is -EBUSY. What tells them
 * apart is a lock on SOCKET.lock, which the kernel lets go of however its holder ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "base/error.h"
#include "options.h"

struct listener {
	int fd;
	bool is_unix;
	char name[ADDRESS_TEXT_LEN]; /* as for people: the real port, if any was asked for */
};

struct listeners {
	struct listener list[OPTIONS_MAX_LISTEN + 1];
	size_t n;
	bool activated; /* given by systemd */
	char *path;	/* of the Unix socket we made, to be removed; NULL = none */
	int lock_fd;
};

/* Opens all or none. -EADDRINUSE, -EBUSY, -EACCES, ... with the address in @e. */
int listeners_open(const struct options *o, struct listeners *ret, struct error *e);
/* Closes what is still ours (fd >= 0) and removes the Unix socket. */
void listeners_close(struct listeners *l);
