/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the BPF skeleton, and says why it could not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct profd_bpf;

struct collector_load_options {
	uint32_t frequency; /* Hz */
	size_t ring_size;   /* bytes, a power of two and of pages */
	uint32_t max_files;
	uint32_t slice_bytes; /* 0 = no slices */
	uint32_t block_rate;  /* ns, at least 1; what it begins with */
	uint8_t wait_hook;    /* enum abi_wait_hook; none = without the programs of waits */
	bool without_wakers;
};

int collector_load(const struct collector_load_options *o, struct profd_bpf **ret, struct error *e);

/* Kernel memory of all maps in bytes, as the kernel itself accounts it. */
uint64_t collector_load_map_bytes(const struct profd_bpf *bpf);
/* What the verifier looked at, of the largest program. */
uint32_t collector_load_verified(const struct profd_bpf *bpf);
