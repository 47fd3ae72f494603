/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that several programs share. They are defined in core.bpf.c; the linker makes the
 * declarations of all other objects the same maps. User space sets the capacities before it loads.
 */
#pragma once

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

SHARED struct ring_map ring SEC(".maps");
SHARED struct counters_map counters SEC(".maps");
SHARED struct files_map files SEC(".maps");
