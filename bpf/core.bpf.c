/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all programs share: the maps, the settings, and the step of the unwinder. Its name makes
 * this object the first to be linked: libbpf 1.1 places a map wrongly when it meets its definition
 * after an extern declaration ("map relo failed to find map").
 */
#define DEFINE_SHARED_MAPS
#include "unwind.h"
#include "wait_maps.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u32 next_file_id = ABI_FILE_ID_FIRST;

/* Bytes that may wait in the ring before user space is woken before its time. */
const volatile __u64 ring_high_water = 1 << 20;

/* Bytes of stack that are sent where rules are missing, at most ABI_SLICE_MAX_BYTES; 0 = never. */
const volatile __u32 slice_bytes = ABI_SLICE_MAX_BYTES;

/* Nanoseconds of waiting per stack that is taken, 1..WAIT_MAX_RATE; changes while programs run. */
volatile __u64 block_rate = 1000000;

/* Is the stack of who ends a wait taken too. */
const volatile __u8 wait_wakers = 1;

/* Where stacks of waits are taken, enum abi_wait_hook. */
const volatile __u8 wait_hook = ABI_WAIT_HOOK_none;

__noinline int unwind_map(struct unwind_walk *w, u64 addr)
{
	return w ? unwind_map_inline(w, addr) : -EFAULT;
}

__noinline int unwind_step(struct unwind_walk *w)
{
	return w ? unwind_step_inline(w) : ABI_STACK_internal;
}
