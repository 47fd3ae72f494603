/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the names of executables: executable_names.c has what is known,
 * executable_names_ask.c gets it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolize/executable_names.h"

struct elf_symbol;
struct question;

/* Hangs on executable->names. */
struct names {
	struct executable_names_set *set;
	struct executable *executable; /* borrowed: it frees us before it goes */
	struct elf_symbols *table;     /* NULL = not loaded, or failed */
	struct symbol_answer *answer;  /* of the last reading; NULL = there was none */
	struct address_list wanted;    /* wait for a question */
	uint32_t pid; /* of a process that they are wanted for; 0 = none that is there */
	struct question *question;
	uint32_t n_questions;	 /* since it was loaded */
	uint64_t retry_at;	 /* ns; the file failed and is not tried before */
	uint64_t debug_retry_at; /* the same of its debug file */
	uint64_t stale_at;	 /* when a debug file is looked for again */
	int error;		 /* why it failed */
	uint64_t used;
	enum unnamed_reason why;
	uint64_t n_asked, n_unnamed;
	struct names *prev, *next;
};

struct executable_names_set {
	struct executable_names_options options;
	struct names *loaded; /* least recently used first */
	struct names *empty;  /* evicted or failed */
	struct question *questions;
	uint32_t n_questions;
	uint64_t arrivals; /* of debug files */
	size_t bytes;	   /* of the tables */
	uint32_t n, n_answers;
	struct executable_names_stats stats;
};

/* The names of an executable, made if it has none. NULL when out of memory. */
struct names *names_get(struct executable_names_set *s, struct executable *x);
/* Whether it is known what is at an address; then @ret is that, else it has no name. */
bool names_knows(const struct names *n, uint64_t address, struct elf_symbol *ret);
void names_drop_table(struct names *n);
/* Takes over @table; the names move to those used last. */
void names_put_table(struct names *n, struct elf_symbols *table);

/* Whether something was asked, or will be, and there is no answer yet. */
bool names_is_late(const struct names *n);
/* An answer that is on its way is for nobody. */
void names_abandon_question(struct names *n);
void names_free_questions(struct executable_names_set *s);
