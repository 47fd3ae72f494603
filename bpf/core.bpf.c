/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all programs share: the maps, and the step of the unwinder. Its name makes this object the
 * first to be linked: libbpf 1.1 places a map wrongly when it meets its definition after an extern
 * declaration ("map relo failed to find map").
 */
#define DEFINE_SHARED_MAPS
#include "unwind.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u32 next_file_id = ABI_FILE_ID_FIRST;

__noinline int unwind_step(struct unwind_state *s)
{
	return s ? unwind_step_inline(s) : ABI_STACK_internal;
}
