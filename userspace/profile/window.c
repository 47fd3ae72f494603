/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything is interned: processes (by pointer, one reference each), stacks (window_stacks.h), and
 * the keys of the entries. Id n of the keys is element n - 1 of values.
 *
 * Two struct process of one process (before and after an exec) are two here; they meet, if at all,
 * when a profile is encoded.
 */
#include "profile/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/intern.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/saturate.h"
#include "profile/window_stacks.h"

struct entry_key {
	uint32_t process; /* id */
	uint32_t stack;	  /* id; 0 = no frames */
	uint32_t tid;
	uint32_t waker, waker_stack; /* ids; 0 = none */
	uint8_t kind, user_end;
	struct wait wait;
	uint8_t folded, zero[3];
};

_Static_assert(sizeof(struct wait) == 6, "a part of a key without padding");
_Static_assert(sizeof(struct entry_key) == 32, "a key without padding");

struct entry_value {
	uint64_t samples;
	int64_t count, value;
};

struct window {
	uint64_t start_time, end_time;
	struct intern *processes; /* struct process * */
	struct window_stacks stacks;
	struct intern *keys; /* struct entry_key */
	struct entry_value *values;
	uint32_t values_allocated;
	uint64_t samples[WINDOW_KINDS];
	struct quality quality[WINDOW_KINDS];
};

struct window *window_new(uint64_t start_time)
{
	struct window *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->start_time = start_time;
	w->processes = intern_new();
	w->keys = intern_new();
	if (window_stacks_init(&w->stacks) < 0 || !w->processes || !w->keys)
		return window_free(w);
	return w;
}

struct window *window_free(struct window *w)
{
	if (!w)
		return NULL;
	for (uint32_t id = 1; w->processes && id <= intern_count(w->processes); id++)
		process_unref(intern_pointer(w->processes, id));
	intern_free(w->processes);
	window_stacks_done(&w->stacks);
	intern_free(w->keys);
	free(w->values);
	free(w);
	return NULL;
}

/* The window takes its reference when it sees one for the first time. */
static uint32_t process_id(struct window *w, struct process *p)
{
	uint32_t known = intern_count(w->processes);
	uint32_t id = intern_bytes(w->processes, &p, sizeof(p));

	if (id > known)
		process_ref(p);
	return id;
}

static struct entry_value *value_of(struct window *w, const struct entry_key *key)
{
	uint32_t known = intern_count(w->keys);
	uint32_t id;

	if (known == w->values_allocated) {
		uint32_t n = known ? known * 2 : 64;
		struct entry_value *values = reallocarray(w->values, n, sizeof(*values));

		if (!values)
			return NULL;
		w->values = values;
		w->values_allocated = n;
	}
	id = intern_bytes(w->keys, key, sizeof(*key));
	if (id == 0)
		return NULL;
	if (id > known)
		w->values[id - 1] = (struct entry_value){};
	return &w->values[id - 1];
}

/* @s was there @n times. */
static void count_quality(struct quality *q, const struct sample *s, uint64_t n)
{
	q->samples_attempted += n;
	q->user_stacks[s->user_end] += n;
	q->frames += n * s->n_frames;
	for (size_t i = 0; i < s->n_frames; i++) {
		if (s->frames[i].kind != FRAME_KERNEL)
			q->user_frames += n;
		if (s->frames[i].guessed)
			q->user_frames_guessed += n;
	}
}

/* Who ended a wait. */
static int pack_waker(struct window *w, const struct sample *s, struct entry_key *key)
{
	if (!s->waker)
		return 0;
	key->waker = process_id(w, s->waker);
	if (key->waker == 0)
		return -ENOMEM;
	return window_stacks_add(&w->stacks, s->waker_frames, s->n_waker_frames, key->waker,
				 &key->waker_stack);
}

static int pack_key(struct window *w, const struct sample *s, struct entry_key *ret)
{
	struct entry_key key = {
		.tid = s->tid,
		.kind = s->kind,
		.user_end = s->user_end,
		.folded = s->folded,
		.wait = s->wait,
	};
	int r;

	if (s->kind >= WINDOW_KINDS || s->user_end >= ABI_STACK_ENDS_COUNT)
		return -EOVERFLOW;
	key.process = process_id(w, s->process);
	if (key.process == 0)
		return -ENOMEM;
	r = window_stacks_add(&w->stacks, s->frames, s->n_frames, key.process, &key.stack);
	if (r == 0)
		r = pack_waker(w, s, &key);
	if (r < 0)
		return r;
	*ret = key;
	return 0;
}

/* @s is one observation; @more is what all of them stand for. */
static int add(struct window *w, const struct sample *s, const struct entry_value *more)
{
	struct entry_value *value;
	struct entry_key key;
	int r = pack_key(w, s, &key);

	if (r < 0)
		return r;
	value = value_of(w, &key);
	if (!value)
		return -ENOMEM;
	value->samples += more->samples;
	value->count = saturating_add(value->count, more->count);
	value->value = saturating_add(value->value, more->value);
	w->samples[s->kind] += more->samples;
	count_quality(&w->quality[s->kind], s, more->samples);
	return 0;
}

int window_add(struct window *w, const struct sample *s)
{
	return add(w, s, &(struct entry_value){ 1, s->count, s->value });
}

/* Writes the frames of an entry's stack; returns them. */
static const struct frame *unpack_stack(const struct window_entry *e, const uint32_t *ids, size_t n,
					struct frame frames[static SAMPLE_MAX_FRAMES])
{
	for (size_t i = 0; i < n; i++)
		frames[i] = window_frame(e->window, ids[i], NULL);
	return frames;
}

int window_add_entry(struct window *w, const struct window_entry *e)
{
	struct frame frames[SAMPLE_MAX_FRAMES], waker_frames[SAMPLE_MAX_FRAMES];
	const struct sample s = {
		.kind = e->kind,
		.user_end = e->user_end,
		.folded = e->folded,
		.tid = e->tid,
		.wait = e->wait,
		.process = e->process,
		.n_frames = e->n_frames,
		.frames = unpack_stack(e, e->frames, e->n_frames, frames),
		.waker = e->waker,
		.n_waker_frames = e->n_waker_frames,
		.waker_frames = unpack_stack(e, e->waker_frames, e->n_waker_frames, waker_frames),
	};

	return add(w, &s, &(struct entry_value){ e->samples, e->count, e->value });
}

void window_close(struct window *w, uint64_t end_time)
{
	uint32_t n = intern_count(w->keys);

	w->end_time = end_time;
	intern_seal(w->processes);
	window_stacks_seal(&w->stacks);
	intern_seal(w->keys);
	if (n > 0 && n < w->values_allocated) {
		struct entry_value *values = reallocarray(w->values, n, sizeof(*values));

		if (values) {
			w->values = values;
			w->values_allocated = n;
		}
	}
}

uint64_t window_start(const struct window *w)
{
	return w->start_time;
}

uint64_t window_end(const struct window *w)
{
	return w->end_time;
}

struct quality *window_quality(struct window *w, unsigned int kind)
{
	return &w->quality[kind];
}

bool window_has_kind(const struct window *w, unsigned int kind)
{
	return kind < WINDOW_KINDS && w->samples[kind] > 0;
}

uint64_t window_samples(const struct window *w)
{
	int64_t sum = 0;

	for (uint32_t id = 1; id <= intern_count(w->keys); id++) {
		const struct entry_key *key = intern_get(w->keys, id, NULL);

		if (key->kind == ABI_KIND_CPU)
			sum = saturating_add(sum, w->values[id - 1].count);
	}
	return (uint64_t)sum;
}

size_t window_memory(const struct window *w)
{
	return sizeof(*w) + intern_memory(w->processes) + window_stacks_memory(&w->stacks) +
	       intern_memory(w->keys) + w->values_allocated * sizeof(*w->values);
}

uint32_t window_entries(const struct window *w)
{
	return intern_count(w->keys);
}

uint32_t window_frames(const struct window *w)
{
	return window_stacks_frames(&w->stacks);
}

struct frame window_frame(const struct window *w, uint32_t id, struct process **ret_process)
{
	uint32_t process;
	struct frame f = window_stacks_frame(&w->stacks, id, &process);

	if (f.kind == FRAME_FILE)
		f.executable = executable_known_as(f.executable);
	if (ret_process)
		*ret_process = intern_pointer(w->processes, process);
	return f;
}

struct window_entry window_get(const struct window *w, uint32_t i)
{
	const uint32_t id = i + 1;
	const struct entry_key *key = intern_get(w->keys, id, NULL);
	const struct entry_value *value = &w->values[id - 1];
	struct window_entry e = {
		.window = w,
		.process = intern_pointer(w->processes, key->process),
		.tid = key->tid,
		.kind = key->kind,
		.user_end = key->user_end,
		.folded = key->folded,
		.wait = key->wait,
		.samples = value->samples,
		.count = value->count,
		.value = value->value,
		.waker = key->waker ? intern_pointer(w->processes, key->waker) : NULL,
	};

	e.n_frames = window_stacks_get(&w->stacks, key->stack, &e.frames);
	e.n_waker_frames = window_stacks_get(&w->stacks, key->waker_stack, &e.waker_frames);
	return e;
}

int window_each(const struct window *w, int (*visit)(const struct window_entry *e, void *userdata),
		void *userdata)
{
	int r = 0;

	for (uint32_t i = 0; i < intern_count(w->keys) && r == 0; i++) {
		const struct window_entry e = window_get(w, i);

		r = visit(&e, userdata);
	}
	return r;
}
