/* SPDX-License-Identifier: Apache-2.0 */
#include "http_route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define PPROF_BASE "/debug/pprof"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int http_decode(const char *text, size_t length, bool plus, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (c == '%') {
			int high = i + 1 < length ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0')
			return -EINVAL;
		if (n + 1 >= size)
			return -ENOSPC;
		ret[n++] = c;
	}
	ret[n] = '\0';
	return 0;
}

bool http_query_next(const char **query, char key[static HTTP_VALUE_LEN],
		     char value[static HTTP_VALUE_LEN])
{
	while (**query) {
		const char *pair = *query;
		size_t length = strcspn(pair, "&"), key_length;

		*query = pair + length + (pair[length] == '&');
		if (length == 0 || memchr(pair, ';', length))
			continue;
		key_length = MIN(strcspn(pair, "="), length);
		if (http_decode(pair, key_length, true, key, HTTP_VALUE_LEN) < 0)
			continue;
		if (key_length < length)
			key_length++; /* the '=' */
		if (http_decode(pair + key_length, length - key_length, true, value,
				HTTP_VALUE_LEN) < 0)
			continue;
		return true;
	}
	return false;
}

bool http_query_get(const char *query, const char *key, char value[static HTTP_VALUE_LEN])
{
	char k[HTTP_VALUE_LEN], v[HTTP_VALUE_LEN];

	while (http_query_next(&query, k, v))
		if (strcmp(k, key) == 0) {
			memcpy(value, v, HTTP_VALUE_LEN);
			return true;
		}
	return false;
}

/* strconv.ParseInt(value, 10, 64) of Go. */
static bool parse_integer(const char *value, long long *ret)
{
	const char *digits = value + (*value == '+' || *value == '-');

	if (!*digits || digits[strspn(digits, "0123456789")])
		return false;
	errno = 0;
	*ret = strtoll(value, NULL, 10);
	return errno == 0;
}

uint64_t http_profile_seconds(const char *value)
{
	long long seconds;

	if (!parse_integer(value, &seconds) || seconds <= 0)
		return HTTP_DEFAULT_SECONDS;
	return (uint64_t)seconds;
}

uint64_t http_delta_seconds(const char *value)
{
	long long seconds;

	return parse_integer(value, &seconds) && seconds > 0 ? (uint64_t)seconds : 0;
}

bool http_wants_text(const char *value)
{
	long long level;

	return parse_integer(value, &level) && level != 0;
}

/*
 * The path without empty, "." and ".." parts, as Go's mux does; a slash at the end stays. NULL when
 * out of memory.
 */
static char *clean_path(const char *path)
{
	size_t length = strlen(path), n = 0;
	char *clean = malloc(length + 2);

	if (!clean)
		return NULL;
	for (const char *p = path; *p;) {
		size_t part;

		p += strspn(p, "/");
		part = strcspn(p, "/");
		if (part == 2 && p[0] == '.' && p[1] == '.') {
			while (n > 0 && clean[--n] != '/')
				;
		} else if (part > 0 && !(part == 1 && p[0] == '.')) {
			clean[n++] = '/';
			memcpy(clean + n, p, part);
			n += part;
		}
		p += part;
	}
	if (n == 0 || (length > 0 && path[length - 1] == '/'))
		clean[n++] = '/';
	clean[n] = '\0';
	return clean;
}

static const struct {
	const char *name;
	enum http_selector selector;
} selectors[] = {
	{ "/pid/", HTTP_SELECT_PID },
	{ "/comm/", HTTP_SELECT_COMM },
	{ "/unit/", HTTP_SELECT_UNIT },
	{ "/container/", HTTP_SELECT_CONTAINER },
};

/* Takes "/pid/1234" and the like off the path; false if the value cannot be one. */
static bool take_prefix(const char **path, struct http_route *route)
{
	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
		size_t name = strlen(selectors[i].name);
		const char *value = *path + name;
		size_t length;

		if (strncmp(*path, selectors[i].name, name) != 0)
			continue;
		length = strcspn(value, "/");
		if (length == 0 ||
		    http_decode(value, length, false, route->value, sizeof(route->value)) < 0)
			return false;
		route->selector = selectors[i].selector;
		*path = value + length;
		return true;
	}
	return true;
}

static const struct {
	const char *path;
	enum http_endpoint endpoint;
} pages[] = {
	{ "/", HTTP_HOME },		  { "/metrics", HTTP_METRICS },
	{ "/healthz", HTTP_HEALTHZ },	  { "/processes", HTTP_PROCESSES },
	{ "/status", HTTP_STATUS },	  { "/executables", HTTP_EXECUTABLES },
	{ "/finish", HTTP_FINISH },
}, profiles[] = {
	{ "", HTTP_INDEX },
	{ "profile", HTTP_PROFILE },
	{ "block", HTTP_BLOCK },
	{ "mutex", HTTP_MUTEX },
	{ "cmdline", HTTP_CMDLINE },
	{ "symbol", HTTP_SYMBOL },
};

static enum http_endpoint find_endpoint(const char *path, bool prefixed)
{
	size_t base = strlen(PPROF_BASE "/");

	if (strncmp(path, PPROF_BASE "/", base) == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
			if (strcmp(path + base, profiles[i].path) == 0)
				return profiles[i].endpoint;
		return HTTP_UNKNOWN_PROFILE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(pages) && !prefixed; i++)
		if (strcmp(path, pages[i].path) == 0)
			return pages[i].endpoint;
	return HTTP_UNKNOWN;
}

static int redirect(struct http_route *route, const char *path, const char *more)
{
	route->endpoint = HTTP_REDIRECT;
	if (asprintf(&route->location, "%s%s", path, more) < 0) {
		route->location = NULL;
		return -ENOMEM;
	}
	return 0;
}

int http_route_parse(const char *path, struct http_route *ret)
{
	_cleanup_free_ char *clean = clean_path(path);
	struct http_route route = { 0 };
	const char *rest = clean;
	int r = 0;

	if (!clean)
		return -ENOMEM;
	if (!take_prefix(&rest, &route))
		route.endpoint = HTTP_UNKNOWN;
	else if (strcmp(clean, path) != 0)
		r = redirect(&route, clean, "");
	else if (strcmp(rest, PPROF_BASE) == 0)
		r = redirect(&route, clean, "/");
	else if (route.selector && (!*rest || strcmp(rest, "/") == 0))
		r = redirect(&route, clean, *rest ? "debug/pprof/" : "/debug/pprof/");
	else
		route.endpoint = find_endpoint(rest, route.selector != HTTP_SELECT_NONE);
	if (r == 0)
		*ret = route;
	return r;
}

static int add_pid(struct selection *s, const char *text, const char **bad)
{
	size_t length = strspn(text, "0123456789");
	unsigned long pid;

	*bad = "pid must be the number of a process";
	if (length == 0 || length > 10 || text[length])
		return -EINVAL;
	pid = strtoul(text, NULL, 10);
	if (pid == 0 || pid > INT32_MAX)
		return -EINVAL;
	*bad = "too many pids";
	if (s->n_pids == SELECTION_MAX_PIDS)
		return -EINVAL;
	s->pids[s->n_pids++] = (uint32_t)pid;
	return 0;
}

/* A name may be given once, in the path or in the query. */
static int set_name(char **where, const char *value, const char **bad)
{
	*bad = "comm, unit and container can be given once, and not empty";
	if (*where || !*value)
		return -EINVAL;
	*where = strdup(value);
	return *where ? 0 : -ENOMEM;
}

static int select_by(struct selection *s, enum http_selector selector, const char *value,
		     const char **bad)
{
	switch (selector) {
	case HTTP_SELECT_PID:
		return add_pid(s, value, bad);
	case HTTP_SELECT_COMM:
		return set_name(&s->comm, value, bad);
	case HTTP_SELECT_UNIT:
		return set_name(&s->unit, value, bad);
	case HTTP_SELECT_CONTAINER:
		return set_name(&s->container, value, bad);
	default:
		return 0;
	}
}

int http_selection(const struct http_route *route, const char *query, struct selection *ret,
		   const char **ret_bad)
{
	char key[HTTP_VALUE_LEN], value[HTTP_VALUE_LEN];
	struct selection s = { 0 };
	int r = select_by(&s, route->selector, route->value, ret_bad);

	while (r == 0 && http_query_next(&query, key, value)) {
		/* A prefix pid is the whole answer: a query cannot widen it. */
		if (strcmp(key, "pid") == 0 && route->selector != HTTP_SELECT_PID)
			r = add_pid(&s, value, ret_bad);
		else if (strcmp(key, "comm") == 0)
			r = set_name(&s.comm, value, ret_bad);
		else if (strcmp(key, "unit") == 0)
			r = set_name(&s.unit, value, ret_bad);
		else if (strcmp(key, "container") == 0)
			r = set_name(&s.container, value, ret_bad);
	}
	if (r < 0) {
		selection_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}
