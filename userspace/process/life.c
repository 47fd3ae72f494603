/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lives begin, change and end here. The table owns its lives, a life holds one reference of its
 * process. The lives of a tgid are a chain, newest first, whose head is in the hash; all but the
 * head are dead.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "process/life.h"

/* Frees what is in no list or hash any more. */
void life_free(struct process_table *t, struct life *life)
{
	process_unref(life->process);
	mappings_unref(life->mappings);
	t->thread_memory -= life->threads_allocated * sizeof(*life->threads);
	free(life->threads);
	free(life);
}

/* The kernel gives numbers one after the other: each is a hash of itself. */
struct life *life_newest(const struct process_table *t, uint32_t tgid)
{
	struct life *life;

	HASH_FIND_BYHASHVALUE(hh, t->newest, &tgid, sizeof(tgid), tgid, life);
	return life;
}

static void add_newest(struct process_table *t, struct life *life)
{
	HASH_ADD_BYHASHVALUE(hh, t->newest, tgid, sizeof(life->tgid), life->tgid, life);
}

/* Puts @life into the hash in the place of the life of its tgid that is there now. */
static int make_newest(struct process_table *t, struct life *life, struct life *before)
{
	if (before)
		HASH_DEL(t->newest, before);
	add_newest(t, life);
	if (life->hh.tbl)
		return 0;
	if (before)
		add_newest(t, before);
	return -ENOMEM;
}

/* Puts a life behind all those of its tgid that began later; the first place is not wanted. */
static void insert_older(struct life *newest, struct life *life, uint64_t start_time)
{
	struct life *newer = newest;

	while (newer->older && newer->older->process->start_time > start_time)
		newer = newer->older;
	life->older = newer->older;
	newer->older = life;
}

struct life *life_new(struct process_table *t, struct process *p, uint64_t start_time)
{
	struct life *newest = life_newest(t, p->tgid);
	bool is_newest = !newest || newest->process->start_time <= start_time;
	struct life *life = calloc(1, sizeof(*life));

	if (!life) {
		process_unref(p);
		return NULL;
	}
	life->process = p;
	life->tgid = p->tgid;
	life->loss = t->loss;
	p->start_time = start_time;
	if (!is_newest) {
		insert_older(newest, life, start_time);
	} else if (make_newest(t, life, newest) < 0) {
		life_free(t, life);
		return NULL;
	}
	DL_APPEND(t->living, life);
	t->n_living++;
	if (!is_newest) {
		life_end(t, life, start_time);
		return life;
	}
	life->older = newest;
	if (newest)
		life_end(t, newest, start_time);
	DL_APPEND2(t->young, life, young_prev, young_next);
	life->young = true;
	return life;
}

void life_end(struct process_table *t, struct life *life, uint64_t time)
{
	if (life->process->exit_time)
		return;
	/* The one change that samples may see: it is a fact about the life, not about its names. */
	life->process->exit_time = time ? time : 1;
	life->leader_exited = true;
	life->n_threads = 0;
	DL_DELETE(t->living, life);
	DL_APPEND(t->dead, life);
	t->n_living--;
	t->n_dead++;
}

void life_revive(struct process_table *t, struct life *life)
{
	life->process->exit_time = 0;
	life->leader_exited = false;
	DL_DELETE(t->dead, life);
	DL_APPEND(t->living, life);
	t->n_dead--;
	t->n_living++;
}

void life_forget(struct process_table *t, struct life *life)
{
	struct life *newest = life_newest(t, life->tgid);

	if (newest == life) {
		HASH_DEL(t->newest, life);
		/* Without memory for the hash the older one is not found until it is forgotten. */
		if (life->older)
			(void)make_newest(t, life->older, NULL);
	} else {
		struct life *newer = newest;

		while (newer && newer->older != life)
			newer = newer->older;
		if (newer)
			newer->older = life->older;
	}
	if (life->young)
		DL_DELETE2(t->young, life, young_prev, young_next);
	DL_DELETE(t->dead, life);
	t->n_dead--;
	life_free(t, life);
}

struct process *life_own_process(struct life *life)
{
	struct process *copy;

	if (life->process->refs == 1)
		return life->process;
	copy = process_clone(life->process);
	if (!copy)
		return NULL;
	process_unref(life->process);
	life->process = copy;
	return copy;
}

int life_set_comm(struct life *life, const char *comm)
{
	struct process *p;

	if (process_has_comm(life->process, comm))
		return 0;
	p = life_own_process(life);
	if (!p)
		return -ENOMEM;
	process_set_comm(p, comm);
	return 0;
}

int life_set_executable(struct life *life, struct shared *file)
{
	struct shared *before = process_executable_file(life->process);
	struct process *p = life->process;

	/* The same path with a build id more is no change. */
	if (before == file ||
	    (before && file && strcmp(mapped_file(before)->path, mapped_file(file)->path) == 0))
		return 0;
	if (before)
		p = life_own_process(life);
	if (!p)
		return -ENOMEM;
	process_set_executable(p, file);
	return 0;
}

int life_set_identity(struct life *life, struct shared *identity)
{
	struct shared *before = process_identity(life->process);
	struct process *p = life->process;

	if (before == identity)
		return 0;
	if (before)
		p = life_own_process(life);
	if (!p)
		return -ENOMEM;
	process_set_identity(p, identity);
	return 0;
}

/* The place of @tid among the threads, or where it would be put in. */
static uint32_t thread_place(const struct life *life, uint32_t tid)
{
	return SEARCH(life->n_threads, i, life->threads[i] < tid);
}

int life_add_thread(struct process_table *t, struct life *life, uint32_t tid)
{
	uint32_t at = thread_place(life, tid);

	if (at < life->n_threads && life->threads[at] == tid)
		return 0;
	if (life->n_threads == life->threads_allocated) {
		uint32_t n = life->n_threads ? life->n_threads * 2 : 4;
		uint32_t *threads = reallocarray(life->threads, n, sizeof(*threads));

		if (!threads)
			return -ENOMEM;
		t->thread_memory += (n - life->threads_allocated) * sizeof(*threads);
		life->threads = threads;
		life->threads_allocated = n;
	}
	memmove(life->threads + at + 1, life->threads + at,
		(life->n_threads - at) * sizeof(*life->threads));
	life->threads[at] = tid;
	life->n_threads++;
	return 0;
}

bool life_remove_thread(struct life *life, uint32_t tid)
{
	uint32_t at = thread_place(life, tid);

	if (at == life->n_threads || life->threads[at] != tid)
		return false;
	life->n_threads--;
	memmove(life->threads + at, life->threads + at + 1,
		(life->n_threads - at) * sizeof(*life->threads));
	return true;
}

void life_set_threads(struct process_table *t, struct life *life, uint32_t *threads, uint32_t n)
{
	t->thread_memory += n * sizeof(*threads);
	t->thread_memory -= life->threads_allocated * sizeof(*threads);
	free(life->threads);
	life->threads = threads;
	life->n_threads = life->threads_allocated = n;
}
