/* SPDX-License-Identifier: Apache-2.0 */
/* Which kinds of profile were asked for, and what of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/pprof.h"
#include "profile/wait.h"

#define WANTED_MAX 3

struct wanted {
	uint8_t kinds[WANTED_MAX]; /* enum abi_sample_kind, each once */
	size_t n;
	const char *reasons, *locks; /* as they were given; NULL = the default */
	bool wakers;
};

/* CPU alone: what is meant where nothing is said. */
extern const struct wanted wanted_cpu;

/* "cpu,block": adds these. -EINVAL if a word is no kind. */
int wanted_add(struct wanted *w, const char *text);
/* "cpu", "block", "mutex" */
const char *wanted_name(uint8_t kind);
bool wanted_has_waits(const struct wanted *w);

/* What to tell the encoder of one of the kinds. The words were checked before. */
struct wait_filter wanted_filter(const struct wanted *w, uint8_t kind);
enum pprof_wakers wanted_wakers(const struct wanted *w, uint8_t kind);

/* A profile of each kind, in the order of the kinds. */
struct recorded {
	void *data;
	size_t size;
};

void recorded_done(struct recorded list[static WANTED_MAX]);
