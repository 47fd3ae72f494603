/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who ended waits, held until the waits themselves come: a waker is known when it wakes, the
 * wait when the thread that waited has returned. Bounded in number and time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct frame;
struct process;
struct sample;
struct waker;
struct wakers;

#define WAKERS_MAX     4096
#define WAKERS_HOLD_NS 5000000000ULL

/* What a waker is for: one wait of one thread. */
struct waker_key {
	uint64_t since; /* when the wait began */
	uint64_t tid;
};

struct waker {
	struct process *process; /* a reference */
	size_t n_frames;
	struct frame *frames; /* with references to their executables */
};

struct wakers *wakers_new(void);
struct wakers *wakers_free(struct wakers *w);

/* Takes a copy of the stack of @s. -ENOMEM or 0. A second one for the same wait replaces it. */
int wakers_put(struct wakers *w, const struct waker_key *key, const struct sample *s);
/* The waker of a wait; NULL if there is none. The caller frees it. */
struct waker *wakers_take(struct wakers *w, const struct waker_key *key);
struct waker *waker_free(struct waker *one);

/* Gives up those that are too old at @now, the time of the stream. */
void wakers_expire(struct wakers *w, uint64_t now);
/* How many were given up, or replaced, so far. */
uint64_t wakers_given_up(const struct wakers *w);
