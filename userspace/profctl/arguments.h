/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of profctl: one table of options, from which parsing and every help text come.
 * Strings are borrowed from argv, but for those of the selection.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "profctl/wanted.h"
#include "profile/selection.h"

#define ARGUMENTS_MAX_SECONDS 86400

enum verb { VERB_RECORD, VERB_TOP, VERB_LIST, VERB_STATUS, VERB_DOCTOR, VERB_VERSION, VERB_HELP };

struct arguments {
	enum verb verb;
	bool help; /* --help: print the help of the verb (of profctl, if there is none) */
	const char *socket;
	bool local; /* do not ask the daemon */
	struct selection selection;
	uint64_t duration;  /* ns; 0 = not given */
	uint32_t frequency; /* Hz; 0 = not given */
	const char *output; /* NULL = a name made of what is recorded; "-" = stdout */
	struct wanted wanted;
	bool cumulative;
	bool once;
	bool executables;  /* status: list them instead */
	uint32_t lines;	   /* 0 = not given */
	char **command;	   /* argv of the program to start, NULL = none */
	const char *topic; /* help: about this verb; NULL = about profctl */
};

/*
 * Reads a command line, argv[0] included. -EINVAL with one line in @e that names the argument.
 * arguments_done() is to be called whatever the result.
 */
int arguments_parse(int argc, char **argv, struct arguments *ret, struct error *e);
void arguments_done(struct arguments *a);

/* "record" -> VERB_RECORD; -EINVAL if there is none of this name. */
int arguments_verb(const char *name, enum verb *ret);
const char *arguments_verb_name(enum verb verb);

/* Help to @f, at most 80 columns wide: of profctl, or of one verb. */
void arguments_help(FILE *f);
void arguments_help_verb(FILE *f, enum verb verb);
