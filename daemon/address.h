/* SPDX-License-Identifier: Apache-2.0 */
/* "127.0.0.1:6061", "[::1]:6061": numeric addresses of listeners, and what a socket's address is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_LEN 160 /* a Unix socket path is at most 108 bytes */

struct address {
	struct sockaddr_storage storage;
	socklen_t size;
};

/* -EINVAL unless it is an IPv4 address or an IPv6 one in brackets, ':' and a port (0: any). */
int address_parse(const char *text, struct address *ret);
/* As address_parse() reads it; a Unix socket's path. Returns @buffer. */
const char *address_format(const struct address *a, char buffer[static ADDRESS_TEXT_LEN]);
/*
 * Whether a Host header names this machine by itself: by an address, as localhost, or by a name
 * without a dot, which no stranger's DNS answers for. A port may follow.
 */
bool address_host_is_local(const char *host);
/* Whether only this machine can reach it. */
bool address_is_loopback(const struct address *a);
