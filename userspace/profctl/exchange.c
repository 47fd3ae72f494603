/* SPDX-License-Identifier: Apache-2.0 */
#include "profctl/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_BODY (1ULL << 30) /* bytes; as much as a profile may be unpacked */

static size_t take_body(char *data, size_t size, size_t n, void *userdata)
{
	struct exchange *x = userdata;
	size_t need;

	size *= n;
	need = x->reply.size + size + 1;
	if (need > MAX_BODY) {
		x->too_big = true;
		return 0;
	}
	if (need > x->allocated) {
		size_t bigger = MAX(need, x->allocated * 2);
		char *body = realloc(x->reply.body, bigger);

		if (!body)
			return 0;
		x->reply.body = body;
		x->allocated = bigger;
	}
	memcpy(x->reply.body + x->reply.size, data, size);
	x->reply.size += size;
	x->reply.body[x->reply.size] = '\0';
	return size;
}

/* The host is only there because HTTP wants one. */
int exchange_begin(struct client *c, struct exchange *x, const char *path, long timeout_s)
{
	_cleanup_free_ char *url = NULL;

	*x = (struct exchange){ .easy = curl_easy_init() };
	if (!x->easy || asprintf(&url, "http://localhost%s", path) < 0)
		return -ENOMEM;
	curl_easy_setopt(x->easy, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(x->easy, CURLOPT_URL, url);
	curl_easy_setopt(x->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(x->easy, CURLOPT_TIMEOUT, timeout_s);
	curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_USERAGENT, "profctl/" PROFD_VERSION);
	return curl_multi_add_handle(c->multi, x->easy) == CURLM_OK ? 0 : -ENOMEM;
}

void exchange_end(struct client *c, struct exchange *x)
{
	if (x->easy) {
		curl_multi_remove_handle(c->multi, x->easy);
		curl_easy_cleanup(x->easy);
	}
	free(x->reply.body);
	*x = (struct exchange){};
}

int exchange_perform(struct client *c, struct exchange *x, size_t n)
{
	CURLMsg *message;
	int running;

	if (curl_multi_perform(c->multi, &running) != CURLM_OK)
		return -EIO;
	while ((message = curl_multi_info_read(c->multi, &running)))
		for (size_t i = 0; i < n; i++)
			if (message->msg == CURLMSG_DONE && x[i].easy == message->easy_handle) {
				x[i].done = true;
				x[i].result = message->data.result;
			}
	return 0;
}

int exchange_status(const struct client *c, const struct exchange *x, struct error *e)
{
	long status = 0;

	if (x->too_big)
		return error_set(e, EFBIG, "the daemon's answer is larger than %llu MiB",
				 MAX_BODY >> 20);
	if (x->result != CURLE_OK)
		return error_set(e, EIO, "no answer from the daemon at %s: %s", c->socket,
				 curl_easy_strerror(x->result));
	curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

int exchange_refusal(const struct exchange *x, int status, struct error *e)
{
	const char *body = x->reply.body ? x->reply.body : "";
	int number = status == 404 ? ESRCH : status == 403 ? EACCES : status == 400 ? EINVAL : EIO;

	if (!*body)
		return error_set(e, number, "the daemon answered with status %d", status);
	return error_set(e, number, "the daemon says: %.*s", (int)strcspn(body, "\r\n"), body);
}

int exchange_take(const struct client *c, struct exchange *x, struct reply *ret, struct error *e)
{
	int status = exchange_status(c, x, e);

	if (status < 0)
		return status;
	if (status != 200)
		return exchange_refusal(x, status, e);
	if (!x->reply.body) {
		x->reply.body = calloc(1, 1);
		if (!x->reply.body)
			return error_set(e, ENOMEM, "out of memory");
	}
	*ret = x->reply;
	x->reply = (struct reply){};
	return 0;
}
