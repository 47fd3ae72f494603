/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: routes, decoding, queries, the rules of seconds=, selections; and who may see what. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/access.h"
#include "../../daemon/http_route.h"
#include "base/cleanup.h"
#include "scratch.h"

static void routes(void **state)
{
	static const struct {
		const char *path;
		enum http_endpoint endpoint;
		enum http_selector selector;
		const char *value, *location;
	} cases[] = {
		{ "/", HTTP_HOME, 0, "", NULL },
		{ "/metrics", HTTP_METRICS, 0, "", NULL },
		{ "/healthz", HTTP_HEALTHZ, 0, "", NULL },
		{ "/status", HTTP_STATUS, 0, "", NULL },
		{ "/processes", HTTP_PROCESSES, 0, "", NULL },
		{ "/executables", HTTP_EXECUTABLES, 0, "", NULL },
		{ "/processes/", HTTP_UNKNOWN, 0, "", NULL },
		{ "/nothing", HTTP_UNKNOWN, 0, "", NULL },
		{ "/debug/pprof", HTTP_REDIRECT, 0, "", "/debug/pprof/" },
		{ "/debug/pprof/", HTTP_INDEX, 0, "", NULL },
		{ "//debug/pprof/", HTTP_REDIRECT, 0, "", "/debug/pprof/" },
		{ "/debug//pprof/profile", HTTP_REDIRECT, 0, "", "/debug/pprof/profile" },
		{ "/debug/./pprof/../pprof/", HTTP_REDIRECT, 0, "", "/debug/pprof/" },
		{ "/../..", HTTP_REDIRECT, 0, "", "/" },
		{ "/debug/pprof/profile", HTTP_PROFILE, 0, "", NULL },
		{ "/debug/pprof/profile/", HTTP_UNKNOWN_PROFILE, 0, "", NULL },
		{ "/debug/pprof/cmdline", HTTP_CMDLINE, 0, "", NULL },
		{ "/debug/pprof/symbol", HTTP_SYMBOL, 0, "", NULL },
		{ "/debug/pprof/heap", HTTP_UNKNOWN_PROFILE, 0, "", NULL },
		{ "/debug/pprofx", HTTP_UNKNOWN, 0, "", NULL },
		{ "/pid/12/debug/pprof/profile", HTTP_PROFILE, HTTP_SELECT_PID, "12", NULL },
		{ "/pid/12/debug/pprof", HTTP_REDIRECT, HTTP_SELECT_PID, "12",
		  "/pid/12/debug/pprof/" },
		{ "/pid/12", HTTP_REDIRECT, HTTP_SELECT_PID, "12", "/pid/12/debug/pprof/" },
		{ "/pid/12/", HTTP_REDIRECT, HTTP_SELECT_PID, "12", "/pid/12/debug/pprof/" },
		{ "/pid/12/metrics", HTTP_UNKNOWN, HTTP_SELECT_PID, "12", NULL },
		{ "/comm/a%2Fb%20c/debug/pprof/symbol", HTTP_SYMBOL, HTTP_SELECT_COMM, "a/b c",
		  NULL },
		{ "/comm/a+b/debug/pprof/", HTTP_INDEX, HTTP_SELECT_COMM, "a+b", NULL },
		{ "/unit/nginx.service/debug/pprof/cmdline", HTTP_CMDLINE, HTTP_SELECT_UNIT,
		  "nginx.service", NULL },
		{ "/container/0123456789ab/debug/pprof/profile", HTTP_PROFILE,
		  HTTP_SELECT_CONTAINER, "0123456789ab", NULL },
		{ "/comm/%zz/debug/pprof/", HTTP_UNKNOWN, 0, "", NULL },
		{ "/comm/%00/debug/pprof/", HTTP_UNKNOWN, 0, "", NULL },
		{ "/comm/%4", HTTP_UNKNOWN, 0, "", NULL },
		{ "", HTTP_REDIRECT, 0, "", "/" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_route r;

		assert_int_equal(http_route_parse(cases[i].path, &r), 0);
		if (r.endpoint != cases[i].endpoint)
			fail_msg("'%s' is %d", cases[i].path, r.endpoint);
		if (cases[i].selector) {
			assert_int_equal(r.selector, cases[i].selector);
			assert_string_equal(r.value, cases[i].value);
		}
		if (cases[i].location)
			assert_string_equal(r.location, cases[i].location);
		else
			assert_null(r.location);
		free(r.location);
	}
}

static void long_values_are_refused(void **state)
{
	char path[2 * HTTP_VALUE_LEN] = "/comm/";
	struct http_route r;

	(void)state;
	memset(path + 6, 'x', HTTP_VALUE_LEN);
	assert_int_equal(http_route_parse(path, &r), 0);
	assert_int_equal(r.endpoint, HTTP_UNKNOWN);
}

/* Go: ParseInt(value, 10, 64); an error, 0 and negative numbers give 30. */
static void seconds(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} cases[] = {
		{ "", 30 },
		{ "0", 30 },
		{ "-1", 30 },
		{ "1.5", 30 },
		{ "1", 1 },
		{ "14", 14 },
		{ "007", 7 },
		{ "+5", 5 },
		{ "0x10", 30 },
		{ "1e3", 30 },
		{ " 5", 30 },
		{ "5 ", 30 },
		{ "abc", 30 },
		{ "+", 30 },
		{ "-", 30 },
		{ "1_000", 30 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", 30 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (http_profile_seconds(cases[i].text) != cases[i].seconds)
			fail_msg("'%s'", cases[i].text);
}

static void queries(void **state)
{
	char value[HTTP_VALUE_LEN];

	(void)state;
	assert_true(http_query_get("a=1&seconds=5&seconds=9", "seconds", value));
	assert_string_equal(value, "5");
	assert_true(http_query_get("&&seconds=%35+x", "seconds", value));
	assert_string_equal(value, "5 x");
	assert_true(http_query_get("seconds", "seconds", value));
	assert_string_equal(value, "");
	assert_true(http_query_get("%73econds=1=2", "seconds", value));
	assert_string_equal(value, "1=2");
	assert_false(http_query_get("second=1&seconds=%zz&seconds=1;2", "seconds", value));
	assert_false(http_query_get("", "seconds", value));
}

static void selections(void **state)
{
	static const struct {
		enum http_selector selector;
		const char *value, *query;
		int result;
		size_t n_pids;
	} cases[] = {
		{ HTTP_SELECT_NONE, "", "", 0, 0 },
		{ HTTP_SELECT_PID, "12", "seconds=1", 0, 1 },
		{ HTTP_SELECT_PID, "12", "pid=13", 0, 1 },
		{ HTTP_SELECT_NONE, "", "pid=12&pid=13", 0, 2 },
		{ HTTP_SELECT_PID, "0", "", -EINVAL, 0 },
		{ HTTP_SELECT_PID, "-1", "", -EINVAL, 0 },
		{ HTTP_SELECT_PID, "x", "", -EINVAL, 0 },
		{ HTTP_SELECT_PID, "4294967297", "", -EINVAL, 0 },
		{ HTTP_SELECT_PID, "99999999999", "", -EINVAL, 0 },
		{ HTTP_SELECT_NONE, "", "pid=", -EINVAL, 0 },
		{ HTTP_SELECT_NONE, "", "comm=a&comm=b", -EINVAL, 0 },
		{ HTTP_SELECT_NONE, "", "unit=", -EINVAL, 0 },
		{ HTTP_SELECT_COMM, "a", "unit=b", 0, 0 },
	};
	struct http_route route = { 0 };
	char many[16 * (SELECTION_MAX_PIDS + 1)] = "";
	struct selection s;
	const char *bad;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r;

		route.selector = cases[i].selector;
		strcpy(route.value, cases[i].value);
		r = http_selection(&route, cases[i].query, &s, &bad);
		if (r != cases[i].result)
			fail_msg("'%s' '%s'", cases[i].value, cases[i].query);
		if (r < 0)
			continue;
		assert_int_equal(s.n_pids, cases[i].n_pids);
		selection_done(&s);
	}
	for (int i = 0; i <= SELECTION_MAX_PIDS; i++)
		strcat(many, "pid=1&");
	route.selector = HTTP_SELECT_NONE;
	assert_int_equal(http_selection(&route, many, &s, &bad), -EINVAL);
	assert_string_equal(bad, "too many pids");
}

static void access_by_peer(void **state)
{
	const gid_t groups[] = { 100, 200 };
	struct access a;

	(void)state;
	assert_true(access_of_peer(0, NULL, 0, 300).everything);
	assert_true(access_of_peer(1000, groups, 2, 200).everything);
	a = access_of_peer(1000, groups, 2, 300);
	assert_false(a.everything);
	assert_int_equal(a.uid, 1000);
	/* There is no group profd: (gid_t)-1 is nobody's. */
	assert_false(access_of_peer(1000, (const gid_t[]){ (gid_t)-1 }, 1, (gid_t)-1).everything);
}

static void access_by_program(void **state)
{
	char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 8], link[SCRATCH_SIZE + 8];

	(void)state;
	assert_int_equal(scratch_make(directory), 0);
	snprintf(path, sizeof(path), "%s/x", directory);
	snprintf(link, sizeof(link), "%s/link", directory);
	assert_false(access_is_plain_program(path)); /* it is gone */
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0700)), 0);
	assert_true(access_is_plain_program(path));
	assert_int_equal(symlink(path, link), 0);
	assert_false(access_is_plain_program(link));
	assert_int_equal(chmod(path, 04700), 0);
	assert_false(access_is_plain_program(path));
	assert_int_equal(chmod(path, 02700), 0);
	assert_false(access_is_plain_program(path));
	assert_false(access_is_plain_program(directory));
	assert_false(access_is_plain_program("x"));
	assert_false(access_is_plain_program(""));
	assert_int_equal(scratch_remove(directory), 0);
}

static void access_by_process(void **state)
{
	const struct access own = { .uid = getuid() }, other = { .uid = getuid() + 1 };
	const struct access all = { .everything = true };

	(void)state;
	assert_true(access_allows(&own, (uint32_t)getpid()));
	assert_false(access_allows(&other, (uint32_t)getpid()));
	assert_true(access_allows(&all, (uint32_t)getpid()));
	assert_false(access_allows(&own, 0x7fffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(long_values_are_refused),
		cmocka_unit_test(seconds),
		cmocka_unit_test(queries),
		cmocka_unit_test(selections),
		cmocka_unit_test(access_by_peer),
		cmocka_unit_test(access_by_program),
		cmocka_unit_test(access_by_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
