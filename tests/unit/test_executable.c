/* SPDX-License-Identifier: Apache-2.0 */
/* Executables found through a directory that looks like /proc, and through the real one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/hash.h"
#include "executable_world.h"
#include "skip.h"

static void test_map_files(void **state)
{
	struct world *w = *state;
	const struct image image = make_image(7);
	struct executable *x;
	struct image copy;
	int fd;

	write_image(w, "prog", 7);
	map_file(w, at(w, "prog"));
	x = announce(w, 16, at(w, "prog"));
	assert_non_null(x);
	assert_true(x->readable);
	assert_string_equal(x->path, at(w, "prog"));
	assert_int_equal(x->build_id_size, 20);
	assert_int_equal(x->build_id[0], 7);
	assert_int_equal(x->n_segments, 1);
	assert_int_equal(executable_address(x, offsetof(struct image, text) + 4), 0x5004);
	assert_int_equal(executable_address(x, 3), 3);
	assert_null(executable_segment_of(x, offsetof(struct image, text) + 2048));
	fd = executable_table_open(w->table, x);
	assert_true(fd >= 0);
	assert_int_equal(fd_pread_full(fd, &copy, sizeof(copy), 0), 0);
	assert_memory_equal(&copy, &image, sizeof(copy));
	assert_null(executable_table_get(w->table, 17));
}

static void test_same_build_id_is_one(void **state)
{
	struct world *w = *state;
	struct executable *first, *other;

	write_image(w, "prog", 7);
	write_image(w, "copy", 7);
	write_image(w, "other", 8);
	map_file(w, at(w, "prog"));
	first = announce(w, 16, at(w, "prog"));
	map_file(w, at(w, "copy"));
	assert_ptr_equal(announce(w, 17, at(w, "copy")), first);
	map_file(w, at(w, "other"));
	other = announce(w, 18, at(w, "other"));
	assert_ptr_not_equal(other, first);
	/* An id is told once; a second time changes nothing. */
	assert_ptr_equal(announce(w, 16, at(w, "other")), first);
	assert_int_equal(stats(w).executables, 3); /* and the vdso */
	assert_int_equal(stats(w).file_ids, 4);
	assert_int_equal(stats(w).executables_unreadable, 0);
}

static void test_without_build_id(void **state)
{
	struct world *w = *state;
	struct executable *x;

	write_image(w, "a", 0);
	write_image(w, "b", 0);
	map_file(w, at(w, "a"));
	x = announce(w, 16, at(w, "a"));
	assert_true(x->readable);
	assert_int_equal(x->build_id_size, 0);
	map_file(w, at(w, "b"));
	assert_ptr_not_equal(announce(w, 17, at(w, "b")), x);
	map_file(w, at(w, "a"));
	assert_ptr_equal(announce(w, 18, at(w, "a")), x);
}

static struct process_mapping mapping_of(const char *path, const uint8_t *build_id)
{
	return (struct process_mapping){ .start = START,
					 .end = END,
					 .path = path,
					 .build_id = build_id,
					 .build_id_size = build_id ? 20 : 0 };
}

/* What a mapping is of, among what is known. */
static void test_find(void **state)
{
	static const uint8_t seven[20] = { 7, 1, 2 }, eight[20] = { 8, 1, 2 };
	struct world *w = *state;
	struct executable *with, *without;
	struct process_mapping m;

	write_image(w, "with", 7);
	write_image(w, "without", 0);
	write_image(w, "unknown", 8);
	map_file(w, at(w, "with"));
	with = announce(w, 16, at(w, "with"));
	map_file(w, at(w, "without"));
	without = announce(w, 17, at(w, "without"));
	m = mapping_of("elsewhere", seven);
	assert_ptr_equal(executable_table_find(w->table, &m), with);
	m = mapping_of(at(w, "with"), eight);
	assert_null(executable_table_find(w->table, &m));
	m = mapping_of(at(w, "with"), NULL);
	assert_ptr_equal(executable_table_find(w->table, &m), with);
	m = mapping_of(at(w, "without"), NULL);
	assert_ptr_equal(executable_table_find(w->table, &m), without);
	m = mapping_of(at(w, "without"), eight);
	assert_ptr_equal(executable_table_find(w->table, &m), without);
	m = mapping_of(at(w, "unknown"), NULL);
	assert_null(executable_table_find(w->table, &m));
}

/* The place in memory has another file by now. */
static void test_map_files_of_another(void **state)
{
	struct world *w = *state;
	struct abi_file_announcement a;
	struct executable *x;

	write_image(w, "prog", 7);
	write_image(w, "other", 8);
	map_file(w, at(w, "other"));
	x = announce(w, 16, at(w, "prog"));
	assert_false(x->readable);
	assert_string_equal(x->path, "prog");
	/* The kernel's inode is of a file system that stat() does not show: the name decides. */
	a = announcement(17, at(w, "prog"));
	a.key.device ^= 0x7700000;
	assert_int_equal(executable_table_announce(w->table, &a, w->processes), 0);
	assert_false(executable_table_get(w->table, 17)->readable);
	map_file(w, at(w, "prog"));
	a.file_id = 18;
	assert_int_equal(executable_table_announce(w->table, &a, w->processes), 0);
	assert_true(executable_table_get(w->table, 18)->readable);
}

/* The process is gone when the announcement is read, the side-band tells its mapping later. */
static void test_found_by_mapping(void **state)
{
	struct world *w = *state;
	struct executable *x;

	write_image(w, "prog", 7);
	x = announce(w, 16, at(w, "prog"));
	assert_false(x->readable);
	assert_int_equal(stats(w).executables_unreadable, 1);
	tell_mapping(w, at(w, "prog"), 7);
	x = executable_table_get(w->table, 16);
	assert_true(x->readable);
	assert_string_equal(x->path, at(w, "prog"));
	assert_int_equal(stats(w).executables_unreadable, 0);
	/* Found later to be one that is known. */
	write_image(w, "again", 7);
	announce(w, 17, at(w, "again"));
	tell_mapping(w, at(w, "again"), 7);
	assert_ptr_equal(executable_table_get(w->table, 17), x);
	assert_int_equal(stats(w).executables, 2);
}

/* Samples of before keep what could not be read; it leads to what it is. */
static void test_turns_out_to_be_another(void **state)
{
	struct world *w = *state;
	struct executable *unread[2], *x;

	tell_mapping(w, at(w, "gone"), 7);
	unread[0] = executable_ref(announce(w, 16, at(w, "gone")));
	assert_false(unread[0]->readable);
	assert_ptr_equal(executable_known_as(unread[0]), unread[0]);
	/* Not mapped yet, as far as the side-band tells. */
	unread[1] = executable_ref(announce(w, 17, at(w, "elsewhere")));
	write_image(w, "prog", 7);
	map_file(w, at(w, "prog"));
	x = announce(w, 18, at(w, "prog"));
	assert_true(x->readable);
	assert_ptr_equal(executable_known_as(unread[0]), x);
	assert_ptr_equal(executable_known_as(unread[1]), unread[1]);
	assert_ptr_equal(executable_table_get(w->table, 16), x);
	tell_mapping(w, at(w, "elsewhere"), 7);
	assert_ptr_equal(executable_table_get(w->table, 17), x);
	assert_ptr_equal(executable_known_as(unread[1]), x);
	/* Another build id is another file. */
	tell_mapping(w, at(w, "other"), 9);
	assert_false(announce(w, 19, at(w, "other"))->readable);
	/* It stays as long as those that are it. */
	executable_table_forget(w->table, (const uint32_t[]){ 16, 17, 18, 19 }, 4);
	executable_table_forget(w->table, NULL, 0);
	assert_true(executable_known_as(unread[0])->readable);
	executable_unref(unread[0]);
	executable_unref(unread[1]);
	executable_table_forget(w->table, NULL, 0);
	executable_table_forget(w->table, NULL, 0);
	assert_int_equal(stats(w).executables, 1); /* the vdso */
	assert_int_equal(stats(w).executables_unreadable, 0);
}

static void test_build_id_must_agree(void **state)
{
	struct world *w = *state;
	struct executable *x;

	write_image(w, "prog", 7);
	tell_mapping(w, at(w, "prog"), 9);
	x = announce(w, 16, at(w, "prog"));
	assert_false(x->readable);
	assert_string_equal(x->path, at(w, "prog"));
	assert_int_equal(x->build_id[0], 9);
	assert_true(executable_table_open(w->table, x) < 0);
}

/* What its process had mapped is gone with it, but the path leads to a copy. */
static void test_copy_is_as_good(void **state)
{
	struct world *w = *state;
	struct abi_file_announcement a;

	write_image(w, "prog", 7);
	tell_mapping(w, at(w, "prog"), 7);
	a = announcement(16, at(w, "prog"));
	a.key.inode++;
	assert_int_equal(executable_table_announce(w->table, &a, w->processes), 0);
	assert_true(executable_table_get(w->table, 16)->readable);
}

static void test_inode_must_agree_without_build_id(void **state)
{
	struct world *w = *state;
	struct abi_file_announcement a;

	write_image(w, "prog", 0);
	tell_mapping(w, at(w, "prog"), 0);
	assert_true(announce(w, 16, at(w, "prog"))->readable);
	a = announcement(17, at(w, "prog"));
	a.key.inode++;
	assert_int_equal(executable_table_announce(w->table, &a, w->processes), 0);
	assert_false(executable_table_get(w->table, 17)->readable);
}

/* Mappings of the program before the exec are no answer. */
static void test_stale_mapping(void **state)
{
	struct world *w = *state;

	write_image(w, "shell", 7);
	write_image(w, "prog", 8);
	tell_mapping(w, at(w, "shell"), 7);
	assert_false(announce(w, 16, at(w, "prog"))->readable);
	tell_mapping(w, at(w, "prog"), 8);
	assert_int_equal(executable_table_get(w->table, 16)->build_id[0], 8);
}

static void test_other_root(void **state)
{
	struct world *w = *state;
	struct executable *x;

	make_directory(w, "container");
	make_directory(w, "container/bin");
	write_image(w, "container/bin/real", 7);
	/* An absolute link is meant to be followed inside. */
	assert_int_equal(symlink("/bin/real", at(w, "container/bin/prog-of-test")), 0);
	assert_int_equal(symlink(at(w, "container"), at(w, "proc/50/root")), 0);
	tell_mapping(w, "/bin/prog-of-test", 7);
	x = announce(w, 16, "/bin/prog-of-test");
	assert_true(x->readable);
	assert_string_equal(x->path, "/bin/prog-of-test");
}

/* Its process is gone, its grandparent is in the same mount namespace. */
static void test_root_of_ancestor(void **state)
{
	struct world *w = *state;
	struct sideband_event e = { .type = SIDEBAND_FORK, .pid = 59, .tid = 59, .ppid = 60 };

	make_directory(w, "container");
	make_directory(w, "container/bin");
	write_image(w, "container/bin/prog-of-test", 7);
	make_directory(w, "proc/60");
	assert_int_equal(symlink(at(w, "container"), at(w, "proc/60/root")), 0);
	assert_int_equal(process_table_apply(w->processes, &e), 0);
	e.pid = e.tid = 50;
	e.ppid = 59;
	assert_int_equal(process_table_apply(w->processes, &e), 0);
	tell_mapping(w, "/bin/prog-of-test", 7);
	assert_true(announce(w, 16, "/bin/prog-of-test")->readable);
}

/* Another process, 51, maps the file at @path, which is "hidden" in truth. */
static void map_elsewhere(struct world *w, const char *path, uint8_t id)
{
	make_directory(w, "proc/51");
	make_directory(w, "proc/51/map_files");
	assert_int_equal(symlink(at(w, "hidden"), at(w, "proc/51/map_files/401000-402000")), 0);
	tell_mapping_of(w, 51, path, id);
}

/* Its process is gone, another one with the same file is there. */
static void test_other_process(void **state)
{
	struct world *w = *state;

	write_image(w, "hidden", 7);
	map_elsewhere(w, "/bin/prog-of-test", 7);
	tell_mapping(w, "/bin/prog-of-test", 7);
	assert_true(announce(w, 16, "/bin/prog-of-test")->readable);
}

/* The other one is in another mount namespace, where the file has another path. */
static void test_other_path(void **state)
{
	struct world *w = *state;
	struct executable *x;

	write_image(w, "hidden", 7);
	map_elsewhere(w, "/opt/bin/whatever", 7);
	tell_mapping(w, "/bin/prog-of-test", 7);
	x = announce(w, 16, "/bin/prog-of-test");
	assert_true(x->readable);
	assert_string_equal(x->path, "/bin/prog-of-test");
}

/* As before, but it was there before us: nobody tells its build id. */
static void test_other_path_without_build_id(void **state)
{
	struct world *w = *state;

	write_image(w, "hidden", 7);
	map_elsewhere(w, "/opt/bin/prog-of-test", 0);
	tell_mapping(w, "/bin/prog-of-test", 7);
	assert_true(announce(w, 16, "/bin/prog-of-test")->readable);
	/* A name alone is not enough. */
	tell_mapping(w, "/bin/prog-of-test", 8);
	assert_false(announce(w, 17, "/bin/prog-of-test")->readable);
}

/* Asked for again and again it is searched for once. */
static void test_searches_are_bounded(void **state)
{
	struct world *w = *state;
	static const uint8_t id[] = { 8, 1, 2, 3 };
	const struct process_mapping m = { .path = "/gone/prog",
					   .build_id = id,
					   .build_id_size = sizeof(id) };

	tell_mapping(w, "/bin/prog-of-test", 7);
	for (int i = 0; i < 3; i++)
		assert_null(executable_table_of_mapping(w->table, w->processes, 50, 0, &m));
	assert_int_equal(stats(w).file_searches, 1);
	assert_int_equal(stats(w).file_searches_refused, 2);
	/* Others are searched for all the same. */
	assert_false(announce(w, 16, "/bin/prog-of-test")->readable);
	assert_int_equal(stats(w).file_searches, 2);
}

static void test_only_regular_elf_files(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkfifo(at(w, "fifo"), 0600), 0);
	map_file(w, at(w, "fifo"));
	assert_false(announce(w, 16, at(w, "fifo"))->readable);
	tell_mapping(w, at(w, "fifo"), 7);
	assert_false(executable_table_get(w->table, 16)->readable);
	map_file(w, w->root);
	assert_false(announce(w, 17, w->root)->readable);
	write_bytes(at(w, "text"), "#!/bin/sh\n", 10);
	map_file(w, at(w, "text"));
	assert_false(announce(w, 18, at(w, "text"))->readable);
	map_file(w, "/dev/null");
	assert_false(announce(w, 19, "/dev/null")->readable);
	assert_int_equal(stats(w).executables_unreadable, 4);
	assert_int_equal(stats(w).executables_open, stats(w).executables - 4);
}

static void test_vdso(void **state)
{
	struct world *w = *state;
	struct executable *x = executable_table_get(w->table, ABI_FILE_ID_VDSO);
	char magic[4];

	assert_non_null(x);
	assert_string_equal(x->path, "[vdso]");
	if (!x->readable)
		skip_because("there is no vdso");
	assert_int_equal(fd_pread_full(executable_table_open(w->table, x), magic, 4, 0), 0);
	assert_memory_equal(magic, ELFMAG, 4);
	assert_true(x->n_segments > 0);
}

static void test_bad_ids(void **state)
{
	struct world *w = *state;

	write_image(w, "prog", 7);
	map_file(w, at(w, "prog"));
	assert_null(announce(w, 0, at(w, "prog")));
	assert_null(announce(w, 15, at(w, "prog")));
	assert_null(announce(w, ABI_FRAME_FILE_MASK + 1, at(w, "prog")));
	assert_string_equal(announce(w, ABI_FILE_ID_VDSO, at(w, "prog"))->path, "[vdso]");
}

static void test_damaged_files(void **state)
{
	struct world *w = *state;
	uint64_t seed = 5;

	map_file(w, at(w, "prog"));
	for (uint32_t i = 0; i < 500; i++) {
		struct image x = make_image(7);
		struct executable *e;

		for (int n = 0; n < 3; n++) {
			uint64_t random = hash_mix(++seed);

			((uint8_t *)&x)[(random >> 8) % offsetof(struct image, text)] =
				(uint8_t)random;
		}
		write_bytes(at(w, "prog"), &x, hash_mix(++seed) % (sizeof(x) + 1));
		e = announce(w, 16 + i, at(w, "prog"));
		assert_non_null(e);
		executable_address(e, hash_mix(++seed));
	}
	assert_in_range(executable_table_memory(w->table), 1, 4 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_map_files),
		TEST(test_same_build_id_is_one),
		TEST(test_without_build_id),
		TEST(test_find),
		TEST(test_map_files_of_another),
		TEST(test_found_by_mapping),
		TEST(test_turns_out_to_be_another),
		TEST(test_build_id_must_agree),
		TEST(test_copy_is_as_good),
		TEST(test_inode_must_agree_without_build_id),
		TEST(test_stale_mapping),
		TEST(test_other_root),
		TEST(test_root_of_ancestor),
		TEST(test_other_process),
		TEST(test_other_path),
		TEST(test_other_path_without_build_id),
		TEST(test_searches_are_bounded),
		TEST(test_only_regular_elf_files),
		TEST(test_vdso),
		TEST(test_bad_ids),
		TEST(test_damaged_files),
	};

	return cmocka_run_group_tests_name("executable", tests, NULL, NULL);
}
