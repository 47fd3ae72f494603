/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected, what is waited for and since when. Whoever sends a request or takes its answer
 * too slowly is cut off; whoever waits for a profile is not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct http_client;

enum http_client_state {
	HTTP_CLIENT_RECEIVING, /* for a request to arrive, the first one or another */
	HTTP_CLIENT_WORKING,
	HTTP_CLIENT_SENDING, /* for the answer to be taken */
};

/* Adds a connection to @list, receiving. The descriptor is not owned. NULL when out of memory. */
struct http_client *http_client_add(struct http_client **list, int fd);
/* Takes it off the list and frees it. */
void http_client_remove(struct http_client **list, struct http_client *c);
/* From now on; @c may be NULL. */
void http_client_set_state(struct http_client *c, enum http_client_state state);

/*
 * Shuts down the connections whose time is over; their owner sees the end and removes them. When it
 * is @crowded, those that send nothing whole have much less time: others wait for their place.
 * Returns how many.
 */
unsigned int http_clients_cut_off(struct http_client *list, uint64_t now, bool crowded);
