/* SPDX-License-Identifier: Apache-2.0 */
/* profd: a table of contents. */
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "exit_code.h"
#include "log.h"
#include "manager.h"
#include "memory.h"
#include "options.h"
#include "replay.h"
#include "rights.h"

static int fail(enum exit_code code, const struct error *e)
{
	log_error("%s", e->text);
	return (int)code;
}

/* Order is the security design: what needs rights is opened, the rights are dropped, then it loops
 * (see manager_new()). */
static int run(const struct command *command, struct options *options)
{
	struct manager *m;
	struct error e;
	int code, r;

	memory_configure();
	rights_raise_limits();
	r = manager_new(command, options, &m, &code, &e);
	if (r < 0)
		return fail((enum exit_code)code, &e);
	manager_announce(m);
	r = manager_run(m);
	manager_free(m);
	return r < 0 ? EXIT_CODE_RUNTIME : EXIT_CODE_OK;
}

static int with_options(const struct command *command)
{
	struct options options;
	struct error e;
	int code = EXIT_CODE_OK;

	if (command_options(command, &options, &e) < 0)
		return fail(EXIT_CODE_USAGE, &e);
	if (command->action == COMMAND_RUN)
		code = run(command, &options);
	else if (command->action == COMMAND_PRINT_CONFIG)
		options_print(&options, "", stdout);
	options_done(&options);
	return code;
}

int main(int argc, char *argv[])
{
	struct command command;
	struct error e;
	int code = EXIT_CODE_OK;

	log_open();
	if (command_parse(argc, argv, &command, &e) < 0)
		return fail(EXIT_CODE_USAGE, &e);
	switch (command.action) {
	case COMMAND_HELP:
		command_print_help();
		break;
	case COMMAND_VERSION:
		printf("profd %s\n", PROFD_VERSION);
		break;
	case COMMAND_REPLAY:
		code = replay_command(command.replay, command.type, command.output, &e);
		if (code != EXIT_CODE_OK)
			fail((enum exit_code)code, &e);
		break;
	default:
		code = with_options(&command);
		break;
	}
	command_done(&command);
	if (fflush(stdout) != 0 && code == EXIT_CODE_OK)
		code = EXIT_CODE_RUNTIME;
	return code;
}
