/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug files from servers that are well, slow, dead, wrong, and worse. The server is a thread of
 * this program; what it does is told by the first byte of the build id that it is asked for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "elf/debug_identity.h"
#include "fetch/debuginfod.h"
#include "symbol_image.h"
#include "scratch.h"

#define MAX_BYTES   (1U << 20)
#define TIMEOUT	    (1500 * NS_PER_MS)
#define PATIENCE    (60 * NS_PER_S)
#define ID_SIZE	    4
#define CONTENT_MAX IMAGE_MAX_BYTES

enum behaviour {
	GOOD = 1,
	NOT_FOUND,
	WRONG_FILE, /* a debug file of another build id */
	NO_ELF,
	ENDLESS,     /* does not say how much it is, and does not stop */
	TOO_LARGE,   /* says that it is too large */
	SILENT,	     /* accepts and says nothing */
	BROKEN_OFF,  /* in the midst of the file */
	ERROR,	     /* 500 */
	TO_A_FILE,   /* sends the client to a file of its own machine */
	TO_THE_GOOD, /* a redirection as servers use it */
};

static const struct image_symbol symbols[] = { { "f", 0x1000, 16, STT_FUNC, STB_GLOBAL, 0 }, {} };

static void say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;
}

static void say_file(int fd, const uint8_t *id, bool all)
{
	static _Thread_local uint8_t bytes[CONTENT_MAX];
	size_t size = image_build(
		&(struct image){ .symtab = symbols, .build_id = id, .build_id_size = ID_SIZE },
		bytes);
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
	say(fd, head);
	send(fd, bytes, all ? size : size / 2, MSG_NOSIGNAL);
}

static void behave(int fd, const uint8_t *id)
{
	static const uint8_t other[ID_SIZE] = { 0xee, 0xee };
	static const char zeros[4096];
	uint8_t good[ID_SIZE];
	char text[256], hex[2 * ID_SIZE + 1];

	switch (id[0]) {
	case GOOD:
		say_file(fd, id, true);
		return;
	case WRONG_FILE:
		say_file(fd, other, true);
		return;
	case NO_ELF:
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
		return;
	case ENDLESS:
		say(fd, "HTTP/1.1 200 OK\r\n\r\n");
		while (send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0)
			;
		return;
	case TOO_LARGE:
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
		return;
	case SILENT:
		poll(NULL, 0, 5000);
		return;
	case BROKEN_OFF:
		say_file(fd, id, false);
		return;
	case ERROR:
		say(fd, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
		return;
	case TO_A_FILE:
		say(fd, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n"
			"Content-Length: 0\r\n\r\n");
		return;
	case TO_THE_GOOD:
		memcpy(good, id, ID_SIZE);
		good[0] = GOOD;
		build_id_format(good, ID_SIZE, hex);
		snprintf(text, sizeof(text),
			 "HTTP/1.1 302 Found\r\nLocation: /buildid/%s/debuginfo\r\n"
			 "Content-Length: 0\r\n\r\n",
			 hex);
		say(fd, text);
		return;
	default:
		say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	}
}

/* One request a connection. */
static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char request[4096] = "";
	unsigned int id[ID_SIZE];
	uint8_t bytes[ID_SIZE];
	size_t n = 0;

	while (!strstr(request, "\r\n\r\n") && n < sizeof(request) - 1) {
		ssize_t got = recv(fd, request + n, sizeof(request) - 1 - n, 0);

		if (got <= 0)
			break;
		n += (size_t)got;
		request[n] = '\0';
	}
	if (sscanf(request, "GET /buildid/%2x%2x%2x%2x/debuginfo HTTP", &id[0], &id[1], &id[2],
		   &id[3]) == ID_SIZE) {
		for (int i = 0; i < ID_SIZE; i++)
			bytes[i] = (uint8_t)id[i];
		behave(fd, bytes);
	}
	shutdown(fd, SHUT_WR);
	close(fd);
	return NULL;
}

static void *serve_all(void *argument)
{
	int listener = (int)(intptr_t)argument;

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (fd < 0)
			return NULL;
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
		else
			close(fd);
	}
}

struct world {
	int listener;
	pthread_t server;
	char directory[SCRATCH_SIZE], url[64], dead[64];
	struct debuginfod *d;
	int arrivals;
};

static uint16_t listen_somewhere(int *ret)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	*ret = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(*ret, 64), 0);
	assert_int_equal(getsockname(*ret, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

static void count_arrival(void *userdata, const uint8_t *build_id, size_t size)
{
	assert_int_equal(build_id[0] == GOOD || build_id[0] == TO_THE_GOOD, 1);
	assert_int_equal(size, ID_SIZE);
	++*(int *)userdata;
}

static void start(struct world *w, const char *urls, uint64_t max_bytes, uint64_t retry_ns)
{
	const struct debuginfod_options o = {
		.urls = urls,
		.directory = w->directory,
		.max_bytes = max_bytes,
		.timeout = TIMEOUT,
		.missing_ns = retry_ns,
		.failed_ns = retry_ns,
	};

	w->d = debuginfod_free(w->d);
	assert_int_equal(debuginfod_new(&o, &w->d, NULL), 0);
	debuginfod_on_arrival(w->d, count_arrival, &w->arrivals);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int gone;

	assert_int_equal(scratch_make(w->directory), 0);
	snprintf(w->dead, sizeof(w->dead), "http://127.0.0.1:%u", listen_somewhere(&gone));
	close(gone);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u/", listen_somewhere(&w->listener));
	/* Before the thread: a process is forked. */
	start(w, w->url, MAX_BYTES, 0);
	assert_int_equal(pthread_create(&w->server, NULL, serve_all, (void *)(intptr_t)w->listener),
			 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	shutdown(w->listener, SHUT_RDWR);
	pthread_join(w->server, NULL);
	close(w->listener);
	debuginfod_free(w->d);
	assert_int_equal(scratch_remove(w->directory), 0);
	free(w);
	return 0;
}

static struct debuginfod_stats stats(const struct world *w)
{
	struct debuginfod_stats s;

	debuginfod_get_stats(w->d, &s);
	return s;
}

static void wait_for_all(struct world *w)
{
	uint64_t end = clock_monotonic_ns() + PATIENCE;

	while (stats(w).waiting > 0 && clock_monotonic_ns() < end) {
		struct pollfd p = { .fd = debuginfod_fd(w->d), .events = POLLIN };

		poll(&p, 1, 50);
		debuginfod_process(w->d, clock_monotonic_ns());
	}
	assert_int_equal(stats(w).waiting, 0);
}

static int open_id(struct world *w, uint8_t behaviour, uint8_t number)
{
	const uint8_t id[ID_SIZE] = { behaviour, number, 0xcd, 0xef };

	return debuginfod_open(w->d, id, sizeof(id));
}

/* Asks, waits, and asks again: a descriptor or -ENOENT. */
static int fetch(struct world *w, uint8_t behaviour, uint8_t number)
{
	assert_int_equal(open_id(w, behaviour, number), -ENOENT);
	wait_for_all(w);
	return open_id(w, behaviour, number);
}

static void assert_nothing_left(const struct world *w)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/.arriving", w->directory);
	assert_int_equal(access(path, F_OK), -1);
}

/* Of a profd that was killed while a file arrived. */
static void test_leftover(void **state)
{
	struct world *w = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/.arriving", w->directory);
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
	start(w, w->url, MAX_BYTES, 0);
	assert_nothing_left(w);
}

static void test_found(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int fd = fetch(w, GOOD, 1), again = -1;
	struct debug_identity id;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(debug_identity_read(fd, &id), 0);
	assert_int_equal(id.build_id_size, ID_SIZE);
	assert_int_equal(id.build_id[1], 1);
	assert_int_equal(w->arrivals, 1);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(stats(w).bytes, st.st_size);
	assert_nothing_left(w);
	/* It is kept: neither this nor the next daemon asks again. */
	start(w, w->dead, MAX_BYTES, 0);
	again = open_id(w, GOOD, 1);
	assert_true(again >= 0);
	assert_int_equal(stats(w).asked, 0);
}

static void test_redirected(void **state)
{
	struct world *w = *state;

	/* The file of the other build id: the redirection was followed, and it is refused. */
	assert_int_equal(fetch(w, TO_THE_GOOD, 1), -ENOENT);
	assert_int_equal(stats(w).refused, 1);
	assert_int_equal(stats(w).failed, 0);
	assert_int_equal(fetch(w, TO_A_FILE, 1), -ENOENT);
	assert_int_equal(stats(w).failed, 1);
	assert_int_equal(w->arrivals, 0);
}

static void test_not_found(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(i ? open_id(w, NOT_FOUND, 1) : fetch(w, NOT_FOUND, 1), -ENOENT);
	assert_int_equal(stats(w).asked, 1);
	assert_int_equal(stats(w).not_found, 1);
	assert_int_equal(stats(w).failed, 0);
	/* Believed for a while only. */
	start(w, w->url, MAX_BYTES, 1);
	for (int i = 0; i < 3; i++) {
		open_id(w, NOT_FOUND, 1);
		wait_for_all(w);
	}
	assert_int_equal(stats(w).asked, 3);
}

static void test_wrong_answers(void **state)
{
	static const uint8_t refused[] = { WRONG_FILE, NO_ELF, ENDLESS, TOO_LARGE };
	static const uint8_t failed[] = { BROKEN_OFF, ERROR, SILENT };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(refused); i++) {
		assert_int_equal(fetch(w, refused[i], 1), -ENOENT);
		assert_int_equal(stats(w).refused, i + 1);
	}
	for (size_t i = 0; i < sizeof(failed); i++) {
		assert_int_equal(fetch(w, failed[i], 1), -ENOENT);
		assert_int_equal(stats(w).failed, i + 1);
	}
	assert_int_equal(w->arrivals, 0);
	assert_nothing_left(w);
	/* And the fetcher is well. */
	closep(&(int){ fetch(w, GOOD, 1) });
	assert_int_equal(stats(w).found, 1);
}

static void test_dead_server(void **state)
{
	struct world *w = *state;
	char urls[160];

	start(w, w->dead, MAX_BYTES, 0);
	assert_int_equal(fetch(w, GOOD, 1), -ENOENT);
	assert_int_equal(stats(w).failed, 1);
	/* The next one in the list is asked. */
	snprintf(urls, sizeof(urls), " %s  %s ", w->dead, w->url);
	start(w, urls, MAX_BYTES, 0);
	closep(&(int){ fetch(w, GOOD, 1) });
	assert_int_equal(stats(w).found, 1);
	/* What the living one does not have may be on the dead one. */
	assert_int_equal(fetch(w, NOT_FOUND, 1), -ENOENT);
	assert_int_equal(stats(w).not_found, 0);
	assert_int_equal(stats(w).failed, 1);
}

/* Nobody waits for a server, and it is not asked for everything at one time. */
static void test_bounded(void **state)
{
	struct world *w = *state;
	uint8_t id[ID_SIZE] = { SILENT };

	for (uint16_t i = 0; i < 400; i++) {
		memcpy(id + 1, &i, sizeof(i));
		assert_int_equal(debuginfod_open(w->d, id, sizeof(id)), -ENOENT);
	}
	assert_int_equal(stats(w).asked, 256);
	assert_int_equal(stats(w).waiting, 256);
	assert_int_equal(stats(w).dropped, 400 - 256);
	/* No build id that could be asked for. */
	assert_int_equal(debuginfod_open(w->d, id, 0), -ENOENT);
	assert_int_equal(debuginfod_open(w->d, id, ELF_BUILD_ID_MAX + 1), -ENOENT);
	assert_int_equal(stats(w).asked, 256);
}

/* What was not used for longest makes room. */
static void test_cache_is_bounded(void **state)
{
	struct world *w = *state;
	struct stat st;
	int fd = fetch(w, GOOD, 0);
	uint64_t one;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	one = (uint64_t)st.st_size;
	start(w, w->url, 3 * one, 0);
	for (uint8_t i = 1; i < 5; i++) {
		fd = fetch(w, GOOD, i);
		assert_true(fd >= 0);
		close(fd);
		/* This one is used again and again. */
		fd = open_id(w, GOOD, 1);
		assert_true(fd >= 0);
		close(fd);
	}
	fd = open_id(w, GOOD, 4);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(open_id(w, GOOD, 0), -ENOENT);
}

static void test_refused_options(void **state)
{
	struct world *w = *state;
	struct debuginfod_options o = { .urls = w->url,
					.directory = "/proc/nowhere/at/all",
					.max_bytes = MAX_BYTES };
	char long_urls[4096];
	struct debuginfod *d = NULL;
	struct error e = {};

	assert_int_equal(debuginfod_new(&o, &d, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/proc/nowhere/at/all"));
	memset(long_urls, 'x', sizeof(long_urls) - 1);
	long_urls[sizeof(long_urls) - 1] = '\0';
	o = (struct debuginfod_options){ .urls = long_urls, .directory = w->directory };
	assert_int_equal(debuginfod_new(&o, &d, &e), -EINVAL);
	assert_null(d);
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(test_leftover),	   with_server(test_found),
		with_server(test_redirected),	   with_server(test_not_found),
		with_server(test_wrong_answers),   with_server(test_dead_server),
		with_server(test_bounded),	   with_server(test_cache_is_bounded),
		with_server(test_refused_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
