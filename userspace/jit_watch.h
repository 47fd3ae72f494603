/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that were seen in code without a file. Their perf maps have to be read while they live,
 * and what was read is kept until nobody asks any more: until no window holds the process.
 */
#pragma once

struct jit_watch;
struct process;
struct symbolizer;

/* NULL when out of memory. The symbolizer must outlive it. */
struct jit_watch *jit_watch_new(struct symbolizer *symbolizer);
struct jit_watch *jit_watch_free(struct jit_watch *w);

/* A sample of @p had such a frame. Without memory it is not watched, and its frames stay unnamed.
 */
void jit_watch_note(struct jit_watch *w, struct process *p);
/* Reads again the maps of all that were noted since the last time: at the end of a window. */
void jit_watch_refresh(struct jit_watch *w);
/* Once a second: reads the maps of the new ones, which may not live long; forgets the dead. */
void jit_watch_tick(struct jit_watch *w);
