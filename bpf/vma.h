/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the mapping (VMA) of an address by walking the maple tree of an mm (Linux 6.1 and later)
 * without a lock. bpf_find_vma() is no substitute: where interrupts are off it works once per
 * interrupt and costs twenty times as much.
 *
 * How the answer can be wrong: another thread may change the tree meanwhile. Reads of freed memory
 * do not fault but may return anything, so an answer counts only if the VMA found says itself that
 * it belongs to this mm and contains the address. What is left is a VMA that was unmapped a moment
 * ago, or a miss; misses are told apart from damage and both are counted by the caller.
 */
#pragma once

#include "env.h"

#define VMA_NODE_WORDS 32 /* 256 bytes */
#define VMA_NODE_MASK  (~0xffULL)
#define VMA_MAX_LEVELS 8 /* 16^8 leaves; 65,530 mappings make 5 levels */
#define VMA_MAX_PIVOTS 15
#define VMA_PAGE_SHIFT 12

struct vma {
	u64 start, end;
	u64 offset; /* in the file, of start; bytes */
	u64 flags;  /* VMA_VM_ */
	struct file *file;
};

/* Only the root can be an entry itself; pointers to nodes are then told apart by their low bits
 * (xa_is_node()). */
ENV_INLINE bool vma_is_node(u64 entry)
{
	return (entry & 3) == 2 && entry > 4096;
}

/* The slot of a node (words of @node) that covers @addr. */
ENV_INLINE u64 vma_slot(const u64 *node, u64 addr, u32 type)
{
	u32 first = env_offset(struct maple_range_64, pivot) / sizeof(u64);
	u32 slots = env_offset(struct maple_range_64, slot) / sizeof(u64);
	u32 i;

	if (type == env_enum(enum maple_type, maple_arange_64)) {
		first = env_offset(struct maple_arange_64, pivot) / sizeof(u64);
		slots = env_offset(struct maple_arange_64, slot) / sizeof(u64);
	}
	/* A pivot is the last address of its slot; 0 after the first ends them. */
	ENV_LOOP
	for (i = 0; i < VMA_MAX_PIVOTS; i++) {
		u64 pivot = node[(first + i) % VMA_NODE_WORDS];

		if (first + i >= slots || pivot >= addr || (!pivot && i))
			break;
	}
	return node[(slots + i) % VMA_NODE_WORDS];
}

/* Walks from @root down to the entry that covers @addr: the address of a VMA, 0 = none. */
ENV_INLINE int vma_descend(u64 *node, u64 root, u64 addr, u64 *ret_entry)
{
	u64 entry = root;
	u32 level;

	if (!vma_is_node(entry)) {
		*ret_entry = entry;
		return 0;
	}
	ENV_LOOP
	for (level = 0; level < VMA_MAX_LEVELS; level++) {
		u32 type = (entry >> 3) & 0xf;

		if (env_read_kernel(node, VMA_NODE_WORDS * sizeof(u64),
				    (const void *)(entry & VMA_NODE_MASK)))
			return -EFAULT;
		entry = vma_slot(node, addr, type);
		if (type <= env_enum(enum maple_type, maple_leaf_64) || !entry) {
			*ret_entry = entry;
			return 0;
		}
	}
	return -EFAULT;
}

ENV_INLINE int vma_flags(struct vm_area_struct *vma, u64 *ret_flags)
{
	unsigned long flags = 0;
	int err;

	if (env_has(struct vm_area_struct, vm_flags))
		err = env_get(&flags, vma, vm_flags);
	else
		err = env_get(&flags, (struct vm_area_struct___writable_flags *)vma, __vm_flags);
	*ret_flags = flags;
	return err;
}

/*
 * 0; -ENOENT: no mapping; -EFAULT: what was read contradicts itself. @node is scratch of
 * VMA_NODE_WORDS words. @ret is undefined after an error.
 */
ENV_INLINE int vma_walk(u64 *node, u64 mm, u64 root, u64 addr, struct vma *ret)
{
	struct vm_area_struct *vma;
	struct mm_struct *owner = NULL;
	unsigned long start = 0, end = 0, pages = 0;
	u64 entry = 0;

	if (vma_descend(node, root, addr, &entry))
		return -EFAULT;
	if (!entry)
		return -ENOENT;
	vma = (struct vm_area_struct *)entry;
	if (env_get(&start, vma, vm_start) || env_get(&end, vma, vm_end) ||
	    env_get(&owner, vma, vm_mm))
		return -EFAULT;
	if ((u64)owner != mm || addr < start || addr >= end)
		return -EFAULT;
	ret->file = NULL;
	if (vma_flags(vma, &ret->flags) || env_get(&pages, vma, vm_pgoff) ||
	    env_get(&ret->file, vma, vm_file))
		return -EFAULT;
	ret->start = start;
	ret->end = end;
	ret->offset = (u64)pages << VMA_PAGE_SHIFT;
	return 0;
}
