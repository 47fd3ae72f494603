/* SPDX-License-Identifier: Apache-2.0 */
#include "jit_watch.h"

#include <stdbool.h>
#include <stdlib.h>

/* No exit() in the library: an entry that finds no memory is not added. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "process/process.h"
#include "symbolize/symbolizer.h"

struct watched {
	struct process *process; /* a reference */
	bool fresh;		 /* its map was never read */
	bool noted;		 /* since its map was read */
	bool ended;		 /* and what it wrote at its end was read */
	UT_hash_handle hh;
};

struct jit_watch {
	struct symbolizer *symbolizer;
	struct watched *processes;
};

struct jit_watch *jit_watch_new(struct symbolizer *symbolizer)
{
	struct jit_watch *w = calloc(1, sizeof(*w));

	if (w)
		w->symbolizer = symbolizer;
	return w;
}

static void forget(struct jit_watch *w, struct watched *one)
{
	HASH_DEL(w->processes, one);
	symbolizer_forget_process(w->symbolizer, one->process);
	process_unref(one->process);
	free(one);
}

struct jit_watch *jit_watch_free(struct jit_watch *w)
{
	struct watched *one, *next;

	if (!w)
		return NULL;
	HASH_ITER(hh, w->processes, one, next)
		forget(w, one);
	free(w);
	return NULL;
}

void jit_watch_note(struct jit_watch *w, struct process *p)
{
	struct watched *one;

	HASH_FIND_PTR(w->processes, &p, one);
	if (!one) {
		one = calloc(1, sizeof(*one));
		if (!one)
			return;
		one->process = p;
		one->fresh = true;
		HASH_ADD_PTR(w->processes, process, one);
		if (!one->hh.tbl) {
			free(one);
			return;
		}
		process_ref(p);
	}
	one->noted = true;
}

static void refresh(struct jit_watch *w, struct watched *one)
{
	symbolizer_refresh_process(w->symbolizer, one->process);
	one->fresh = false;
	one->noted = false;
}

void jit_watch_refresh(struct jit_watch *w)
{
	struct watched *one, *next;

	HASH_ITER(hh, w->processes, one, next)
		if (one->noted)
			refresh(w, one);
}

void jit_watch_tick(struct jit_watch *w)
{
	struct watched *one, *next;

	HASH_ITER(hh, w->processes, one, next) {
		if (one->fresh || (one->process->exit_time && !one->ended)) {
			one->ended = one->process->exit_time != 0;
			refresh(w, one);
		}
		/* Neither the table nor a window has it any more, but the symbolizer may. */
		if (one->process->refs == 1U + symbolizer_has_process(w->symbolizer, one->process))
			forget(w, one);
	}
}
