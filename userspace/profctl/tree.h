/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process and its descendants. Children are found by the parent that the process table knows from
 * the fork, so one that was re-parented later still belongs; the table forgets processes a while
 * after their exit, so tree_update() is to be called more often than that (about once a second).
 *
 * How it can be wrong: a process id that comes round while its old owner is a member is told apart
 * by the times of the two lives; only one that also began within the life of a member of that
 * number could be taken for a child.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct process;
struct process_table;
struct tree;
struct window;

struct tree *tree_new(uint32_t root);
struct tree *tree_free(struct tree *t);

/* Takes in what the table knows now. -ENOMEM or 0. */
int tree_update(struct tree *t, struct process_table *processes);
bool tree_has(const struct tree *t, const struct process *p);

/*
 * A new window with those entries of @w that are of the tree. What became of their user stacks is
 * counted anew; what was lost is that of @w, as a lost sample has no name. -ENOMEM or 0.
 */
int tree_filter(const struct tree *t, struct window *w, struct window **ret);
