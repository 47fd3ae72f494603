/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of arguments_table.c hold; for arguments.c, which reads a command line by them.
 */
#pragma once

#include "profctl/arguments.h"

/* Long options without a letter; above every char. */
enum {
	OPTION_LOCAL = 256,
	OPTION_SOCKET,
	OPTION_CUM,
	OPTION_ONCE,
	OPTION_SECONDS,
	OPTION_EXECUTABLES,
	OPTION_REASON,
	OPTION_LOCK,
	OPTION_WAKERS,
	OPTION_VERSION
};

struct option_entry {
	int letter; /* or one of the numbers above */
	const char *name;
	const char *argument; /* what help calls it; NULL = takes none */
	unsigned int verbs;
	const char *help; /* lines after the first are indented by arguments_help_verb() */
};

struct verb_entry {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *text;
};

#define ARGUMENTS_N_OPTIONS 20
#define ARGUMENTS_N_VERBS   (VERB_HELP + 1)

#define VERB_BIT(verb) (1U << (verb))

extern const struct option_entry arguments_options[ARGUMENTS_N_OPTIONS];
extern const struct verb_entry arguments_verbs[ARGUMENTS_N_VERBS]; /* by enum verb */
