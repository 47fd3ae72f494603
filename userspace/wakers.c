/* SPDX-License-Identifier: Apache-2.0 */
/* uthash keeps the order of insertion, which is that of time: the oldest come first. */
#include "wakers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* No exit() in the library: an entry that finds no memory is not added. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/sample.h"

struct held {
	struct waker waker; /* must be first: it is what is handed out */
	struct waker_key key;
	uint64_t time;
	UT_hash_handle hh;
	struct frame frames[];
};

struct wakers {
	struct held *held;
	uint64_t given_up;
};

struct wakers *wakers_new(void)
{
	return calloc(1, sizeof(struct wakers));
}

struct waker *waker_free(struct waker *one)
{
	if (!one)
		return NULL;
	for (size_t i = 0; i < one->n_frames; i++)
		if (one->frames[i].executable)
			executable_unref(one->frames[i].executable);
	process_unref(one->process);
	free(one);
	return NULL;
}

static void give_up(struct wakers *w, struct held *one)
{
	HASH_DEL(w->held, one);
	w->given_up++;
	waker_free(&one->waker);
}

struct wakers *wakers_free(struct wakers *w)
{
	if (!w)
		return NULL;
	while (w->held)
		give_up(w, w->held);
	free(w);
	return NULL;
}

int wakers_put(struct wakers *w, const struct waker_key *key, const struct sample *s)
{
	struct held *one = calloc(1, sizeof(*one) + s->n_frames * sizeof(one->frames[0]));
	uint32_t hash = hash_bytes(key, sizeof(*key));
	struct held *before;

	if (!one)
		return -ENOMEM;
	HASH_FIND_BYHASHVALUE(hh, w->held, key, sizeof(*key), hash, before);
	if (before)
		give_up(w, before);
	if (HASH_COUNT(w->held) >= WAKERS_MAX)
		give_up(w, w->held);
	one->key = *key;
	one->time = s->time;
	HASH_ADD_BYHASHVALUE(hh, w->held, key, sizeof(one->key), hash, one);
	if (!one->hh.tbl) {
		free(one);
		return -ENOMEM;
	}
	one->waker = (struct waker){
		.process = process_ref(s->process),
		.n_frames = s->n_frames,
		.frames = one->frames,
	};
	for (size_t i = 0; i < s->n_frames; i++) {
		one->frames[i] = s->frames[i];
		if (one->frames[i].executable)
			executable_ref(one->frames[i].executable);
	}
	return 0;
}

struct waker *wakers_take(struct wakers *w, const struct waker_key *key)
{
	struct held *one;

	HASH_FIND_BYHASHVALUE(hh, w->held, key, sizeof(*key), hash_bytes(key, sizeof(*key)), one);
	if (!one)
		return NULL;
	HASH_DEL(w->held, one);
	return &one->waker;
}

void wakers_expire(struct wakers *w, uint64_t now)
{
	while (w->held && w->held->time + WAKERS_HOLD_NS < now)
		give_up(w, w->held);
}

uint64_t wakers_given_up(const struct wakers *w)
{
	return w->given_up;
}
