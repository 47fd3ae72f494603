/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that several programs share. They are defined in core.bpf.c; the linker makes the
 * declarations of all other objects the same maps. User space sets the capacities before it loads.
 */
#pragma once

#include "unwind_abi.h"

#ifdef DEFINE_SHARED_MAPS
#define SHARED
#else
#define SHARED extern
#endif

/* Everything that leaves the kernel: struct abi_record and what follows it. */
struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
};

struct counters {
	u64 values[ABI_COUNTERS_COUNT];
};

struct counters_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
};

/*
 * Every file that was seen as executable memory. Preallocated, because memory cannot be allocated
 * where programs of perf events run. BPF adds, user space removes what was not used for longest.
 */
struct files_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct abi_file_key);
	__type(value, struct abi_file);
};

/* The unwinding tables, see unwind_abi.h. User space writes them through mmap. */
struct unwind_files_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_FILE_SLOTS);
	__type(key, u32);
	__type(value, struct unwind_file);
};

struct unwind_pages_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_PAGES);
	__type(key, u32);
	__type(value, struct unwind_page);
};

struct unwind_rules_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_RULES);
	__type(key, u32);
	__type(value, struct unwind_rule);
};

/*
 * Made by user space as they are needed, all exactly like this one: then look-ups are inlined
 * (array_map_gen_lookup(); not with BPF_F_INNER_MAP, which would allow different sizes). The value
 * has a size and no type: libbpf sees only a forward declaration of it here.
 */
struct unwind_segment_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct unwind_segment));
};

struct unwind_segments_map {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_MAX_SEGMENTS);
	__type(key, u32);
	__array(values, struct unwind_segment_map);
};

SHARED struct ring_map ring SEC(".maps");
SHARED struct counters_map counters SEC(".maps");
SHARED struct files_map files SEC(".maps");
SHARED struct unwind_files_map unwind_files SEC(".maps");
SHARED struct unwind_pages_map unwind_pages SEC(".maps");
SHARED struct unwind_rules_map unwind_rules SEC(".maps");
SHARED struct unwind_segments_map unwind_segments SEC(".maps");
