/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything is interned: processes and executables (by pointer, one reference each), frames (as a
 * word), stacks (as ids of frames), and the keys of the entries. Id n of the keys is element n - 1
 * of values.
 *
 * Two struct process of one process (before and after an exec) are two here; they meet, if at all,
 * when a profile is encoded.
 */
#include "profile/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/intern.h"
#include "process/executable.h"
#include "process/process.h"
#include "profile/saturate.h"

/*
 * A frame is one word, as in abi.h: bits 63..62 kind, bit 61 guessed, then for FRAME_FILE 21 bits
 * of executable and 40 bits of offset, else 61 bits of address. A kernel address has its upper
 * three bits set on every architecture there is, so they need not be kept.
 */
#define WORD_KIND_SHIFT	      ABI_FRAME_KIND_SHIFT
#define WORD_GUESSED	      ABI_FRAME_GUESSED
#define WORD_EXECUTABLE_SHIFT ABI_FRAME_FILE_SHIFT
#define WORD_EXECUTABLE_MAX   ABI_FRAME_FILE_MASK
#define WORD_OFFSET_MASK      ABI_FRAME_OFFSET_MASK
#define WORD_ADDRESS_MASK     ABI_FRAME_ADDRESS_MASK
#define WORD_KERNEL_BITS      (7ULL << 61)

/* Of code without a file. All others are stored without the process: they are the same in all. */
struct frame_key {
	uint64_t word;
	uint64_t process; /* id; FRAME_ADDRESS only */
};

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

/*
 * Most samples have a stack that was there before: it is found here by the words of its frames,
 * whose ids need not be asked for one by one. What is found is compared.
 */
struct known_stack {
	uint32_t hash;	/* of the words */
	uint32_t stack; /* id, 0 = none */
};

#define KNOWN_MIN 256
#define KNOWN_MAX 65536

struct window {
	uint64_t start_time, end_time;
	struct intern *processes;   /* struct process * */
	struct intern *executables; /* struct executable * */
	struct intern *frames;	    /* struct frame_key, whole or its word */
	struct intern *stacks;	    /* ids of frames, leaf first */
	struct intern *keys;	    /* struct entry_key */
	uint32_t *frame_processes;  /* of frame id - 1, the process that had it last: an id */
	uint32_t frame_processes_allocated;
	struct known_stack *known; /* by hash, n_known of them, a power of two; 0 once closed */
	uint32_t n_known;
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
	w->executables = intern_new();
	w->frames = intern_new();
	w->stacks = intern_new();
	w->keys = intern_new();
	if (!w->processes || !w->executables || !w->frames || !w->stacks || !w->keys)
		return window_free(w);
	return w;
}

static void *pointer_of(const struct intern *t, uint32_t id)
{
	void *p;

	memcpy(&p, intern_get(t, id, NULL), sizeof(p));
	return p;
}

struct window *window_free(struct window *w)
{
	if (!w)
		return NULL;
	for (uint32_t id = 1; w->processes && id <= intern_count(w->processes); id++)
		process_unref(pointer_of(w->processes, id));
	for (uint32_t id = 1; w->executables && id <= intern_count(w->executables); id++)
		executable_unref(pointer_of(w->executables, id));
	intern_free(w->processes);
	intern_free(w->executables);
	intern_free(w->frames);
	intern_free(w->stacks);
	intern_free(w->keys);
	free(w->frame_processes);
	free(w->known);
	free(w->values);
	free(w);
	return NULL;
}

/* Ids of a pointer; the window takes its reference when it sees one for the first time. */
static uint32_t process_id(struct window *w, struct process *p)
{
	uint32_t known = intern_count(w->processes);
	uint32_t id = intern_bytes(w->processes, &p, sizeof(p));

	if (id > known)
		process_ref(p);
	return id;
}

static uint32_t executable_id(struct window *w, struct executable *x)
{
	uint32_t known = intern_count(w->executables);
	uint32_t id = intern_bytes(w->executables, &x, sizeof(x));

	if (id > known)
		executable_ref(x);
	return id;
}

/* The executable of the frame before, which most often is that of the next one. */
struct last_executable {
	struct executable *executable;
	uint32_t id;
};

static int pack_frame(struct window *w, const struct frame *f, struct last_executable *last,
		      uint64_t *ret)
{
	uint64_t word = (uint64_t)f->kind << WORD_KIND_SHIFT | (f->guessed ? WORD_GUESSED : 0);

	if (f->kind == FRAME_FILE) {
		if (f->executable != last->executable)
			*last = (struct last_executable){ f->executable,
							  executable_id(w, f->executable) };
		if (last->id == 0)
			return -ENOMEM;
		if (last->id > WORD_EXECUTABLE_MAX || f->address > WORD_OFFSET_MASK)
			return -EOVERFLOW;
		word |= (uint64_t)last->id << WORD_EXECUTABLE_SHIFT | f->address;
	} else {
		word |= f->address & WORD_ADDRESS_MASK;
	}
	*ret = word;
	return 0;
}

static bool is_of_process(uint64_t word)
{
	return word >> WORD_KIND_SHIFT == FRAME_ADDRESS;
}

static int add_frame(struct window *w, uint64_t word, uint32_t process, uint32_t *ret_id)
{
	struct frame_key key = { word, process };
	uint32_t id;

	if (intern_count(w->frames) == w->frame_processes_allocated) {
		uint32_t n = MAX(w->frame_processes_allocated * 2, 64U);
		uint32_t *bigger = reallocarray(w->frame_processes, n, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		w->frame_processes = bigger;
		w->frame_processes_allocated = n;
	}
	id = intern_bytes(w->frames, &key, is_of_process(word) ? sizeof(key) : sizeof(key.word));
	if (id == 0)
		return -ENOMEM;
	/* Of several the last is the one that most likely still runs. */
	w->frame_processes[id - 1] = process;
	*ret_id = id;
	return 0;
}

struct frame window_frame(const struct window *w, uint32_t id, struct process **ret_process)
{
	const struct frame_key *key = intern_get(w->frames, id, NULL);
	uint64_t word = key->word;
	struct frame f = {
		.kind = (uint8_t)(word >> WORD_KIND_SHIFT),
		.guessed = word & WORD_GUESSED,
		.address = word & WORD_ADDRESS_MASK,
	};

	if (f.kind == FRAME_FILE) {
		uint32_t executable =
			(uint32_t)(word >> WORD_EXECUTABLE_SHIFT) & WORD_EXECUTABLE_MAX;

		f.executable = pointer_of(w->executables, executable);
		f.address = word & WORD_OFFSET_MASK;
	} else if (f.kind == FRAME_KERNEL) {
		f.address |= WORD_KERNEL_BITS;
	}
	if (ret_process)
		*ret_process = pointer_of(w->processes, w->frame_processes[id - 1]);
	return f;
}

uint32_t window_frames(const struct window *w)
{
	return intern_count(w->frames);
}

static int add_stack(struct window *w, const uint64_t *words, size_t n, uint32_t process,
		     uint32_t *ret_id)
{
	uint32_t ids[SAMPLE_MAX_FRAMES], id;

	for (size_t i = 0; i < n; i++) {
		int r = add_frame(w, words[i], process, &ids[i]);

		if (r < 0)
			return r;
	}
	id = intern_bytes(w->stacks, ids, n * sizeof(*ids));
	if (id == 0)
		return -ENOMEM;
	*ret_id = id;
	return 0;
}

/* Whether it is a stack of these words; if so, @process has its frames now. */
static bool is_stack(struct window *w, uint32_t stack, const uint64_t *words, size_t n,
		     uint32_t process)
{
	size_t size;
	const uint32_t *ids = intern_get(w->stacks, stack, &size);

	if (size != n * sizeof(*ids))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct frame_key *key = intern_get(w->frames, ids[i], NULL);

		if (key->word != words[i] || (is_of_process(words[i]) && key->process != process))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		w->frame_processes[ids[i] - 1] = process;
	return true;
}

/* Where a stack of this hash may be known. It becomes empty as it grows. NULL: no memory. */
static struct known_stack *known_stack(struct window *w, uint32_t hash)
{
	if (intern_count(w->stacks) >= w->n_known && w->n_known < KNOWN_MAX) {
		uint32_t n = MAX(2 * w->n_known, (uint32_t)KNOWN_MIN);
		struct known_stack *known = calloc(n, sizeof(*known));

		if (!known)
			return NULL;
		free(w->known);
		w->known = known;
		w->n_known = n;
	}
	return &w->known[hash & (w->n_known - 1)];
}

static int pack_stack(struct window *w, const struct frame *frames, size_t n, uint32_t process,
		      uint32_t *ret_id)
{
	uint64_t words[SAMPLE_MAX_FRAMES];
	struct last_executable last = {};
	struct known_stack *known;
	uint32_t hash;
	int r = 0;

	if (n > SAMPLE_MAX_FRAMES)
		return -EOVERFLOW;
	if (n == 0) {
		*ret_id = 0;
		return 0;
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = pack_frame(w, &frames[i], &last, &words[i]);
	if (r < 0)
		return r;
	hash = hash_bytes(words, n * sizeof(*words));
	known = known_stack(w, hash);
	if (known && known->stack && known->hash == hash &&
	    is_stack(w, known->stack, words, n, process)) {
		*ret_id = known->stack;
		return 0;
	}
	r = add_stack(w, words, n, process, ret_id);
	if (r == 0 && known)
		*known = (struct known_stack){ hash, *ret_id };
	return r;
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
	return pack_stack(w, s->waker_frames, s->n_waker_frames, key->waker, &key->waker_stack);
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
	r = pack_stack(w, s->frames, s->n_frames, key.process, &key.stack);
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

/* Gives back what is allocated beyond @n elements. */
static void *shrink(void *array, uint32_t *allocated, uint32_t n, size_t element_size)
{
	void *smaller = n > 0 && n < *allocated ? reallocarray(array, n, element_size) : NULL;

	if (!smaller)
		return array;
	*allocated = n;
	return smaller;
}

void window_close(struct window *w, uint64_t end_time)
{
	w->end_time = end_time;
	intern_seal(w->processes);
	intern_seal(w->executables);
	intern_seal(w->frames);
	intern_seal(w->stacks);
	intern_seal(w->keys);
	free(TAKE_PTR(w->known));
	w->n_known = 0;
	w->values =
		shrink(w->values, &w->values_allocated, intern_count(w->keys), sizeof(*w->values));
	w->frame_processes = shrink(w->frame_processes, &w->frame_processes_allocated,
				    intern_count(w->frames), sizeof(*w->frame_processes));
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
	return sizeof(*w) + intern_memory(w->processes) + intern_memory(w->executables) +
	       intern_memory(w->frames) + intern_memory(w->stacks) + intern_memory(w->keys) +
	       w->frame_processes_allocated * sizeof(*w->frame_processes) +
	       w->n_known * sizeof(*w->known) + w->values_allocated * sizeof(*w->values);
}

uint32_t window_entries(const struct window *w)
{
	return intern_count(w->keys);
}

/* The ids of a stack's frames. */
static const uint32_t *stack_of(const struct window *w, uint32_t stack, size_t *ret_n)
{
	size_t size = 0;
	const uint32_t *ids = stack ? intern_get(w->stacks, stack, &size) : NULL;

	*ret_n = size / sizeof(*ids);
	return ids;
}

struct window_entry window_get(const struct window *w, uint32_t i)
{
	const uint32_t id = i + 1;
	const struct entry_key *key = intern_get(w->keys, id, NULL);
	const struct entry_value *value = &w->values[id - 1];
	struct window_entry e = {
		.window = w,
		.process = pointer_of(w->processes, key->process),
		.tid = key->tid,
		.kind = key->kind,
		.user_end = key->user_end,
		.folded = key->folded,
		.wait = key->wait,
		.samples = value->samples,
		.count = value->count,
		.value = value->value,
		.waker = key->waker ? pointer_of(w->processes, key->waker) : NULL,
	};

	e.frames = stack_of(w, key->stack, &e.n_frames);
	e.waker_frames = stack_of(w, key->waker_stack, &e.n_waker_frames);
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
