/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of profiles, with what can go wrong: full, read-only, locked, cut short. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/history.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "scratch.h"

#define SECOND ((int64_t)NS_PER_S)
#define DAY    (86400 * SECOND)
/* 2026-03-01 12:00:00 UTC */
#define NOON	  (1772366400 * SECOND)
#define UNLIMITED UINT64_MAX

struct fixture {
	char path[SCRATCH_SIZE];
	struct history *history;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error e;

	if (scratch_make(f->path) < 0 || history_new(f->path, &f->history, &e) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	history_free(f->history);
	scratch_remove(f->path);
	free(f);
	return 0;
}

static bool exists(const struct fixture *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	return access(path, F_OK) == 0;
}

static void put(const struct fixture *f, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static int write_at(const struct fixture *f, int64_t time)
{
	return history_write(f->history, time, "cpu", NULL, 0, "profile", 7);
}

static struct history_stats stats_of(const struct fixture *f)
{
	struct history_stats s;

	history_get_stats(f->history, &s);
	return s;
}

static void names(void **state)
{
	const struct fixture *f = *state;
	int64_t time;

	assert_int_equal(write_at(f, NOON + SECOND / 2), 0);
	assert_true(exists(f, "2026-03-01/120000Z-cpu.pb.gz"));
	/* A name that is taken is not replaced. */
	assert_int_equal(write_at(f, NOON), 0);
	assert_true(exists(f, "2026-03-01/120001Z-cpu.pb.gz"));
	assert_int_equal(history_write(f->history, NOON, "cpu", "a/b c\n-\xff", 42, "x", 1), 0);
	assert_true(exists(f, "2026-03-01/120000Z-cpu-a_b_c___-42.pb.gz"));
	assert_int_equal(history_write(f->history, NOON, "cpu", "../x", 43, "x", 1), 0);
	assert_true(exists(f, "2026-03-01/120000Z-cpu-_._x-43.pb.gz"));
	assert_int_equal(history_write(f->history, NOON, "mutex", "", UINT32_MAX, "x", 1), 0);
	assert_true(exists(f, "2026-03-01/120000Z-mutex--4294967295.pb.gz"));
	assert_int_equal(history_write(f->history, NOON, "block", NULL, 0, "x", 1), 0);
	/* All of them are known as ours again. */
	assert_int_equal(history_retain(f->history, NOON + 10 * DAY, UNLIMITED, DAY), 0);
	assert_int_equal(stats_of(f).removed, 6);
	assert_false(exists(f, "2026-03-01"));

	assert_int_equal(history_name_time("2026-03-01", "120000Z-cpu.pb.gz", &time), 0);
	assert_int_equal(time, NOON);
	assert_int_equal(history_name_time("2026-03-01", "120000Z-block-a.+-1.pb.gz", &time), 0);
}

static void foreign_names(void **state)
{
	static const struct {
		const char *day, *file;
	} cases[] = {
		{ "2026-03-01", "notes.txt" },
		{ "2026-03-01", "120000Z-cpu.pb" },
		{ "2026-03-01", "12000Z-cpu.pb.gz" },
		{ "2026-03-01", "120000-cpu.pb.gz" },
		{ "2026-03-01", "126000Z-cpu.pb.gz" },
		{ "2026-03-01", "120000Z-.pb.gz" },
		{ "2026-03-01", "120000Z" },
		{ "2026-03-01", "120000Z-incident.pb.gz" },
		{ "2026-03-01", "120000Z-cpux.pb.gz" },
		{ "2026-03-01", "120000Z-cpu-x.pb.gz" },
		{ "2026-03-01", "120000Z-cpu-x-.pb.gz" },
		{ "2026-03-01", "120000Z-cpu-x-1a.pb.gz" },
		{ "2026-03-01", "120000Z-cpu-.x-1.pb.gz" },
		{ "2026-03-01", "120000Z-cpu-x y-1.pb.gz" },
		{ "2026-03-01", "120000Z-cpu-x-1-2.pb.gz" },
		{ "2026-03-01", "120000Z-cpu-12345678901234567890123456789012-1.pb.gz" },
		{ "2026-03-01", "120000Z-cpu.pb.gz.pb.gz" },
		{ "2026-03-01", ".120000Z-cpu.pb.gz.profd-tmp" },
		{ "2026-13-01", "120000Z-cpu.pb.gz" },
		{ "2026-3-1", "120000Z-cpu.pb.gz" },
		{ "lost+found", "120000Z-cpu.pb.gz" },
	};
	int64_t time;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (history_name_time(cases[i].day, cases[i].file, &time) != -EINVAL)
			fail_msg("%s/%s", cases[i].day, cases[i].file);
}

static void retention_by_age(void **state)
{
	const struct fixture *f = *state;

	for (int day = 0; day < 4; day++)
		assert_int_equal(write_at(f, NOON - day * DAY), 0);
	assert_int_equal(write_at(f, NOON - 2 * DAY - 3600 * SECOND), 0);
	put(f, "2026-02-26/notes.txt");
	put(f, "2026-02-27/120000Z-mine.pb.gz.bak");
	assert_int_equal(stats_of(f).files, 5);

	assert_int_equal(history_retain(f->history, NOON, UNLIMITED, 2 * DAY), 0);
	assert_true(exists(f, "2026-03-01/120000Z-cpu.pb.gz"));
	assert_true(exists(f, "2026-02-28/120000Z-cpu.pb.gz"));
	assert_true(exists(f, "2026-02-27/120000Z-cpu.pb.gz"));
	assert_false(exists(f, "2026-02-27/110000Z-cpu.pb.gz"));
	assert_false(exists(f, "2026-02-26/120000Z-cpu.pb.gz"));
	/* What is not ours stays, and so does its directory. */
	assert_true(exists(f, "2026-02-26/notes.txt"));
	assert_true(exists(f, "2026-02-27/120000Z-mine.pb.gz.bak"));
	assert_int_equal(stats_of(f).files, 3);
	assert_int_equal(stats_of(f).removed, 2);

	assert_int_equal(history_retain(f->history, NOON + 10 * DAY, UNLIMITED, DAY), 0);
	assert_false(exists(f, "2026-03-01"));
	assert_true(exists(f, "2026-02-26/notes.txt"));
	assert_int_equal(stats_of(f).files, 0);
	assert_int_equal(stats_of(f).bytes, 0);
}

static void retention_by_bytes(void **state)
{
	const struct fixture *f = *state;
	uint64_t each;

	assert_int_equal(write_at(f, NOON - DAY), 0);
	each = stats_of(f).bytes;
	assert_true(each >= 7);
	for (int i = 1; i < 6; i++)
		assert_int_equal(write_at(f, NOON - DAY + i * 60 * SECOND), 0);
	assert_int_equal(write_at(f, NOON), 0);

	assert_int_equal(history_retain(f->history, NOON, each * 3, UNLIMITED), 0);
	assert_int_equal(stats_of(f).files, 3);
	assert_false(exists(f, "2026-02-28/120300Z-cpu.pb.gz"));
	assert_true(exists(f, "2026-02-28/120400Z-cpu.pb.gz"));
	assert_true(exists(f, "2026-03-01/120000Z-cpu.pb.gz"));
}

static void symbolic_links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	char target[96], link[96];

	snprintf(target, sizeof(target), "%s/elsewhere", f->path);
	mkdir(target, 0700);
	put(f, "elsewhere/120000Z-cpu.pb.gz");
	snprintf(link, sizeof(link), "%s/2020-01-01", f->path);
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(history_retain(f->history, NOON, 0, DAY), 0);
	assert_true(exists(f, "elsewhere/120000Z-cpu.pb.gz"));
	assert_int_equal(stats_of(f).removed, 0);
}

static void leftovers_and_counts_at_start(void **state)
{
	struct fixture *f = *state;
	struct error e;

	assert_int_equal(write_at(f, NOON), 0);
	put(f, "2026-03-01/.120100Z-cpu.pb.gz.profd-tmp");
	put(f, ".probe.profd-tmp");
	put(f, "2026-03-01/.hidden");
	f->history = history_free(f->history);
	assert_int_equal(history_new(f->path, &f->history, &e), 0);
	assert_false(exists(f, "2026-03-01/.120100Z-cpu.pb.gz.profd-tmp"));
	assert_false(exists(f, ".probe.profd-tmp"));
	assert_true(exists(f, "2026-03-01/.hidden"));
	assert_int_equal(stats_of(f).files, 1);
	assert_int_equal(stats_of(f).written, 0);
}

static void one_owner(void **state)
{
	struct fixture *f = *state;
	struct history *second = NULL;
	struct error e;

	assert_int_equal(history_new(f->path, &second, &e), -EBUSY);
	assert_non_null(strstr(e.text, f->path));
	assert_null(second);
}

/* RLIMIT_FSIZE fails the write in the middle, as a full disk does. */
static void write_fails(void **state)
{
	const struct fixture *f = *state;
	const struct rlimit small = { 4096, RLIM_INFINITY };
	struct rlimit before;
	static char big[65536];
	struct dirent *entry;
	char day[128];
	DIR *dir;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(history_write(f->history, NOON, "cpu", NULL, 0, big, sizeof(big)), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

	snprintf(day, sizeof(day), "%s/2026-03-01", f->path);
	dir = opendir(day);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_true(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	closedir(dir);
	assert_int_equal(stats_of(f).files, 0);
	assert_int_equal(history_write(f->history, NOON, "cpu", NULL, 0, big, sizeof(big)), 0);
}

/* A file where the day's directory should be. */
static void day_is_in_the_way(void **state)
{
	const struct fixture *f = *state;

	put(f, "2026-03-01");
	assert_int_equal(write_at(f, NOON), -ENOTDIR);
	assert_int_equal(history_retain(f->history, NOON + 100 * DAY, 0, DAY), 0);
	assert_true(exists(f, "2026-03-01"));
}

/* /proc takes no files, not even root's. */
static void unwritable_directory(void **state)
{
	struct history *h = NULL;
	struct error e;

	(void)state;
	assert_true(history_new("/proc/profd", &h, &e) < 0);
	assert_non_null(strstr(e.text, "/proc/profd"));
	assert_true(history_new("/proc/self", &h, &e) < 0);
	assert_true(history_new("/dev/null", &h, &e) < 0);
	assert_true(history_new("/dev/null/x", &h, &e) < 0);
	assert_null(h);
}

int main(void)
{
#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(names),
		cmocka_unit_test(foreign_names),
		WITH_DIRECTORY(retention_by_age),
		WITH_DIRECTORY(retention_by_bytes),
		WITH_DIRECTORY(symbolic_links_are_not_followed),
		WITH_DIRECTORY(leftovers_and_counts_at_start),
		WITH_DIRECTORY(one_owner),
		WITH_DIRECTORY(write_fails),
		WITH_DIRECTORY(day_is_in_the_way),
		cmocka_unit_test(unwritable_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
