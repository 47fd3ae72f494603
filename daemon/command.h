/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of profd: which command, and the options that were given as flags. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct options;

enum command_action {
	COMMAND_RUN,
	COMMAND_CHECK_CONFIG,
	COMMAND_PRINT_CONFIG,
	COMMAND_VERSION,
	COMMAND_HELP,
	COMMAND_REPLAY,
};

struct command_flag {
	int option; /* see options_find() */
	const char *value;
};

/* Points into argv. */
struct command {
	enum command_action action;
	const char *config;  /* NULL = OPTIONS_DEFAULT_FILE, which may be missing */
	const char *capture; /* NULL = no capture */
	const char *replay;  /* the capture to replay */
	const char *output;  /* of replay */
	const char *type;    /* of replay: the kind of profile */
	struct command_flag *flags;
	size_t n_flags;
};

/* -EINVAL and one line in @e that names the argument. */
int command_parse(int argc, char *argv[], struct command *ret, struct error *e);
void command_done(struct command *c);

/* Defaults, configuration file and flags together, checked. SIGHUP does it again. */
int command_options(const struct command *c, struct options *ret, struct error *e);

void command_print_help(void);
