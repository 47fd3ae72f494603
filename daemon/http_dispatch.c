/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of a request to its page: head, body, and who may ask for what. */
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "base/cleanup.h"
#include "http.h"
#include "http_request.h"
#include "manager.h"

void http_receive_head(struct http_request *r, const char *method)
{
	const char *type = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
						       MHD_HTTP_HEADER_CONTENT_TYPE);
	const char *form = "application/x-www-form-urlencoded";
	const char *id = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "X-Profd-Id");

	r->began = true;
	if (id && strlen(id) < sizeof(r->id))
		strcpy(r->id, id);
	r->is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
	r->is_form = r->is_post && type && strncasecmp(type, form, strlen(form)) == 0;
}

void http_receive_body(struct http_request *r, const char *data, size_t size)
{
	char *body;

	if (r->body_too_big || r->body_size + size > HTTP_MAX_BODY) {
		r->body_too_big = true;
		return;
	}
	body = realloc(r->body, r->body_size + size + 1);
	if (!body) {
		r->body_too_big = true;
		return;
	}
	r->body = body;
	memcpy(body + r->body_size, data, size);
	r->body_size += size;
	body[r->body_size] = '\0';
}

static void redirect(struct http_request *r)
{
	_cleanup_free_ char *location = NULL;

	if (asprintf(&location, "%s%s%s", r->route.location, *r->query ? "?" : "", r->query) < 0) {
		location = NULL;
		http_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
		return;
	}
	http_error(r, MHD_HTTP_MOVED_PERMANENTLY, "Moved to %s", location);
	http_header(r, MHD_HTTP_HEADER_LOCATION, location);
}

static void unknown(struct http_request *r)
{
	if (r->route.endpoint == HTTP_UNKNOWN_PROFILE)
		http_error(r, MHD_HTTP_NOT_FOUND, "Unknown profile");
	else
		http_error(r, MHD_HTTP_NOT_FOUND, "404 page not found; / lists what there is");
}

/*
 * A page in somebody's browser can have its own name resolve to 127.0.0.1 and then read what it
 * finds here as if it came from its own server. The name gives it away.
 */
static bool is_led_astray(struct http_request *r)
{
	const char *host =
		MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

	return r->access.over_network && !r->manager->options.insecure && host &&
	       !address_host_is_local(host);
}

void http_dispatch(struct http_request *r, const char *method)
{
	static void (*const pages[HTTP_ENDPOINTS_COUNT])(struct http_request * r) = {
		[HTTP_UNKNOWN] = unknown,	[HTTP_UNKNOWN_PROFILE] = unknown,
		[HTTP_REDIRECT] = redirect,	[HTTP_HOME] = http_home,
		[HTTP_INDEX] = http_index,	[HTTP_PROFILE] = http_profile,
		[HTTP_CMDLINE] = http_cmdline,	[HTTP_SYMBOL] = http_symbol,
		[HTTP_BLOCK] = http_block,	[HTTP_MUTEX] = http_mutex,
		[HTTP_FINISH] = http_end_early, [HTTP_METRICS] = http_metrics,
		[HTTP_HEALTHZ] = http_healthz,	[HTTP_PROCESSES] = http_processes,
		[HTTP_STATUS] = http_status,	[HTTP_EXECUTABLES] = http_executables,
	};

	if (http_route_parse(r->path, &r->route) < 0) {
		http_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
		return;
	}
	if (is_led_astray(r)) {
		http_error(r, MHD_HTTP_FORBIDDEN,
			   "the request is for a host of another name: ask for 127.0.0.1, [::1] or "
			   "localhost, or set insecure=yes");
		return;
	}
	if (!r->is_post && strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		http_error(r, MHD_HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed");
		http_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD, POST");
		return;
	}
	if (r->body_too_big) {
		http_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than %u bytes",
			   HTTP_MAX_BODY);
		return;
	}
	pages[r->route.endpoint](r);
	if (!r->response && !r->suspended)
		http_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
}
