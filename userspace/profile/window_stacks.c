/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/window_stacks.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/intern.h"
#include "process/executable.h"

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

int window_stacks_init(struct window_stacks *s)
{
	*s = (struct window_stacks){
		.executables = intern_new(),
		.frames = intern_new(),
		.stacks = intern_new(),
	};
	return s->executables && s->frames && s->stacks ? 0 : -ENOMEM;
}

void window_stacks_done(struct window_stacks *s)
{
	for (uint32_t id = 1; s->executables && id <= intern_count(s->executables); id++)
		executable_unref(intern_pointer(s->executables, id));
	intern_free(s->executables);
	intern_free(s->frames);
	intern_free(s->stacks);
	free(s->frame_processes);
	free(s->known);
}

/* The window takes its reference when it sees one for the first time. */
static uint32_t executable_id(struct window_stacks *s, struct executable *x)
{
	uint32_t known = intern_count(s->executables);
	uint32_t id = intern_bytes(s->executables, &x, sizeof(x));

	if (id > known)
		executable_ref(x);
	return id;
}

/* The executable of the frame before, which most often is that of the next one. */
struct last_executable {
	struct executable *executable;
	uint32_t id;
};

static int pack_frame(struct window_stacks *s, const struct frame *f, struct last_executable *last,
		      uint64_t *ret)
{
	uint64_t word = (uint64_t)f->kind << WORD_KIND_SHIFT | (f->guessed ? WORD_GUESSED : 0);

	if (f->kind == FRAME_FILE) {
		if (f->executable != last->executable)
			*last = (struct last_executable){ f->executable,
							  executable_id(s, f->executable) };
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

static int add_frame(struct window_stacks *s, uint64_t word, uint32_t process, uint32_t *ret_id)
{
	struct frame_key key = { word, process };
	uint32_t id;

	if (intern_count(s->frames) == s->frame_processes_allocated) {
		uint32_t n = MAX(s->frame_processes_allocated * 2, 64U);
		uint32_t *bigger = reallocarray(s->frame_processes, n, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		s->frame_processes = bigger;
		s->frame_processes_allocated = n;
	}
	id = intern_bytes(s->frames, &key, is_of_process(word) ? sizeof(key) : sizeof(key.word));
	if (id == 0)
		return -ENOMEM;
	/* Of several the last is the one that most likely still runs. */
	s->frame_processes[id - 1] = process;
	*ret_id = id;
	return 0;
}

static int add_stack(struct window_stacks *s, const uint64_t *words, size_t n, uint32_t process,
		     uint32_t *ret_id)
{
	uint32_t ids[SAMPLE_MAX_FRAMES], id;

	for (size_t i = 0; i < n; i++) {
		int r = add_frame(s, words[i], process, &ids[i]);

		if (r < 0)
			return r;
	}
	id = intern_bytes(s->stacks, ids, n * sizeof(*ids));
	if (id == 0)
		return -ENOMEM;
	*ret_id = id;
	return 0;
}

/* Whether it is a stack of these words; if so, @process has its frames now. */
static bool is_stack(struct window_stacks *s, uint32_t stack, const uint64_t *words, size_t n,
		     uint32_t process)
{
	size_t size;
	const uint32_t *ids = intern_get(s->stacks, stack, &size);

	if (size != n * sizeof(*ids))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct frame_key *key = intern_get(s->frames, ids[i], NULL);

		if (key->word != words[i] || (is_of_process(words[i]) && key->process != process))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		s->frame_processes[ids[i] - 1] = process;
	return true;
}

/* Where a stack of this hash may be known. It becomes empty as it grows. NULL: no memory. */
static struct known_stack *known_stack(struct window_stacks *s, uint32_t hash)
{
	if (intern_count(s->stacks) >= s->n_known && s->n_known < KNOWN_MAX) {
		uint32_t n = MAX(2 * s->n_known, (uint32_t)KNOWN_MIN);
		struct known_stack *known = calloc(n, sizeof(*known));

		if (!known)
			return NULL;
		free(s->known);
		s->known = known;
		s->n_known = n;
	}
	return &s->known[hash & (s->n_known - 1)];
}

int window_stacks_add(struct window_stacks *s, const struct frame *frames, size_t n,
		      uint32_t process, uint32_t *ret_id)
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
		r = pack_frame(s, &frames[i], &last, &words[i]);
	if (r < 0)
		return r;
	hash = hash_bytes(words, n * sizeof(*words));
	known = known_stack(s, hash);
	if (known && known->stack && known->hash == hash &&
	    is_stack(s, known->stack, words, n, process)) {
		*ret_id = known->stack;
		return 0;
	}
	r = add_stack(s, words, n, process, ret_id);
	if (r == 0 && known)
		*known = (struct known_stack){ hash, *ret_id };
	return r;
}

size_t window_stacks_get(const struct window_stacks *s, uint32_t stack, const uint32_t **ret_frames)
{
	size_t size = 0;

	*ret_frames = stack ? intern_get(s->stacks, stack, &size) : NULL;
	return size / sizeof(**ret_frames);
}

uint32_t window_stacks_frames(const struct window_stacks *s)
{
	return intern_count(s->frames);
}

struct frame window_stacks_frame(const struct window_stacks *s, uint32_t id, uint32_t *ret_process)
{
	const struct frame_key *key = intern_get(s->frames, id, NULL);
	uint64_t word = key->word;
	struct frame f = {
		.kind = (uint8_t)(word >> WORD_KIND_SHIFT),
		.guessed = word & WORD_GUESSED,
		.address = word & WORD_ADDRESS_MASK,
	};

	if (f.kind == FRAME_FILE) {
		uint32_t executable =
			(uint32_t)(word >> WORD_EXECUTABLE_SHIFT) & WORD_EXECUTABLE_MAX;

		f.executable = intern_pointer(s->executables, executable);
		f.address = word & WORD_OFFSET_MASK;
	} else if (f.kind == FRAME_KERNEL) {
		f.address |= WORD_KERNEL_BITS;
	}
	*ret_process = s->frame_processes[id - 1];
	return f;
}

void window_stacks_seal(struct window_stacks *s)
{
	uint32_t n = intern_count(s->frames);

	intern_seal(s->executables);
	intern_seal(s->frames);
	intern_seal(s->stacks);
	free(TAKE_PTR(s->known));
	s->n_known = 0;
	if (n > 0 && n < s->frame_processes_allocated) {
		uint32_t *smaller = reallocarray(s->frame_processes, n, sizeof(*smaller));

		if (smaller) {
			s->frame_processes = smaller;
			s->frame_processes_allocated = n;
		}
	}
}

size_t window_stacks_memory(const struct window_stacks *s)
{
	return intern_memory(s->executables) + intern_memory(s->frames) + intern_memory(s->stacks) +
	       s->frame_processes_allocated * sizeof(*s->frame_processes) +
	       s->n_known * sizeof(*s->known);
}
