/* SPDX-License-Identifier: Apache-2.0 */
#include "http_clients.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/clock.h"

#define REQUEST_DEADLINE  (20 * NS_PER_S) /* for the whole request to arrive */
#define CROWDED_DEADLINE  (2 * NS_PER_S)  /* the same while others cannot connect */
#define RESPONSE_DEADLINE (60 * NS_PER_S) /* for the whole response to be taken */

struct http_client {
	struct http_client *prev, *next;
	int fd;
	enum http_client_state state;
	uint64_t since; /* monotonic ns */
	bool cut;	/* we shut it down */
};

struct http_client *http_client_add(struct http_client **list, int fd)
{
	struct http_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	http_client_set_state(c, HTTP_CLIENT_RECEIVING);
	DL_APPEND(*list, c);
	return c;
}

void http_client_remove(struct http_client **list, struct http_client *c)
{
	DL_DELETE(*list, c);
	free(c);
}

void http_client_set_state(struct http_client *c, enum http_client_state state)
{
	if (!c)
		return;
	c->state = state;
	c->since = clock_monotonic_ns();
}

static uint64_t deadline_of(const struct http_client *c, bool crowded)
{
	if (c->state == HTTP_CLIENT_SENDING)
		return c->since + RESPONSE_DEADLINE;
	return c->since + (crowded ? CROWDED_DEADLINE : REQUEST_DEADLINE);
}

unsigned int http_clients_cut_off(struct http_client *list, uint64_t now, bool crowded)
{
	unsigned int n = 0;
	struct http_client *c;

	DL_FOREACH(list, c) {
		if (c->cut || c->state == HTTP_CLIENT_WORKING || now < deadline_of(c, crowded))
			continue;
		shutdown(c->fd, SHUT_RDWR);
		c->cut = true;
		n++;
	}
	return n;
}
