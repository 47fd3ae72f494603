/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is started to be profiled. It is forked first and held, so that collecting can
 * begin before its first instruction; child_release() lets it exec.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct child {
	char *const *argv; /* borrowed */
	pid_t pid;
	int pidfd;  /* readable when it has ended */
	int gate;   /* a byte lets it go, closing it makes it exit */
	int result; /* the errno of a failed exec, or the end of file */
};

/* Nothing started: what child_done() accepts. */
#define CHILD_NONE                                                                                 \
	{                                                                                          \
		.pid = -1, .pidfd = -1, .gate = -1, .result = -1                                   \
	}

/* Forks and holds it; the program will run with the signal mask @mask. */
int child_start(char *const argv[], const sigset_t *mask, struct child *ret, struct error *e);
/* Lets it exec. An error names the program and why it cannot be run. */
int child_release(struct child *c, struct error *e);
/* Waits for its end. Returns its exit status, as a shell says it: 128 + signal if it was killed. */
int child_wait(struct child *c);
/* Closes what is open. A program that is still held ends; one that runs goes on. */
void child_done(struct child *c);
