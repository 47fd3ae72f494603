/* SPDX-License-Identifier: Apache-2.0 */
/* profctl status */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "profctl/arguments.h"
#include "profctl/client.h"
#include "profctl/columns.h"
#include "profctl/hints.h"
#include "profctl/packages.h"
#include "profctl/profctl.h"
#include "profctl/terminal.h"
#include "profctl/text.h"

DEFINE_CLEANUP(struct client *, client_free);

static int no_daemon(const char *socket, int number, struct error *e)
{
	if (number == EACCES)
		return error_set(e, ENOTCONN,
				 "no permission to talk to the daemon at %s: run profctl as root",
				 socket);
	return error_set(e, ENOTCONN, "no daemon at %s (%s)", socket, strerror(number));
}

static void print_lines(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (!*line)
			continue;
		text_print(stdout, line, SIZE_MAX);
		putchar('\n');
	}
}

/* Whether the daemon asks servers for debug files: its state has lines about it then. */
static bool has_debuginfod(struct client *client)
{
	struct reply reply;
	struct error e;
	bool has;

	if (client_get(client, "/status", &reply, &e) < 0)
		return false;
	has = strstr(reply.body, "\ndebuginfod_found: ") != NULL;
	free(reply.body);
	return has;
}

static int print_executables(struct client *client, char *text, struct error *e)
{
	const struct hints_machine machine = {
		.packages = PACKAGES_DIRECTORY,
		.root = "",
		.has_debuginfod = has_debuginfod(client),
	};
	_cleanup_free_ char *copy = strdup(text);
	unsigned int height, width = 0;
	int r = copy ? 0 : -ENOMEM;

	if (isatty(STDOUT_FILENO))
		terminal_size(&height, &width);
	if (r == 0)
		r = columns_print(stdout, text, width);
	if (r == 0)
		r = hints_print(stdout, copy, &machine);
	if (r < 0)
		return error_set(e, -r, "the daemon's list of executables cannot be read: %s",
				 strerror(-r));
	return 0;
}

static int print_status(const struct arguments *a, struct error *e)
{
	_cleanup_(client_freep)
	struct client *client = NULL;
	_cleanup_free_ char *body = NULL;
	struct reply reply;
	int r;

	r = client_probe(a->socket);
	if (r < 0)
		return no_daemon(a->socket, -r, e);
	r = client_new(a->socket, &client, e);
	if (r == 0)
		r = client_get(client, a->executables ? "/executables" : "/status", &reply, e);
	if (r < 0)
		return r;
	body = reply.body;
	if (a->executables)
		return print_executables(client, body, e);
	print_lines(body);
	return 0;
}

int status_run(const struct arguments *a)
{
	struct error e = {};
	int r;

	r = print_status(a, &e);
	if (r < 0)
		complain("%s", e.text);
	return profctl_exit_code(r);
}
