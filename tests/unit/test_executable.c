/* SPDX-License-Identifier: Apache-2.0 */
/* Executables found through a directory that looks like /proc, and through the real one. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "abi.h"
#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"
#include "scratch.h"
#include "skip.h"

#define START 0x401000UL
#define END   0x402000UL

struct world {
	char root[SCRATCH_SIZE];
	struct process_table *processes;
	struct executable_table *table;
};

struct image {
	Elf64_Ehdr e;
	Elf64_Phdr p[2];
	Elf64_Nhdr note;
	char name[4];
	uint8_t id[20];
	char text[2048];
};

static struct image make_image(uint8_t id)
{
	struct image x = {
		.e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
		       .e_type = ET_DYN,
		       .e_machine = EM_X86_64,
		       .e_phoff = offsetof(struct image, p),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 2 },
		.p = { { .p_type = PT_LOAD,
			 .p_flags = PF_R | PF_X,
			 .p_offset = offsetof(struct image, text),
			 .p_vaddr = 0x5000,
			 .p_filesz = 2048 },
		       { .p_type = PT_NOTE,
			 .p_offset = offsetof(struct image, note),
			 .p_filesz = sizeof(Elf64_Nhdr) + 24,
			 .p_align = 4 } },
		.note = { .n_namesz = 4, .n_descsz = 20, .n_type = NT_GNU_BUILD_ID },
		.name = "GNU",
		.id = { id, 1, 2 },
	};

	/* Without build id */
	if (!id)
		x.p[1].p_type = PT_NULL;
	return x;
}

static const char *at(const struct world *w, const char *name)
{
	static char path[8][256];
	static int i;

	i = (i + 1) % 8;
	snprintf(path[i], sizeof(path[i]), "%s/%s", w->root, name);
	return path[i];
}

static void make_directory(const struct world *w, const char *name)
{
	assert_true(mkdir(at(w, name), 0700) == 0 || errno == EEXIST);
}

static void write_bytes(const char *path, const void *data, size_t size)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, data, size), 0);
}

static void write_image(const struct world *w, const char *name, uint8_t id)
{
	struct image x = make_image(id);

	write_bytes(at(w, name), &x, sizeof(x));
}

static int set_up_with(void **state, struct executable_table_options o)
{
	struct world *w = calloc(1, sizeof(*w));
	struct process_table_options po = { .without_proc = true };

	assert_int_equal(scratch_make(w->root), 0);
	make_directory(w, "proc");
	make_directory(w, "proc/50");
	make_directory(w, "proc/50/map_files");
	if (!o.without_proc)
		o.proc = at(w, "proc");
	assert_int_equal(process_table_new(&po, &w->processes), 0);
	assert_int_equal(executable_table_new(&o, &w->table), 0);
	*state = w;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, (struct executable_table_options){ 0 });
}

static int set_up_small(void **state)
{
	return set_up_with(state, (struct executable_table_options){ .max_open = 4 });
}

static int set_up_replay(void **state)
{
	return set_up_with(state, (struct executable_table_options){ .without_proc = true });
}

static int tear_down(void **state)
{
	struct world *w = *state;

	executable_table_free(w->table);
	process_table_free(w->processes);
	scratch_remove(w->root);
	free(w);
	return 0;
}

/* What the kernel side says of the file at @path when process 50 maps it. */
static struct abi_file_announcement announcement(uint32_t id, const char *path)
{
	struct abi_file_announcement a = {
		.tgid = 50,
		.file_id = id,
		.vm_start = START,
		.vm_end = END,
	};
	struct stat st;

	if (stat(path, &st) == 0) {
		a.key.inode = st.st_ino;
		a.key.device = major(st.st_dev) << 20 | minor(st.st_dev);
	}
	strncpy(a.name, strrchr(path, '/') + 1, sizeof(a.name) - 1);
	return a;
}

static void map_file(const struct world *w, const char *path)
{
	unlink(at(w, "proc/50/map_files/401000-402000"));
	assert_int_equal(symlink(path, at(w, "proc/50/map_files/401000-402000")), 0);
}

static struct executable *announce(struct world *w, uint32_t id, const char *path)
{
	struct abi_file_announcement a = announcement(id, path);

	assert_int_equal(executable_table_announce(w->table, &a, w->processes), 0);
	return executable_table_get(w->table, id);
}

/* The side-band tells of a mapping of process 50. */
static void tell_mapping(struct world *w, const char *path, uint8_t id)
{
	struct sideband_event e = {
		.type = SIDEBAND_MMAP,
		.pid = 50,
		.tid = 50,
		.address = START,
		.size = END - START,
		.build_id_size = id ? 20 : 0,
		.build_id = { id, 1, 2 },
		.name = path,
	};

	assert_int_equal(process_table_apply(w->processes, &e), 0);
}

static struct executable_table_stats stats(const struct world *w)
{
	struct executable_table_stats s;

	executable_table_get_stats(w->table, &s);
	return s;
}

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

/* Its process is gone, another one with the same file is there. */
static void test_other_process(void **state)
{
	struct world *w = *state;
	struct sideband_event e = {
		.type = SIDEBAND_MMAP,
		.pid = 51,
		.tid = 51,
		.address = START,
		.size = END - START,
		.build_id_size = 20,
		.build_id = { 7, 1, 2 },
		.name = "/bin/prog-of-test",
	};

	write_image(w, "hidden", 7);
	make_directory(w, "proc/51");
	make_directory(w, "proc/51/map_files");
	assert_int_equal(symlink(at(w, "hidden"), at(w, "proc/51/map_files/401000-402000")), 0);
	assert_int_equal(process_table_apply(w->processes, &e), 0);
	tell_mapping(w, "/bin/prog-of-test", 7);
	assert_true(announce(w, 16, "/bin/prog-of-test")->readable);
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
	/* Changed since: another file of the same name, the same file with other content. */
	write_image(w, "new", 1); /* while the inode of the old one is taken */
	assert_int_equal(unlink(at(w, "prog0")), 0);
	assert_true(executable_table_open(w->table, x[0]) < 0);
	assert_int_equal(rename(at(w, "new"), at(w, "prog0")), 0);
	assert_true(executable_table_open(w->table, x[0]) < 0);
	write_image(w, "prog1", 99);
	assert_true(executable_table_open(w->table, x[1]) < 0);
	assert_true(executable_table_open(w->table,
					  executable_table_get(w->table, ABI_FILE_ID_VDSO)) >= 0);
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

static void test_replay(void **state)
{
	struct world *w = *state;

	write_image(w, "prog", 7);
	map_file(w, at(w, "prog")); /* must not be looked at */
	assert_false(announce(w, 16, at(w, "prog"))->readable);
	tell_mapping(w, at(w, "prog"), 7);
	assert_true(executable_table_get(w->table, 16)->readable);
	/* Here another version, or one that nothing is known of. */
	write_image(w, "newer", 8);
	tell_mapping(w, at(w, "newer"), 9);
	assert_false(announce(w, 17, at(w, "newer"))->readable);
	write_image(w, "plain", 0);
	tell_mapping(w, at(w, "plain"), 0);
	assert_false(announce(w, 18, at(w, "plain"))->readable);
	assert_false(executable_table_get(w->table, ABI_FILE_ID_VDSO)->readable);
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
		TEST(test_map_files),
		TEST(test_same_build_id_is_one),
		TEST(test_without_build_id),
		TEST(test_map_files_of_another),
		TEST(test_found_by_mapping),
		TEST(test_turns_out_to_be_another),
		TEST(test_build_id_must_agree),
		TEST(test_inode_must_agree_without_build_id),
		TEST(test_stale_mapping),
		TEST(test_other_root),
		TEST(test_root_of_ancestor),
		TEST(test_other_process),
		TEST(test_searches_are_bounded),
		TEST(test_only_regular_elf_files),
		cmocka_unit_test_setup_teardown(test_descriptors_are_bounded, set_up_small,
						tear_down),
		TEST(test_vdso),
		TEST(test_forget),
		TEST(test_mapping_by_build_id),
		TEST(test_mapping_by_path),
		TEST(test_outlives_the_table),
		cmocka_unit_test_setup_teardown(test_replay, set_up_replay, tear_down),
		TEST(test_bad_ids),
		TEST(test_damaged_files),
		TEST(test_deleted_file),
	};

	return cmocka_run_group_tests_name("executable", tests, NULL, NULL);
}
