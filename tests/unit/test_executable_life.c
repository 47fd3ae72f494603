/* SPDX-License-Identifier: Apache-2.0 */
/* What is held of executables, for how long, and how they are found again: by id, by mapping, by
 * path. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "executable_world.h"
#include "skip.h"

static void test_descriptors_are_bounded(void **state)
{
	struct world *w = *state;
	struct executable *x[20];

	for (uint32_t i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "prog%u", i);
		write_image(w, name, (uint8_t)(i + 1));
		map_file(w, at(w, name));
		x[i] = announce(w, 16 + i, at(w, name));
		assert_true(x[i]->readable);
		assert_in_range(stats(w).executables_open, 1, 4);
	}
	for (uint32_t i = 0; i < 20; i++) {
		struct image copy;
		int fd = executable_table_open(w->table, x[i]);

		assert_true(fd >= 0);
		assert_int_equal(fd_pread_full(fd, &copy, sizeof(copy), 0), 0);
		assert_int_equal(copy.id[0], i + 1);
		assert_in_range(stats(w).executables_open, 1, 4);
	}
	/* Changed since: gone, a copy, the same file with other content. */
	write_image(w, "new", 1); /* while the inode of the old one is taken */
	assert_int_equal(unlink(at(w, "prog0")), 0);
	assert_true(executable_table_open(w->table, x[0]) < 0);
	assert_int_equal(rename(at(w, "new"), at(w, "prog0")), 0);
	assert_true(executable_table_open(w->table, x[0]) >= 0);
	write_image(w, "prog1", 99);
	assert_true(executable_table_open(w->table, x[1]) < 0);
	assert_true(executable_table_open(w->table,
					  executable_table_get(w->table, ABI_FILE_ID_VDSO)) >= 0);
}

/* Closed, and gone with the mount namespace of whom it was learned from; another one maps it. */
static void test_found_again_elsewhere(void **state)
{
	struct world *w = *state;
	struct executable *x;

	write_image(w, "prog", 50);
	map_file(w, at(w, "prog"));
	x = announce(w, 16, at(w, "prog"));
	for (uint32_t i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "other%u", i);
		write_image(w, name, (uint8_t)(i + 1));
		map_file(w, at(w, name));
		announce(w, 17 + i, at(w, name));
	}
	write_image(w, "copy", 50);
	assert_int_equal(unlink(at(w, "prog")), 0);
	map_file(w, at(w, "copy"));
	tell_mapping(w, "/opt/bin/prog", 50);
	assert_true(executable_table_open(w->table, x) >= 0);
}

static void test_forget(void **state)
{
	struct world *w = *state;
	const uint32_t ids[] = { 16, 17, 12345, ABI_FILE_ID_VDSO };
	struct executable *held;

	write_image(w, "a", 1);
	write_image(w, "b", 2);
	map_file(w, at(w, "a"));
	announce(w, 16, at(w, "a"));
	map_file(w, at(w, "b"));
	held = executable_ref(announce(w, 17, at(w, "b")));
	executable_table_forget(w->table, ids, ARRAY_SIZE(ids));
	assert_non_null(executable_table_get(w->table, 16));
	executable_table_forget(w->table, NULL, 0);
	assert_null(executable_table_get(w->table, 16));
	assert_ptr_equal(executable_table_get(w->table, 17), held);
	executable_unref(held);
	executable_table_forget(w->table, NULL, 0);
	assert_null(executable_table_get(w->table, 17));
	assert_non_null(executable_table_get(w->table, ABI_FILE_ID_VDSO));
	assert_int_equal(stats(w).executables, 1);
	assert_int_equal(stats(w).file_ids, 1);
}

/* The executable of a mapping of process 50, as slices ask for it. */
static struct executable *of_mapping(struct world *w, const char *path, uint8_t id)
{
	const uint8_t build_id[20] = { id, 1, 2 };
	const struct process_mapping m = {
		.start = START,
		.end = END,
		.path = path,
		.build_id = id ? build_id : NULL,
		.build_id_size = id ? sizeof(build_id) : 0,
	};

	return executable_table_of_mapping(w->table, w->processes, 50, 0, &m);
}

static void forget_id(struct world *w, uint32_t id)
{
	executable_table_forget(w->table, &id, 1);
	executable_table_forget(w->table, NULL, 0);
	assert_null(executable_table_get(w->table, id));
}

static void test_mapping_by_build_id(void **state)
{
	struct world *w = *state;
	struct image image = make_image(7);
	struct executable *first, *second;

	write_image(w, "prog", 7);
	map_file(w, at(w, "prog"));
	first = announce(w, 16, at(w, "prog"));
	/* Another file with its build id, which has other segments. */
	image.p[0].p_filesz = 1024;
	write_bytes(at(w, "variant"), &image, sizeof(image));
	map_file(w, at(w, "variant"));
	second = announce(w, 17, at(w, "variant"));
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(of_mapping(w, "/elsewhere", 7), first);
	forget_id(w, 16);
	assert_ptr_equal(of_mapping(w, "/elsewhere", 7), second);
	forget_id(w, 17);
	assert_null(of_mapping(w, "/elsewhere", 7));
	/* One that was never announced is looked for by its path. */
	second = of_mapping(w, at(w, "variant"), 7);
	assert_non_null(second);
	assert_ptr_equal(of_mapping(w, "/elsewhere", 7), second);
	assert_null(of_mapping(w, at(w, "variant"), 8));
	assert_string_equal(of_mapping(w, "[vdso]", 0)->path, "[vdso]");
}

static void test_mapping_by_path(void **state)
{
	struct world *w = *state;
	struct executable *plain, *old, *new;

	assert_null(of_mapping(w, at(w, "plain"), 0));
	write_image(w, "plain", 0);
	map_file(w, at(w, "plain"));
	plain = announce(w, 16, at(w, "plain"));
	unlink(at(w, "proc/50/map_files/401000-402000"));
	assert_ptr_equal(of_mapping(w, at(w, "plain"), 0), plain);
	assert_null(of_mapping(w, at(w, "plainer"), 0));
	/* A program and its successor: what the process has mapped decides. */
	write_image(w, "prog", 7);
	map_file(w, at(w, "prog"));
	old = announce(w, 17, at(w, "prog"));
	assert_int_equal(rename(at(w, "prog"), at(w, "old")), 0);
	write_image(w, "prog", 8);
	new = announce(w, 18, at(w, "prog"));
	assert_string_equal(new->path, old->path);
	assert_ptr_equal(of_mapping(w, at(w, "prog"), 0), new);
	map_file(w, at(w, "old"));
	assert_ptr_equal(of_mapping(w, at(w, "prog"), 0), old);
	forget_id(w, 17);
	assert_null(of_mapping(w, at(w, "prog"), 0));
}

static int names_freed;

static void free_names(void *names)
{
	assert_int_equal(*(int *)names, 42);
	names_freed++;
}

static void test_outlives_the_table(void **state)
{
	struct world *w = *state;
	struct executable *x;
	int names = 42;

	write_image(w, "a", 1);
	map_file(w, at(w, "a"));
	x = executable_ref(announce(w, 16, at(w, "a")));
	x->names = &names;
	x->names_free = free_names;
	w->table = executable_table_free(w->table);
	assert_int_equal(x->build_id[0], 1);
	assert_int_equal(names_freed, 0);
	assert_null(executable_unref(x));
	assert_int_equal(names_freed, 1);
}

static void fork_process(struct world *w, uint32_t parent, uint32_t child)
{
	struct sideband_event e = {
		.type = SIDEBAND_FORK, .ppid = parent, .pid = child, .tid = child
	};

	assert_int_equal(process_table_apply(w->processes, &e), 0);
}

static void test_replay(void **state)
{
	struct world *w = *state;

	write_image(w, "prog", 7);
	map_file(w, at(w, "prog")); /* must not be looked at */
	assert_false(announce(w, 16, at(w, "prog"))->readable);
	tell_mapping(w, at(w, "prog"), 7);
	assert_true(executable_table_get(w->table, 16)->readable);
	/* Here at the path that another process knew it by. */
	write_image(w, "moved", 10);
	tell_mapping(w, at(w, "moved"), 0);
	fork_process(w, 50, 60);
	tell_mapping(w, "/gone/moved", 10);
	assert_true(announce(w, 19, "/gone/moved")->readable);
	/* Here another version, or one that nothing is known of. */
	write_image(w, "newer", 8);
	tell_mapping(w, at(w, "newer"), 9);
	assert_false(announce(w, 17, at(w, "newer"))->readable);
	write_image(w, "plain", 0);
	tell_mapping(w, at(w, "plain"), 0);
	assert_false(announce(w, 18, at(w, "plain"))->readable);
	assert_false(executable_table_get(w->table, ABI_FILE_ID_VDSO)->readable);
}

/* A file that is mapped here, and has no name any more, found through the real /proc. */
static void test_deleted_file(void **state)
{
	struct world *w = *state;
	_cleanup_close_ int fd = -1;
	struct abi_file_announcement a;
	struct executable_table *t;
	struct image x = make_image(7);
	struct executable *e;
	char link[128];
	void *p;

	write_bytes(at(w, "gone"), &x, sizeof(x));
	a = announcement(16, at(w, "gone"));
	fd = open(at(w, "gone"), O_RDONLY | O_CLOEXEC);
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		skip_because("%s: no code can be mapped", w->root);
	assert_int_equal(unlink(at(w, "gone")), 0);
	a.tgid = (uint32_t)getpid();
	a.vm_start = (uint64_t)(uintptr_t)p;
	a.vm_end = a.vm_start + 4096;
	snprintf(link, sizeof(link), "/proc/self/map_files/%lx-%lx", (unsigned long)a.vm_start,
		 (unsigned long)a.vm_end);
	if (access(link, R_OK) < 0) {
		munmap(p, 4096);
		skip_because("needs CAP_CHECKPOINT_RESTORE");
	}
	assert_int_equal(executable_table_new(NULL, &t), 0);
	assert_int_equal(executable_table_announce(t, &a, w->processes), 0);
	e = executable_table_get(t, 16);
	assert_true(e->readable);
	assert_string_equal(e->path, at(w, "gone"));
	assert_true(executable_table_open(t, e) >= 0);
	executable_table_free(t);
	munmap(p, 4096);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_descriptors_are_bounded, set_up_small,
						tear_down),
		cmocka_unit_test_setup_teardown(test_found_again_elsewhere, set_up_small,
						tear_down),
		TEST(test_forget),
		TEST(test_mapping_by_build_id),
		TEST(test_mapping_by_path),
		TEST(test_outlives_the_table),
		cmocka_unit_test_setup_teardown(test_replay, set_up_replay, tear_down),
		TEST(test_deleted_file),
	};

	return cmocka_run_group_tests_name("executable_life", tests, NULL, NULL);
}
