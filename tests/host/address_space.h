/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Builds kernel objects in registered memory: mappings, files, and the maple tree over them. */
#pragma once

#include <stdlib.h>

#include "vma.h"

#define PAGE 4096ULL

/* Everything that was allocated for the world. */
static void *world_objects[WORLD_REGIONS];

static void *world_alloc(size_t alignment, size_t size)
{
	void *p = NULL;

	if (posix_memalign(&p, alignment, size) || world.n_regions == WORLD_REGIONS)
		abort();
	memset(p, 0, size);
	world_objects[world.n_regions] = p;
	world.regions[world.n_regions].start = (uintptr_t)p;
	world.regions[world.n_regions++].size = size;
	return p;
}

static void world_reset(void)
{
	size_t i;

	for (i = 0; i < world.n_regions; i++)
		free(world_objects[i]);
	memset(&world, 0, sizeof(world));
	world.next_id = ABI_FILE_ID_FIRST;
}

#define NEW(type) ((type *)world_alloc(8, sizeof(type)))

static inline struct file *new_file(unsigned long inode, const char *name)
{
	struct file *file = NEW(struct file);
	struct dentry *dentry = NEW(struct dentry);
	char *text = world_alloc(8, strlen(name) + 1);

	strcpy(text, name);
	dentry->d_name.name = (const unsigned char *)text;
	file->f_path.dentry = dentry;
	file->f_inode = NEW(struct inode);
	file->f_inode->i_ino = inode;
	file->f_inode->i_generation = 7;
	file->f_inode->i_sb = NEW(struct super_block);
	file->f_inode->i_sb->s_dev = 0x800001;
	return file;
}

static struct vm_area_struct *new_vma(struct mm_struct *mm, u64 start, u64 end, u64 flags,
				      struct file *file, u64 offset)
{
	struct vm_area_struct *vma = NEW(struct vm_area_struct);

	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_mm = mm;
	vma->vm_flags = flags;
	vma->vm_pgoff = offset / PAGE;
	vma->vm_file = file;
	return vma;
}

/* A stretch of addresses up to @last, and what the tree holds for it (0 = gap). */
struct range {
	u64 last, entry;
};

static u64 node_entry(void *node, enum maple_type type)
{
	return (u64)(uintptr_t)node | (u64)type << 3 | 4;
}

static void fill_node(u64 *pivots, u64 *slots, size_t max_pivots, const struct range *ranges,
		      size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		/* The end of the last slot is the end of the node and need not be written; only a
		 * first pivot of 0 would mean what it says. */
		if (i < max_pivots && (i + 1 < n || !i))
			pivots[i] = ranges[i].last;
		slots[i] = ranges[i].entry;
	}
}

/* Puts @n ranges into nodes of @fill slots; they become ranges of the level above. */
static size_t build_level(struct range *ranges, size_t n, size_t fill, bool leaf)
{
	size_t from, out = 0;

	for (from = 0; from < n; from += fill) {
		size_t count = n - from < fill ? n - from : fill;
		void *node = world_alloc(256, 256);

		if (leaf) {
			struct maple_range_64 *r = node;

			fill_node((u64 *)r->pivot, (u64 *)r->slot, 15, ranges + from, count);
		} else {
			struct maple_arange_64 *r = node;

			fill_node((u64 *)r->pivot, (u64 *)r->slot, 9, ranges + from, count);
		}
		ranges[out].last = ranges[from + count - 1].last;
		ranges[out++].entry = node_entry(node, leaf ? maple_leaf_64 : maple_arange_64);
	}
	return out;
}

/* The root of a tree over @n VMAs in ascending order. */
static u64 build_tree(struct vm_area_struct **vmas, size_t n)
{
	struct range *ranges = calloc(2 * n + 1, sizeof(*ranges));
	size_t i, count = 0;
	u64 next = 0, root;

	for (i = 0; i < n; i++) {
		if (vmas[i]->vm_start > next)
			ranges[count++] = (struct range){ vmas[i]->vm_start - 1, 0 };
		ranges[count++] = (struct range){ vmas[i]->vm_end - 1, (u64)(uintptr_t)vmas[i] };
		next = vmas[i]->vm_end;
	}
	ranges[count++] = (struct range){ ~0ULL, 0 };
	count = build_level(ranges, count, 16, true);
	while (count > 1)
		count = build_level(ranges, count, 10, false);
	root = ranges[0].entry & ~4ULL;
	free(ranges);
	return root | 2; /* a root that is a node (xa_mk_node) */
}
