/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The world that the BPF headers see when they are compiled for the host: kernel memory is what
 * was registered (at its own address, so that ASan guards it), user memory is one block at any
 * address, and the n-th read can be made to fail.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WORLD_REGIONS 4096
#define WORLD_FILES   8
#define WORLD_SLOTS   32
#define WORLD_PAGES   8
#define WORLD_RULES   16

struct world {
	struct {
		uintptr_t start;
		size_t size;
	} regions[WORLD_REGIONS]; /* of kernel memory, sorted by nothing */
	size_t n_regions;
	uint64_t stack_start; /* user memory */
	const unsigned char *stack;
	size_t stack_size;
	uint64_t reads;	  /* so far */
	uint64_t fail_at; /* this read fails, counted from 1; 0 = none */
	uint64_t counters[ABI_COUNTERS_COUNT];
	struct {
		struct abi_file_key key;
		struct abi_file file;
	} files[WORLD_FILES];
	size_t n_files;
	uint32_t next_id;
	int insert_error;     /* env_file_insert() fails with it, once */
	bool insert_overtake; /* another CPU inserts the same key just before */
	bool ring_full;
	struct abi_file_announcement announcement; /* the last one */
	unsigned int announced, discarded;
	/* The unwinding tables; a slot is found modulo WORLD_SLOTS. */
	struct unwind_file unwind_files[WORLD_SLOTS];
	struct unwind_page unwind_pages[WORLD_PAGES];
	struct unwind_rule unwind_rules[WORLD_RULES];
	struct unwind_segment *unwind_segment; /* number 0, the only one; may be NULL */
	bool slice_room;
};

static struct world world;

static inline int world_read_fails(void)
{
	return ++world.reads == world.fail_at;
}

static inline long env_read_kernel(void *to, size_t size, const void *from)
{
	uintptr_t start = (uintptr_t)from;
	size_t i;

	if (world_read_fails())
		return -EFAULT;
	for (i = 0; i < world.n_regions; i++) {
		if (start >= world.regions[i].start &&
		    start - world.regions[i].start <= world.regions[i].size &&
		    size <= world.regions[i].size - (start - world.regions[i].start)) {
			memcpy(to, from, size);
			return 0;
		}
	}
	return -EFAULT;
}

static inline long env_read_user(void *to, size_t size, uint64_t addr)
{
	if (world_read_fails() || addr < world.stack_start ||
	    addr - world.stack_start > world.stack_size ||
	    size > world.stack_size - (addr - world.stack_start))
		return -EFAULT;
	memcpy(to, world.stack + (addr - world.stack_start), size);
	return 0;
}

/* Like bpf_probe_read_kernel_str(): byte by byte, always terminated. */
static inline long env_read_name(char *to, size_t size, const void *from)
{
	size_t i;

	for (i = 0; i + 1 < size; i++) {
		if (env_read_kernel(to + i, 1, (const char *)from + i)) {
			to[0] = '\0';
			return -EFAULT;
		}
		if (!to[i])
			return (long)i + 1;
	}
	to[i] = '\0';
	return (long)size;
}

#define env_get(to, pointer, field)                                                                \
	env_read_kernel(to, sizeof(*(to)),                                                         \
			(const char *)(uintptr_t)(pointer) +                                       \
				offsetof(__typeof__(*(pointer)), field))
#define env_has(type, field)	1
#define env_offset(type, field) offsetof(type, field)
#define env_enum(type, name)	name
#define env_time()		1000

static inline void env_count(enum abi_counter counter, uint64_t n)
{
	world.counters[counter] += n;
}

static inline struct abi_file *env_file_find(const struct abi_file_key *key)
{
	size_t i;

	for (i = 0; i < world.n_files; i++) {
		if (!memcmp(&world.files[i].key, key, sizeof(*key)))
			return &world.files[i].file;
	}
	return NULL;
}

static inline long env_file_insert(const struct abi_file_key *key, const struct abi_file *file)
{
	int err = world.insert_error;

	world.insert_error = 0;
	if (err)
		return err;
	if (world.n_files == WORLD_FILES)
		return -E2BIG;
	world.files[world.n_files].key = *key;
	world.files[world.n_files++].file = *file;
	if (!world.insert_overtake)
		return 0;
	world.insert_overtake = false;
	world.files[world.n_files - 1].file.file_id = 77;
	return -EEXIST;
}

static inline uint32_t env_file_next_id(void)
{
	return world.next_id++;
}

static inline struct abi_file_announcement *env_file_reserve(void)
{
	return world.ring_full ? NULL : &world.announcement;
}

static inline void env_file_submit(struct abi_file_announcement *a)
{
	(void)a;
	world.announced++;
}

static inline void env_file_discard(struct abi_file_announcement *a)
{
	(void)a;
	world.discarded++;
}

static inline const struct unwind_file *env_unwind_file(uint32_t slot)
{
	return &world.unwind_files[slot % WORLD_SLOTS];
}

static inline const struct unwind_page *env_unwind_page(uint32_t i)
{
	return i < WORLD_PAGES ? &world.unwind_pages[i] : NULL;
}

static inline const struct unwind_rule *env_unwind_rule(uint32_t i)
{
	return i < WORLD_RULES ? &world.unwind_rules[i] : NULL;
}

static inline const struct unwind_segment *env_unwind_segment(uint32_t i)
{
	return i ? NULL : world.unwind_segment;
}

static inline bool env_slice_room(void)
{
	return world.slice_room;
}
