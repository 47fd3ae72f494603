/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT and SIGTERM as a descriptor: they are looked at where the loop is ready for them. The mask
 * from before is kept for programs that profctl starts.
 */
#pragma once

#include <signal.h>

struct signals {
	int fd;
	sigset_t before;
};

/* Blocks them. 0 or -errno. */
int signals_block(struct signals *ret);
/* The number of a signal that came, 0 if none did. Does not wait. */
int signals_take(struct signals *s);
/* Closes and unblocks; @s was filled by signals_block(), or its fd is -1. */
void signals_done(struct signals *s);
