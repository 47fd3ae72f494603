/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profctl's client against a small server of its own, forked for each test: requests, refusals,
 * ending a recording early, and a server that does not know how.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profctl/child.h"
#include "profctl/client.h"
#include "profile/selection.h"
#include "scratch.h"

#define MAX_REQUEST 4096

struct server {
	char directory[SCRATCH_SIZE];
	char path[SCRATCH_SIZE + 16];
	pid_t pid;
	int listener;
};

static int accept_request(int listener, char *request)
{
	int fd = accept(listener, NULL, NULL);
	size_t used = 0;

	while (fd >= 0 && used < MAX_REQUEST - 1) {
		ssize_t n = read(fd, request + used, MAX_REQUEST - 1 - used);

		if (n <= 0)
			break;
		used += (size_t)n;
		request[used] = '\0';
		if (strstr(request, "\r\n\r\n"))
			return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static void answer(int fd, int status, const char *body)
{
	dprintf(fd, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
		strlen(body), body);
	close(fd);
}

/* What a request's X-Profd-Id says. */
static void read_id(const char *request, char id[static 33])
{
	const char *p = strstr(request, "X-Profd-Id: ");

	snprintf(id, 33, "%.32s", p ? p + strlen("X-Profd-Id: ") : "none");
}

/* A recording that is answered when, and only when, a request to finish it names its id. */
static void serve_recording(int listener, int finish_status)
{
	char request[MAX_REQUEST], id[33], want[64];
	int profile, finish;

	profile = accept_request(listener, request);
	if (strncmp(request, "GET /pid/7/debug/pprof/profile?seconds=30 ", 42) != 0) {
		answer(profile, 400, request);
		return;
	}
	read_id(request, id);
	finish = accept_request(listener, request);
	snprintf(want, sizeof(want), "POST /finish?id=%s ", id);
	if (strncmp(request, want, strlen(want)) != 0)
		finish_status = 400;
	answer(finish, finish_status, "no such thing\n");
	answer(profile, 200, finish_status == 200 ? "finished" : "not finished");
}

/* Does not know the process at first, then holds the answer back until the program has run. */
static void serve_late(int listener)
{
	char request[MAX_REQUEST];

	for (int i = 0; i < 2; i++)
		answer(accept_request(listener, request), 404, "no process matches\n");
	serve_recording(listener, 200);
}

/* Two recordings at once: each is answered, with its own request, when its id was named. */
static void serve_several(int listener)
{
	char requests[2][MAX_REQUEST], request[MAX_REQUEST], id[2][33], want[128];
	int fds[2];

	for (int i = 0; i < 2; i++) {
		fds[i] = accept_request(listener, requests[i]);
		read_id(requests[i], id[i]);
		requests[i][strcspn(requests[i], "\r")] = '\0';
	}
	for (int n = 0; n < 2; n++) {
		int finish = accept_request(listener, request);

		answer(finish, 200, "ok\n");
		for (int i = 0; i < 2; i++) {
			snprintf(want, sizeof(want), "POST /finish?id=%s ", id[i]);
			if (strncmp(request, want, strlen(want)) == 0)
				answer(fds[i], 200, requests[i]);
		}
	}
}

static void serve(int listener, const char *what)
{
	char request[MAX_REQUEST] = "";

	if (strcmp(what, "recording") == 0)
		serve_recording(listener, 200);
	else if (strcmp(what, "old") == 0)
		serve_recording(listener, 404);
	else if (strcmp(what, "late") == 0)
		serve_late(listener);
	else if (strcmp(what, "several") == 0)
		serve_several(listener);
	else if (strcmp(what, "echo") == 0) {
		int fd = accept_request(listener, request);

		request[strcspn(request, "\r")] = '\0';
		answer(fd, 200, request);
	} else if (strcmp(what, "refuse") == 0)
		answer(accept_request(listener, request), 404,
		       "no process matches pid=7\nsecond line");
	else if (strcmp(what, "forbid") == 0)
		answer(accept_request(listener, request), 403, "");
	else if (strcmp(what, "close") == 0)
		close(accept_request(listener, request));
}

static void server_start(struct server *s, const char *what)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	assert_int_equal(scratch_make(s->directory), 0);
	snprintf(s->path, sizeof(s->path), "%s/sock", s->directory);
	strcpy(address.sun_path, s->path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s->listener, 4), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		alarm(20);
		serve(s->listener, what);
		_exit(0);
	}
}

static void server_end(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->listener);
	assert_int_equal(scratch_remove(s->directory), 0);
}

static enum watch_answer go_on(void *userdata)
{
	(void)userdata;
	return WATCH_GO_ON;
}

static enum watch_answer finish(void *userdata)
{
	(void)userdata;
	return WATCH_FINISH;
}

/* Once the program runs, its recording may end. */
static enum watch_answer finish_when_released(void *userdata)
{
	const struct child *child = userdata;

	return child->gate < 0 ? WATCH_FINISH : WATCH_GO_ON;
}

static enum watch_answer give_up(void *userdata)
{
	(void)userdata;
	return WATCH_ABORT;
}

static struct selection seven = { .pids = { 7 }, .n_pids = 1 };

/* A recording of process 7 for 30 s from a server that does @what. */
static int record(const char *what, enum watch_answer (*look)(void *), struct child *child,
		  struct reply *reply, struct error *e)
{
	const struct watch watch = { .look = look, .userdata = child };
	const struct client_profile request = {
		.selection = &seven,
		.wanted = &wanted_cpu,
		.duration = 30 * NS_PER_S,
		.child = child,
		.watch = &watch,
	};
	struct recorded recorded[WANTED_MAX] = { 0 };
	struct client *client;
	struct server server;
	int r;

	*e = (struct error){};
	server_start(&server, what);
	assert_int_equal(client_new(server.path, &client, e), 0);
	r = client_profile(client, &request, recorded, e);
	*reply = (struct reply){ recorded[0].data, recorded[0].size };
	client_free(client);
	server_end(&server);
	return r;
}

static void paths_follow_the_selection(void **state)
{
	static const struct {
		struct selection s;
		const char *path;
	} cases[] = {
		{ {}, "/debug/pprof/profile?seconds=5" },
		{ { .pids = { 12 }, .n_pids = 1 }, "/pid/12/debug/pprof/profile?seconds=5" },
		{ { .pids = { 1, 2 }, .n_pids = 2 }, "/debug/pprof/profile?seconds=5&pid=1&pid=2" },
		{ { .comm = (char *)"a b/c" }, "/comm/a%20b%2Fc/debug/pprof/profile?seconds=5" },
		{ { .unit = (char *)"x@1.service" },
		  "/unit/x%401.service/debug/pprof/profile?seconds=5" },
		{ { .pids = { 1 }, .n_pids = 1, .comm = (char *)"a&b" },
		  "/debug/pprof/profile?seconds=5&comm=a%26b&pid=1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *path =
			client_profile_path(&cases[i].s, &wanted_cpu, ABI_KIND_CPU, 5);

		assert_string_equal(path, cases[i].path);
	}
}

static void paths_say_which_waits(void **state)
{
	struct wanted w = { .reasons = "disk,lock", .locks = "mutex", .wakers = true };
	const struct selection s = { .pids = { 12 }, .n_pids = 1 };
	static const char *const paths[] = {
		"/pid/12/debug/pprof/profile?seconds=5",
		"/pid/12/debug/pprof/block?seconds=5&reason=disk,lock&lock=mutex&wakers=1",
		"/pid/12/debug/pprof/mutex?seconds=5&reason=disk,lock&lock=mutex",
	};

	(void)state;
	assert_int_equal(wanted_add(&w, "cpu,block,cpu"), 0);
	assert_int_equal(wanted_add(&w, "mutex"), 0);
	assert_int_equal(w.n, 3);
	assert_int_equal(wanted_add(&w, "heap"), -EINVAL);
	assert_int_equal(wanted_add(&w, "cpu,"), -EINVAL);
	for (size_t i = 0; i < w.n; i++) {
		_cleanup_free_ char *path = client_profile_path(&s, &w, w.kinds[i], 5);

		assert_string_equal(path, paths[i]);
	}
}

/* Both are asked for at once, each is ended by its own id; one answer is kept for each. */
static void several_are_recorded_at_once(void **state)
{
	const struct watch watch = { .look = finish };
	struct wanted w = { 0 };
	const struct client_profile request = {
		.selection = &seven,
		.wanted = &w,
		.duration = 30 * NS_PER_S,
		.watch = &watch,
	};
	struct recorded recorded[WANTED_MAX] = { 0 };
	struct error e = { 0 };
	struct client *client;
	struct server server;

	(void)state;
	wanted_add(&w, "block,mutex");
	server_start(&server, "several");
	assert_int_equal(client_new(server.path, &client, &e), 0);
	assert_int_equal(client_profile(client, &request, recorded, &e), 0);
	assert_string_equal(recorded[0].data, "GET /pid/7/debug/pprof/block?seconds=30 HTTP/1.1");
	assert_string_equal(recorded[1].data, "GET /pid/7/debug/pprof/mutex?seconds=30 HTTP/1.1");
	assert_null(recorded[2].data);
	recorded_done(recorded);
	client_free(client);
	server_end(&server);
}

static void probe_tells_why(void **state)
{
	char long_path[200];

	(void)state;
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(client_probe("/nonexistent/profd.sock"), -ENOENT);
	assert_int_equal(client_probe("/dev/null"), -ECONNREFUSED);
	assert_int_equal(client_probe(long_path), -ENAMETOOLONG);
}

static void get_returns_the_body(void **state)
{
	struct error e = {};
	struct client *client;
	struct server server;
	struct reply reply;

	(void)state;
	server_start(&server, "echo");
	assert_int_equal(client_new(server.path, &client, &e), 0);
	assert_int_equal(client_get(client, "/status", &reply, &e), 0);
	assert_string_equal(reply.body, "GET /status HTTP/1.1");
	assert_int_equal(reply.size, strlen(reply.body));
	free(reply.body);
	client_free(client);
	server_end(&server);
}

static void a_refusal_is_in_the_daemons_words(void **state)
{
	struct reply reply;
	struct error e;

	(void)state;
	assert_int_equal(record("refuse", go_on, NULL, &reply, &e), -ESRCH);
	assert_string_equal(e.text, "the daemon says: no process matches pid=7");
	assert_int_equal(record("forbid", go_on, NULL, &reply, &e), -EACCES);
	assert_non_null(strstr(e.text, "403"));
	assert_int_equal(record("close", go_on, NULL, &reply, &e), -EIO);
	assert_non_null(strstr(e.text, "no answer from the daemon"));
}

static void a_recording_can_be_finished_early(void **state)
{
	struct reply reply;
	struct error e;

	(void)state;
	assert_int_equal(record("recording", finish, NULL, &reply, &e), 0);
	assert_string_equal(reply.body, "finished");
	free(reply.body);
	/* Where that is not known its own end is waited for. */
	assert_int_equal(record("old", finish, NULL, &reply, &e), 0);
	assert_string_equal(reply.body, "not finished");
	free(reply.body);
}

static void a_recording_can_be_given_up(void **state)
{
	struct reply reply;
	struct error e;

	(void)state;
	assert_int_equal(record("recording", give_up, NULL, &reply, &e), -ECANCELED);
}

static void a_program_is_held_until_the_daemon_records(void **state)
{
	char *argv[] = { (char *)"true", NULL };
	struct child child = CHILD_NONE;
	struct reply reply;
	struct error e = {};
	sigset_t mask;

	(void)state;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(child_start(argv, &mask, &child, &e), 0);
	assert_int_equal(record("late", finish_when_released, &child, &reply, &e), 0);
	assert_string_equal(reply.body, "finished");
	free(reply.body);
	assert_int_equal(child_wait(&child), 0);
	child_done(&child);
}

static void programs_that_cannot_run_say_so(void **state)
{
	char *missing[] = { (char *)"/nonexistent/program", NULL };
	char *directory[] = { (char *)"/tmp", NULL };
	char *status[] = { (char *)"sh", (char *)"-c", (char *)"exit 42", NULL };
	char *killed[] = { (char *)"sh", (char *)"-c", (char *)"kill -9 $$", NULL };
	const struct {
		char **argv;
		int error, status;
	} cases[] = {
		{ missing, -ENOENT, 127 },
		{ directory, -EACCES, 126 },
		{ status, 0, 42 },
		{ killed, 0, 128 + 9 },
	};
	sigset_t mask;

	(void)state;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct child child = CHILD_NONE;
		struct error e = {};

		assert_int_equal(child_start(cases[i].argv, &mask, &child, &e), 0);
		assert_int_equal(child_release(&child, &e), cases[i].error);
		if (cases[i].error)
			assert_non_null(strstr(e.text, cases[i].argv[0]));
		assert_int_equal(child_wait(&child), cases[i].status);
		child_done(&child);
	}
}

static void a_held_program_never_runs_if_given_up(void **state)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 0", NULL };
	struct child child = CHILD_NONE;
	struct error e = {};
	sigset_t mask;

	(void)state;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(child_start(argv, &mask, &child, &e), 0);
	close(TAKE_FD(child.gate));
	assert_int_equal(child_wait(&child), 125);
	child_done(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_follow_the_selection),
		cmocka_unit_test(paths_say_which_waits),
		cmocka_unit_test(several_are_recorded_at_once),
		cmocka_unit_test(probe_tells_why),
		cmocka_unit_test(get_returns_the_body),
		cmocka_unit_test(a_refusal_is_in_the_daemons_words),
		cmocka_unit_test(a_recording_can_be_finished_early),
		cmocka_unit_test(a_recording_can_be_given_up),
		cmocka_unit_test(a_program_is_held_until_the_daemon_records),
		cmocka_unit_test(programs_that_cannot_run_say_so),
		cmocka_unit_test(a_held_program_never_runs_if_given_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("profctl_client", tests, NULL, NULL);
}
