/* SPDX-License-Identifier: Apache-2.0 */
/* Tables on disk: what is put is got again, and nothing else ever is. */
#include "base/cleanup.h"
#include "unwind/table.h"
#include "unwind/table_builder.h"
#include "unwind/table_cache.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
	char path[SCRATCH_SIZE];
	int dirfd;
	struct unwind_table *table;
	struct table_cache_key key;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_close_ int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_non_null(f);
	assert_int_equal(scratch_make(f->path), 0);
	f->dirfd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dirfd >= 0);
	assert_int_equal(unwind_table_build(self, -1, &f->table), 0);
	f->key = (struct table_cache_key){ .build_id = { 0xab, 0xcd, 0x01 },
					   .build_id_size = 3,
					   .size = 0x1234 };
	*state = f;
	return 0;
}

/* Calls @visit for the name of each file. */
static int each_file(const struct fixture *f,
		     void (*visit)(const struct fixture *f, const char *name))
{
	_cleanup_closedir_ DIR *dir = opendir(f->path);
	struct dirent *e;
	int n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.') {
			visit(f, e->d_name);
			n++;
		}
	return n;
}

static void keep(const struct fixture *f, const char *name)
{
	(void)f;
	(void)name;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->dirfd);
	assert_int_equal(scratch_remove(f->path), 0);
	free(f->table);
	free(f);
	return 0;
}

static bool is_cached(const struct fixture *f, const struct table_cache_key *key)
{
	_cleanup_free_ struct unwind_table *t = NULL;
	int r = table_cache_get(f->dirfd, key, &t);

	if (r) {
		assert_int_equal(r, -ENOENT);
		return false;
	}
	assert_int_equal(t->size, f->table->size);
	assert_memory_equal(t, f->table, t->size);
	return true;
}

static void test_put_and_get(void **state)
{
	struct fixture *f = *state;
	struct table_cache_key other = f->key;

	assert_false(is_cached(f, &f->key));
	assert_int_equal(table_cache_put(f->dirfd, &f->key, f->table), 0);
	assert_true(is_cached(f, &f->key));
	assert_int_equal(table_cache_put(f->dirfd, &f->key, f->table), 0);
	assert_int_equal(each_file(f, keep), 1);
	other.size++;
	assert_false(is_cached(f, &other));
	other = f->key;
	other.build_id[2]++;
	assert_false(is_cached(f, &other));
}

/* Every byte of the header and a sample of the rest: none may be changed without being noticed. */
static void test_damage(void **state)
{
	static const char name[] = "abcd01-1234.unwind";
	struct fixture *f = *state;
	_cleanup_close_ int fd = -1;
	struct stat st;

	assert_int_equal(table_cache_put(f->dirfd, &f->key, f->table), 0);
	fd = openat(f->dirfd, name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t at = 0; at < st.st_size; at += at < 512 ? 1 : 509) {
		uint8_t byte, wrong;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		wrong = byte ^ 0x10;
		assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
		assert_false(is_cached(f, &f->key));
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_true(is_cached(f, &f->key));
	/* Cut off, or longer than it should be. */
	assert_int_equal(ftruncate(fd, st.st_size + 8), 0);
	assert_false(is_cached(f, &f->key));
	for (off_t size = st.st_size - 1; size > 0; size = size / 2) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_false(is_cached(f, &f->key));
	}
	/* Put again, it is whole. */
	assert_int_equal(table_cache_put(f->dirfd, &f->key, f->table), 0);
	assert_true(is_cached(f, &f->key));
}

/* The name of one executable on the table of another. */
static void test_renamed(void **state)
{
	struct fixture *f = *state;
	struct table_cache_key other = f->key;

	other.size = 0x9999;
	assert_int_equal(table_cache_put(f->dirfd, &f->key, f->table), 0);
	assert_int_equal(renameat(f->dirfd, "abcd01-1234.unwind", f->dirfd, "abcd01-9999.unwind"),
			 0);
	assert_false(is_cached(f, &other));
	/* Neither links nor directories are followed or waited for. */
	assert_int_equal(symlinkat("abcd01-9999.unwind", f->dirfd, "abcd01-1234.unwind"), 0);
	assert_false(is_cached(f, &f->key));
	assert_int_equal(unlinkat(f->dirfd, "abcd01-1234.unwind", 0), 0);
	assert_int_equal(mkfifoat(f->dirfd, "abcd01-1234.unwind", 0600), 0);
	assert_false(is_cached(f, &f->key));
}

static void test_trim(void **state)
{
	struct fixture *f = *state;
	struct timespec times[2] = {};
	uint64_t bytes = 0, one;
	struct stat st;

	for (uint64_t i = 0; i < 4; i++) {
		char name[32];

		f->key.size = i;
		assert_int_equal(table_cache_put(f->dirfd, &f->key, f->table), 0);
		snprintf(name, sizeof(name), "abcd01-%llx.unwind", (unsigned long long)i);
		times[0].tv_sec = times[1].tv_sec = (time_t)(1000 + i);
		assert_int_equal(utimensat(f->dirfd, name, times, 0), 0);
		assert_int_equal(fstatat(f->dirfd, name, &st, 0), 0);
	}
	one = (uint64_t)st.st_size;
	close(openat(f->dirfd, "abcd01-7.unwind.new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(openat(f->dirfd, "somebody-elses", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	/* The oldest was just used. */
	f->key.size = 0;
	assert_true(is_cached(f, &f->key));
	assert_int_equal(table_cache_trim(f->dirfd, 2 * one, &bytes), 0);
	assert_int_equal(bytes, 2 * one);
	assert_true(is_cached(f, &f->key));
	f->key.size = 3;
	assert_true(is_cached(f, &f->key));
	f->key.size = 1;
	assert_false(is_cached(f, &f->key));
	assert_int_equal(each_file(f, keep), 3); /* two tables and what is not ours */
}

/* Only root's own files have a key: anybody can give a file the build id of another. */
static void test_key(void **state)
{
	_cleanup_close_ int system = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	struct fixture *f = *state;
	_cleanup_close_ int own = -1;
	struct table_cache_key key;

	assert_true(system >= 0);
	assert_int_equal(table_cache_key_of(system, &key), 0);
	assert_true(key.build_id_size >= 8);
	assert_true(key.size > 1000);
	own = openat(f->dirfd, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(own >= 0);
	assert_int_equal(fchmod(own, 0666), 0);
	assert_int_equal(table_cache_key_of(own, &key), -EPERM);
	assert_int_equal(fchmod(own, 0644), 0);
	assert_int_equal(table_cache_key_of(own, &key), getuid() ? -EPERM : -ENOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
