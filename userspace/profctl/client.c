/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "profctl/exchange.h"

#define TIMEOUT_S 10

int client_probe(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

int client_new(const char *socket, struct client **ret, struct error *e)
{
	struct client *c;

	if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		return error_set(e, ENOMEM, "cannot prepare libcurl");
	c = calloc(1, sizeof(*c));
	if (!c)
		return error_set(e, ENOMEM, "out of memory");
	c->socket = strdup(socket);
	c->multi = curl_multi_init();
	if (!c->socket || !c->multi) {
		client_free(c);
		return error_set(e, ENOMEM, "out of memory");
	}
	*ret = c;
	return 0;
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	if (c->multi)
		curl_multi_cleanup(c->multi);
	free(c->socket);
	free(c);
	curl_global_cleanup();
	return NULL;
}

int client_get(struct client *c, const char *path, struct reply *ret, struct error *e)
{
	struct exchange x;
	int r;

	r = exchange_begin(c, &x, path, TIMEOUT_S);
	if (r < 0)
		error_set(e, -r, "out of memory");
	while (r == 0 && !x.done) {
		r = exchange_perform(c, &x, 1);
		if (r == 0 && !x.done)
			curl_multi_poll(c->multi, NULL, 0, 1000, NULL);
	}
	if (r == 0)
		r = exchange_take(c, &x, ret, e);
	exchange_end(c, &x);
	return r;
}
