/* SPDX-License-Identifier: Apache-2.0 */
/* Answers. Every one tells browsers not to guess its type; errors are text that pprof will show. */
#include "http_request.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void http_reply(struct http_request *r, unsigned int status, const char *type, void *data,
		size_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE);

	if (!response) {
		free(data);
		return;
	}
	if (r->response)
		MHD_destroy_response(r->response);
	r->response = response;
	r->status = status;
	http_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	http_header(r, "X-Content-Type-Options", "nosniff");
	http_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

void http_header(struct http_request *r, const char *name, const char *value)
{
	if (r->response)
		MHD_add_response_header(r->response, name, value);
}

void http_error(struct http_request *r, unsigned int status, const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return;
	text[length] = '\n'; /* in place of the NUL: the body is not a string */
	http_reply(r, status, HTTP_TEXT, text, (size_t)length + 1);
	http_header(r, "X-Go-Pprof", "1");
}

FILE *http_page_open(struct http_page *p)
{
	*p = (struct http_page){ 0 };
	p->stream = open_memstream(&p->data, &p->size);
	return p->stream;
}

void http_page_send(struct http_request *r, struct http_page *p, const char *type)
{
	int failed = ferror(p->stream);

	failed |= fclose(p->stream);
	if (failed) {
		free(p->data);
		http_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
		return;
	}
	http_reply(r, MHD_HTTP_OK, type, p->data, p->size);
}
