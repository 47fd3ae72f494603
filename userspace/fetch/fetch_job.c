/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_job.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "elf/debug_identity.h"

#define CONNECT_TIMEOUT_MS 10000L
/* A server that is slower than this for so long is as good as none. */
#define LOW_SPEED_BYTES	  1024L
#define LOW_SPEED_SECONDS 20L
#define MAX_REDIRECTS	  5L

struct download {
	int fd;
	uint64_t size, max;
	bool too_large;
};

static size_t take(char *data, size_t one, size_t n, void *userdata)
{
	struct download *d = userdata;
	size_t size = one * n, done = 0;

	if (size > d->max - d->size) {
		d->too_large = true;
		return 0;
	}
	while (done < size) {
		ssize_t w = pwrite(d->fd, data + done, size - done, (off_t)(d->size + done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return 0;
		done += (size_t)w;
	}
	d->size += size;
	return size;
}

static void set_up(CURL *curl, const char *url, struct download *d, uint64_t left_ns)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(left_ns / NS_PER_MS));
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_SECONDS);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)d->max);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "profd/" PROFD_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, d);
}

static int outcome(CURL *curl, CURLcode code, const struct download *d)
{
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK)
		return 0;
	if (d->too_large || code == CURLE_FILESIZE_EXCEEDED)
		return -EFBIG;
	return code == CURLE_HTTP_RETURNED_ERROR && status == 404 ? -ENOENT : -EHOSTUNREACH;
}

static int download(const char *url, struct download *d, uint64_t deadline)
{
	uint64_t now = clock_monotonic_ns();
	CURL *curl;
	int r;

	if (now + NS_PER_MS >= deadline)
		return -EHOSTUNREACH;
	if (ftruncate(d->fd, 0) < 0)
		return -errno;
	curl = curl_easy_init();
	if (!curl)
		return -ENOMEM;
	set_up(curl, url, d, deadline - now);
	r = outcome(curl, curl_easy_perform(curl), d);
	curl_easy_cleanup(curl);
	return r;
}

static bool is_of(int fd, const struct fetch_question *q)
{
	struct debug_identity id;

	return debug_identity_read(fd, &id) == 0 && id.build_id_size == q->build_id_size &&
	       memcmp(id.build_id, q->build_id, id.build_id_size) == 0;
}

static int ask(const struct fetch_question *q, const char *server, size_t length, int fd,
	       uint64_t deadline, uint64_t *ret_size)
{
	struct download d = { .fd = fd, .max = q->max_bytes };
	char url[FETCH_MAX_URLS + 2 * ELF_BUILD_ID_MAX + 64], hex[2 * ELF_BUILD_ID_MAX + 1];
	int r;

	while (length > 0 && server[length - 1] == '/')
		length--;
	build_id_format(q->build_id, q->build_id_size, hex);
	snprintf(url, sizeof(url), "%.*s/buildid/%s/debuginfo", (int)length, server, hex);
	r = download(url, &d, deadline);
	if (r == 0 && !is_of(fd, q))
		r = -EBADMSG;
	*ret_size = d.size;
	return r;
}

/*
 * What is known is the worst of what the servers said: a file that one of them could not be asked
 * for may be there after all.
 */
static int ask_all(const struct fetch_question *q, int fd, uint64_t *ret_size)
{
	uint64_t deadline = clock_monotonic_ns() + q->timeout_ms * NS_PER_MS;
	int result = -ENOENT;

	for (const char *p = q->urls + strspn(q->urls, " "); *p; p += strspn(p, " ")) {
		size_t length = strcspn(p, " ");
		int r = ask(q, p, length, fd, deadline, ret_size);

		if (r == 0)
			return 0;
		if (result == -ENOENT)
			result = r;
		p += length;
	}
	return result;
}

int fetch_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		  size_t *ret_size)
{
	_cleanup_free_ uint64_t *size = calloc(1, sizeof(*size));
	struct fetch_question q;
	int r;

	if (n_fds != 1 || args_size != sizeof(q))
		return -EINVAL;
	memcpy(&q, args, sizeof(q));
	if (!size)
		return -ENOMEM;
	if (q.build_id_size == 0 || q.build_id_size > ELF_BUILD_ID_MAX ||
	    !memchr(q.urls, 0, sizeof(q.urls)))
		return -EINVAL;
	r = ask_all(&q, fds[0], size);
	if (r < 0)
		return r;
	*ret_data = TAKE_PTR(size);
	*ret_size = sizeof(*size);
	return 0;
}
