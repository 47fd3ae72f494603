/* SPDX-License-Identifier: Apache-2.0 */
/* The file that a recording becomes: whole or not there, and what it is called. */
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

#include "base/cleanup.h"
#include "base/fileio.h"
#include "profctl/output.h"
#include "profile/selection.h"
#include "scratch.h"

/* Every test stands in an empty directory of its own. */
static int enter_directory(void **state)
{
	char *path = malloc(SCRATCH_SIZE);

	if (!path || scratch_make(path))
		return -1;
	*state = path;
	return chdir(path);
}

static size_t count_files(void)
{
	_cleanup_closedir_ DIR *d = opendir(".");
	const struct dirent *entry;
	size_t n = 0;

	while ((entry = readdir(d)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	return n;
}

static int leave_directory(void **state)
{
	int r = chdir("/") ? -errno : scratch_remove(*state);

	free(*state);
	return r;
}

static void assert_content(const char *path, const char *content)
{
	_cleanup_free_ char *data = NULL;

	assert_int_equal(file_read(AT_FDCWD, path, 4096, &data, NULL), 0);
	assert_string_equal(data, content);
}

static void a_file_is_there_whole_or_not_at_all(void **state)
{
	struct output o;
	struct error e = {};

	(void)state;
	assert_int_equal(output_open("a.pb.gz", &o, &e), 0);
	assert_int_equal(access("a.pb.gz", F_OK), -1);
	assert_int_equal(output_commit(&o, "data", 4, &e), 0);
	output_done(&o);
	assert_content("a.pb.gz", "data");
	assert_int_equal(count_files(), 1);

	/* Given up: what was there before stays. */
	assert_int_equal(output_open("a.pb.gz", &o, &e), 0);
	output_done(&o);
	assert_content("a.pb.gz", "data");
	assert_int_equal(count_files(), 1);

	/* Replaced. */
	assert_int_equal(output_open("a.pb.gz", &o, &e), 0);
	assert_int_equal(output_commit(&o, "new", 3, &e), 0);
	output_done(&o);
	assert_content("a.pb.gz", "new");
}

static void the_umask_decides_who_may_read(void **state)
{
	struct error e = {};
	struct output o;
	struct stat st;
	mode_t before = umask(027);

	(void)state;
	assert_int_equal(output_open("b", &o, &e), 0);
	assert_int_equal(output_commit(&o, "", 0, &e), 0);
	output_done(&o);
	umask(before);
	assert_int_equal(stat("b", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void devices_and_pipes_are_written_themselves(void **state)
{
	struct error e = {};
	struct output o;
	char byte[2];
	int reader;

	(void)state;
	assert_int_equal(mkfifo("pipe", 0600), 0);
	reader = open("pipe", O_RDONLY | O_NONBLOCK);
	assert_int_equal(output_open("pipe", &o, &e), 0);
	assert_int_equal(output_commit(&o, "x", 1, &e), 0);
	output_done(&o);
	assert_int_equal(read(reader, byte, 2), 1);
	close(reader);
	assert_int_equal(count_files(), 1);
}

static void what_cannot_be_written_is_said_at_once(void **state)
{
	static const char *const paths[] = { "nowhere/x", ".", "sub/" };
	struct output o = OUTPUT_NONE;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct error e = {};

		assert_true(output_open(paths[i], &o, &e) < 0);
		assert_non_null(strstr(e.text, paths[i]));
		output_done(&o);
	}
	assert_int_equal(count_files(), 0);
}

static void a_full_disk_is_an_error(void **state)
{
	struct error e = {};
	struct output o;

	(void)state;
	assert_int_equal(output_open("/dev/full", &o, &e), 0);
	assert_int_equal(output_commit(&o, "x", 1, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "/dev/full"));
	output_done(&o);
}

static void default_names_tell_what_and_when(void **state)
{
	const time_t when = 1700000000; /* 2023-11-14 22:13:20 UTC */
	_cleanup_free_ char *first = NULL, *second = NULL;
	int fd;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	first = output_default_name("nginx-12", when);
	assert_string_equal(first, "profctl-nginx-12-20231114T221320.pb.gz");
	fd = open(first, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	second = output_default_name("nginx-12", when);
	assert_string_equal(second, "profctl-nginx-12-20231114T221320-2.pb.gz");
}

static void labels_are_plain(void **state)
{
	static const struct {
		struct selection s;
		const char *program, *label;
	} cases[] = {
		{ {}, NULL, "all" },
		{ { .pids = { 1, 2, 3 }, .n_pids = 3 }, NULL, "3-processes" },
		{ { .pids = { 4294967295U }, .n_pids = 1 }, NULL, "4294967295" },
		{ { .comm = (char *)"tokio/../$(x)" }, NULL, "tokio_..___x_" },
		{ { .unit = (char *)"app@1.service" }, NULL, "app_1.service" },
		{ {}, "/usr/bin/make", "make-77" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *label = output_label(&cases[i].s, cases[i].program, 77);

		assert_string_equal(label, cases[i].label);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_there_whole_or_not_at_all,
						enter_directory, leave_directory),
		cmocka_unit_test_setup_teardown(the_umask_decides_who_may_read, enter_directory,
						leave_directory),
		cmocka_unit_test_setup_teardown(devices_and_pipes_are_written_themselves,
						enter_directory, leave_directory),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_is_said_at_once,
						enter_directory, leave_directory),
		cmocka_unit_test_setup_teardown(a_full_disk_is_an_error, enter_directory,
						leave_directory),
		cmocka_unit_test_setup_teardown(default_names_tell_what_and_when, enter_directory,
						leave_directory),
		cmocka_unit_test(labels_are_plain),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("profctl_output", tests, NULL, NULL);
}
