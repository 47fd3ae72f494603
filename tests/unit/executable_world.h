/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory that looks like /proc, with a process 50 that maps files made by hand; and the tables
 * of processes and executables over it.
 */
#pragma once

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "abi.h"
#include "base/cleanup.h"
#include "base/fileio.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"
#include "scratch.h"

/* After <cmocka.h>. */

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

static inline struct image make_image(uint8_t id)
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

static inline const char *at(const struct world *w, const char *name)
{
	static char path[8][256];
	static int i;

	i = (i + 1) % 8;
	snprintf(path[i], sizeof(path[i]), "%s/%s", w->root, name);
	return path[i];
}

static inline void make_directory(const struct world *w, const char *name)
{
	assert_true(mkdir(at(w, name), 0700) == 0 || errno == EEXIST);
}

static inline void write_bytes(const char *path, const void *data, size_t size)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, data, size), 0);
}

static inline void write_image(const struct world *w, const char *name, uint8_t id)
{
	struct image x = make_image(id);

	write_bytes(at(w, name), &x, sizeof(x));
}

static inline int set_up_with(void **state, struct executable_table_options o)
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

static inline int set_up(void **state)
{
	return set_up_with(state, (struct executable_table_options){ 0 });
}

static inline int set_up_small(void **state)
{
	return set_up_with(state, (struct executable_table_options){ .max_open = 4 });
}

static inline int set_up_replay(void **state)
{
	return set_up_with(state, (struct executable_table_options){ .without_proc = true });
}

static inline int tear_down(void **state)
{
	struct world *w = *state;

	executable_table_free(w->table);
	process_table_free(w->processes);
	scratch_remove(w->root);
	free(w);
	return 0;
}

/* What the kernel side says of the file at @path when process 50 maps it. */
static inline struct abi_file_announcement announcement(uint32_t id, const char *path)
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

static inline void map_file(const struct world *w, const char *path)
{
	unlink(at(w, "proc/50/map_files/401000-402000"));
	assert_int_equal(symlink(path, at(w, "proc/50/map_files/401000-402000")), 0);
}

static inline struct executable *announce(struct world *w, uint32_t id, const char *path)
{
	struct abi_file_announcement a = announcement(id, path);

	assert_int_equal(executable_table_announce(w->table, &a, w->processes), 0);
	return executable_table_get(w->table, id);
}

/* The side-band tells of a mapping of a process; @id 0: without build id. */
static inline void tell_mapping_of(struct world *w, uint32_t pid, const char *path, uint8_t id)
{
	struct sideband_event e = {
		.type = SIDEBAND_MMAP,
		.pid = pid,
		.tid = pid,
		.address = START,
		.size = END - START,
		.build_id_size = id ? 20 : 0,
		.build_id = { id, 1, 2 },
		.name = path,
	};

	assert_int_equal(process_table_apply(w->processes, &e), 0);
}

static inline void tell_mapping(struct world *w, const char *path, uint8_t id)
{
	tell_mapping_of(w, 50, path, id);
}

static inline struct executable_table_stats stats(const struct world *w)
{
	struct executable_table_stats s;

	executable_table_get_stats(w->table, &s);
	return s;
}
