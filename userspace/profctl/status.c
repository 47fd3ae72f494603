/* SPDX-License-Identifier: Apache-2.0 */
/* profctl status */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profctl/arguments.h"
#include "profctl/client.h"
#include "profctl/profctl.h"
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

static int print_status(const struct arguments *a, struct error *e)
{
	_cleanup_(client_freep)
	struct client *client = NULL;
	_cleanup_free_ char *body = NULL;
	struct reply reply;
	char *rest, *line;
	int r;

	r = client_probe(a->socket);
	if (r < 0)
		return no_daemon(a->socket, -r, e);
	r = client_new(a->socket, &client, e);
	if (r == 0)
		r = client_get(client, "/status", &reply, e);
	if (r < 0)
		return r;
	rest = body = reply.body;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		text_print(stdout, line, SIZE_MAX);
		putchar('\n');
	}
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
