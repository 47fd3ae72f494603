/* SPDX-License-Identifier: Apache-2.0 */
/* A request as its page sees it; http.c owns it. Pages do not know libmicrohttpd. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <microhttpd.h>
#include <systemd/sd-event.h>

#include "access.h"
#include "http_route.h"
#include "profile/pprof.h"

struct profiler_tap;
struct window;

#define HTTP_ID_LEN   65
#define HTTP_MAX_BODY (1U << 20)

struct http_request {
	struct http_request *prev, *next; /* of all requests */
	struct http *http;
	struct manager *manager;
	struct MHD_Connection *connection;

	char *path;	      /* still encoded */
	const char *query;    /* behind the '?', still encoded; "" if there is none */
	char id[HTTP_ID_LEN]; /* X-Profd-Id: by which its client can end it early; "" = none */
	bool is_post;
	bool is_form; /* the body is a form, whose values come before the query's */
	char *body;   /* NUL-terminated; "" if there is none */
	size_t body_size;
	bool body_too_big;
	struct http_route route;
	struct access access;

	/* The answer, when there is one. */
	struct MHD_Response *response;
	unsigned int status;

	/* While a profile is collected. */
	bool began, ready, suspended;
	sd_event_source *watch; /* for the client to leave */
	struct profiler_tap *tap;
	struct pprof_ahead *ahead; /* what is made of the answer before; NULL = nothing */
	struct window *window;
	struct selection selection;
	uint8_t kind;		   /* enum abi_sample_kind */
	struct wait_filter filter; /* not for cpu */
	enum pprof_wakers wakers;
};

/* Answers with @data, which it takes (malloc). */
void http_reply(struct http_request *r, unsigned int status, const char *type, void *data,
		size_t size);
/* Another header for the answer given before. */
void http_header(struct http_request *r, const char *name, const char *value);
/* Answers with one line of text that pprof shows to its user. */
void http_error(struct http_request *r, unsigned int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A page that is printed: http_page_open() gives a stream, http_page_send() answers with it. */
struct http_page {
	FILE *stream;
	char *data;
	size_t size;
};
FILE *http_page_open(struct http_page *p);
void http_page_send(struct http_request *r, struct http_page *p, const char *type);

/* The head of the request is there; a piece of its body; all of it is: answers, or suspends. */
void http_receive_head(struct http_request *r, const char *method);
void http_receive_body(struct http_request *r, const char *data, size_t size);
void http_dispatch(struct http_request *r, const char *method);

/* The profile that is being collected under this id; NULL if there is none. */
struct http_request *http_find_profile(struct http *h, const char *id);
/* Waits: the answer is given later, from http_tick(). -errno if it cannot. */
int http_suspend(struct http_request *r);

#define HTTP_TEXT "text/plain; charset=utf-8"
#define HTTP_HTML "text/html; charset=utf-8"

/* The pages. */
void http_home(struct http_request *r);
void http_status(struct http_request *r);
void http_processes(struct http_request *r);
void http_executables(struct http_request *r);
void http_healthz(struct http_request *r);
void http_metrics(struct http_request *r);
void http_index(struct http_request *r);
void http_profile(struct http_request *r);
void http_block(struct http_request *r);
void http_mutex(struct http_request *r);
void http_cmdline(struct http_request *r);
void http_symbol(struct http_request *r);
void http_end_early(struct http_request *r);

/* A form's values come before those of the query. Caller frees; NULL when out of memory. */
char *http_parameters(const struct http_request *r);
/* Answers after @seconds with a profile of the request's kind and selection. */
void http_collect(struct http_request *r, uint64_t seconds);
/* The profile's window is there: encodes it and answers. */
void http_profile_done(struct http_request *r);
/* What the encoder is to be told of any profile for this request. */
struct pprof_options http_pprof_options(const struct http_request *r);
/* Answers with a profile; @data is taken. */
void http_reply_profile(struct http_request *r, void *data, size_t size, const char *suffix);

/*
 * What a profile of waits says of how it was made: lines for its comments, NULL-terminated.
 */
#define HTTP_WAIT_COMMENTS 3
struct http_wait_comments {
	char text[HTTP_WAIT_COMMENTS][192];
	const char *lines[HTTP_WAIT_COMMENTS + 1];
};
void http_wait_comments(struct manager *m, struct http_wait_comments *ret);
