/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int parse_port(const char *text, in_port_t *ret)
{
	size_t n = strspn(text, "0123456789");
	unsigned long port;

	if (n == 0 || n > 5 || text[n])
		return -EINVAL;
	port = strtoul(text, NULL, 10);
	if (port > UINT16_MAX)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

int address_parse(const char *text, struct address *ret)
{
	const char *colon = strrchr(text, ':');
	struct address a = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a.storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a.storage;
	char host[INET6_ADDRSTRLEN + 2];
	size_t length;
	in_port_t port;

	if (!colon || parse_port(colon + 1, &port) < 0)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';

	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		a.size = sizeof(*v4);
	} else {
		if (length < 2 || host[0] != '[' || host[length - 1] != ']')
			return -EINVAL;
		host[length - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
			return -EINVAL;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = port;
		a.size = sizeof(*v6);
	}
	*ret = a;
	return 0;
}

const char *address_format(const struct address *a, char buffer[static ADDRESS_TEXT_LEN])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->storage;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;
	char host[INET6_ADDRSTRLEN];

	switch (a->storage.ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(buffer, ADDRESS_TEXT_LEN, "%s:%u", host, ntohs(v4->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(buffer, ADDRESS_TEXT_LEN, "[%s]:%u", host, ntohs(v6->sin6_port));
		break;
	default:
		snprintf(buffer, ADDRESS_TEXT_LEN, "%.*s", (int)sizeof(un->sun_path), un->sun_path);
		break;
	}
	return buffer;
}

bool address_is_loopback(const struct address *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->storage;

	switch (a->storage.ss_family) {
	case AF_INET:
		return (ntohl(v4->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	default:
		return a->storage.ss_family == AF_UNIX;
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcasecmp(text + n - m, end) == 0;
}

bool address_host_is_local(const char *host)
{
	struct in_addr v4;
	char name[256];
	size_t length;

	if (*host == '[') /* IPv6, whatever it is */
		return true;
	length = strcspn(host, ":");
	if (length >= sizeof(name))
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	return !strchr(name, '.') || inet_pton(AF_INET, name, &v4) == 1 ||
	       ends_with(name, ".localhost");
}
