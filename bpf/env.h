/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The seam below which the kernel ends. vma.h, files.h and unwind.h reach the world only through
 * the env_ names, so that the same C is compiled twice: here as BPF, and for the host on top of
 * whatever the env_host.h of the includer provides (recorded memory, faults at will).
 *
 *   env_read_kernel(to, size, from)   0, or an error and nothing that may be used in @to
 *   env_read_user(to, size, addr)     the same, of the current task's memory
 *   env_read_name(to, size, from)     a NUL-terminated string, cut to fit
 *   env_get(to, pointer, field)       reads one field of a kernel struct
 *   env_has(type, field)              does this kernel's struct have it
 *   env_offset(type, field)           its offset in bytes, in this kernel
 *   env_enum(type, name)              the value of an enumerator, in this kernel
 *   env_time()                        monotonic ns
 *   env_count(counter, n)             adds to a counter of abi.h
 *   env_file_find(key)                struct abi_file *, or NULL
 *   env_file_insert(key, file)        0, -EEXIST, -E2BIG, -EBUSY; never replaces
 *   env_file_next_id()                a number that was not given before
 *   env_file_reserve()                room for a struct abi_file_announcement, or NULL
 *   env_file_submit(a), env_file_discard(a)
 *   env_unwind_file(slot), env_unwind_page(i), env_unwind_rule(i), env_unwind_segment(i)
 *                                     an entry of the unwinding tables, or NULL
 *   env_slice_room()                  may the ring take a slice of a stack
 *   env_barrier()                     the compiler moves no access to memory over it, nor does x86
 *                                     a write over another
 *   ENV_LOOP                          before a loop that must stay one: the verifier follows it
 *   ENV_UNROLL                        before a loop that must not
 */
#pragma once

#include "abi.h"
#include "unwind_abi.h"
#include "vmlinux.h"

#define env_barrier() __asm__ volatile("" ::: "memory")

#ifdef __bpf__

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define ENV_INLINE static __always_inline
#define ENV_LOOP   _Pragma("clang loop unroll(disable)")
#define ENV_UNROLL _Pragma("clang loop unroll(full)")

#define EEXIST 17
#define E2BIG  7
#define ENOENT 2
#define EFAULT 14

#define env_read_kernel(to, size, from) bpf_probe_read_kernel(to, size, from)
#define env_read_user(to, size, addr)	bpf_probe_read_user(to, size, (const void *)(addr))
#define env_read_name(to, size, from)	bpf_probe_read_kernel_str(to, size, from)
#define env_get(to, pointer, field)	bpf_core_read(to, sizeof(*(to)), &(pointer)->field)
#define env_has(type, field)		bpf_core_field_exists(((type *)0)->field)
#define env_offset(type, field)		bpf_core_field_offset(((type *)0)->field)
#define env_enum(type, name)		bpf_core_enum_value(type, name)
#define env_time()			bpf_ktime_get_ns()

/* The next id; one for all programs, so that ids are unique. */
extern __u32 next_file_id;

/* Atomic, because a perf event can interrupt a tracing program that counts on the same CPU. */
ENV_INLINE void env_count(enum abi_counter counter, u64 n)
{
	u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (c && counter < ABI_COUNTERS_COUNT)
		__sync_fetch_and_add(&c->values[counter], n);
}

ENV_INLINE struct abi_file *env_file_find(const struct abi_file_key *key)
{
	return bpf_map_lookup_elem(&files, key);
}

ENV_INLINE long env_file_insert(const struct abi_file_key *key, const struct abi_file *file)
{
	return bpf_map_update_elem(&files, key, file, BPF_NOEXIST);
}

ENV_INLINE u32 env_file_next_id(void)
{
	return __sync_fetch_and_add(&next_file_id, 1);
}

ENV_INLINE struct abi_file_announcement *env_file_reserve(void)
{
	return bpf_ringbuf_reserve(&ring, sizeof(struct abi_file_announcement), 0);
}

/* Wakes user space: the file should be opened while its process lives. */
ENV_INLINE void env_file_submit(struct abi_file_announcement *a)
{
	bpf_ringbuf_submit(a, BPF_RB_FORCE_WAKEUP);
}

ENV_INLINE void env_file_discard(struct abi_file_announcement *a)
{
	bpf_ringbuf_discard(a, BPF_RB_NO_WAKEUP);
}

ENV_INLINE const struct unwind_file *env_unwind_file(u32 slot)
{
	return bpf_map_lookup_elem(&unwind_files, &slot);
}

ENV_INLINE const struct unwind_page *env_unwind_page(u32 i)
{
	return bpf_map_lookup_elem(&unwind_pages, &i);
}

ENV_INLINE const struct unwind_rule *env_unwind_rule(u32 i)
{
	return bpf_map_lookup_elem(&unwind_rules, &i);
}

ENV_INLINE const struct unwind_segment *env_unwind_segment(u32 i)
{
	void *segment = bpf_map_lookup_elem(&unwind_segments, &i);
	u32 zero = 0;

	return segment ? bpf_map_lookup_elem(segment, &zero) : NULL;
}

/* Slices are large: the second half of the ring is for samples. */
ENV_INLINE bool env_slice_room(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) <=
	       bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2;
}

#else

#define ENV_INLINE static inline
#define ENV_LOOP
#define ENV_UNROLL
#include "env_host.h"

#endif
