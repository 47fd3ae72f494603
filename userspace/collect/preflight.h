/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine and these rights allow profd to do, found out by looking and by trying: the
 * content of `profctl doctor`. It loads BPF and opens perf events for a moment and leaves nothing.
 */
#pragma once

#include <stddef.h>

enum preflight_status {
	PREFLIGHT_OK,
	PREFLIGHT_WARN, /* works, but something will be missing in the profiles */
	PREFLIGHT_FAIL, /* profd cannot sample here */
};

struct preflight_result {
	const char *name; /* a few words, static */
	enum preflight_status status;
	char found[256];  /* what there is */
	char remedy[512]; /* what to do; "" if nothing */
};

#define PREFLIGHT_MAX_RESULTS 16

/* Runs all checks in the order in which they are worth reading. Returns how many were written. */
size_t preflight_run(struct preflight_result ret[PREFLIGHT_MAX_RESULTS]);
