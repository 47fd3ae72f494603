/* SPDX-License-Identifier: Apache-2.0 */
/* The code that is mapped in this process, and its unwinding tables. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "abi.h"
#include "base/cleanup.h"
#include "elf/elf_image.h"
#include "unwind/table.h"
#include "unwind/table_builder.h"
#include "unwind/table_store.h"

/* After <cmocka.h>. */

#define MAX_MAPS 64

struct map {
	uint64_t start, end, offset;
	uint32_t file_id;
	struct unwind_table *table;
	struct stored_table *stored;
	char path[256];
};

struct maps {
	struct map at[MAX_MAPS];
	size_t n;
};

static struct unwind_table *build_vdso(void)
{
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR); /* NOLINT */
	struct unwind_table *table = NULL;
	struct elf_image image;

	if (!vdso || elf_image_of(vdso, 2 * 4096, &image))
		return NULL;
	unwind_table_build_image(&image, NULL, &table);
	elf_image_done(&image);
	return table;
}

static struct unwind_table *build_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unwind_table *table = NULL;

	if (fd >= 0)
		unwind_table_build(fd, -1, &table);
	return table;
}

static void read_maps(struct maps *maps)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
	char line[512];

	assert_non_null(f);
	maps->n = 0;
	while (maps->n < MAX_MAPS && fgets(line, sizeof(line), f)) {
		struct map *m = &maps->at[maps->n];
		unsigned long start, end, offset, inode;
		char rights[8];

		memset(m, 0, sizeof(*m));
		if (sscanf(line, "%lx-%lx %7s %lx %*s %lu %255[^\n]", &start, &end, rights, &offset,
			   &inode, m->path) < 5 ||
		    rights[2] != 'x')
			continue;
		m->start = start;
		m->end = end;
		m->offset = offset;
		if (!strcmp(m->path, "[vdso]")) {
			m->file_id = ABI_FILE_ID_VDSO;
			m->table = build_vdso();
		} else if (inode) {
			m->table = build_file(m->path);
		}
		maps->n++;
	}
}

static void free_maps(struct maps *maps)
{
	for (size_t i = 0; i < maps->n; i++)
		free(maps->at[i].table);
}

static struct map *find_map(struct maps *maps, uint64_t addr)
{
	for (size_t i = 0; i < maps->n; i++)
		if (addr >= maps->at[i].start && addr < maps->at[i].end)
			return &maps->at[i];
	return NULL;
}

static uint64_t word_of(struct maps *maps, uint64_t return_address)
{
	const struct map *m = find_map(maps, return_address);

	assert_non_null(m);
	return (uint64_t)m->file_id << ABI_FRAME_FILE_SHIFT |
	       (return_address - 1 - m->start + m->offset);
}
