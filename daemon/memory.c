/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager.h"
#include "store.h"

#define KIB 1024
#define MIB (1024 * KIB)

/* glibc would raise the first to the largest array it has seen freed, 32 MiB at most. */
#define LARGE_BYTES (128 * KIB)
#define KEEP_ON_TOP (1 * MIB)

void memory_configure(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEEP_ON_TOP);
}

void memory_give_back(void)
{
	malloc_trim(KEEP_ON_TOP);
}

/* The first line of a mapping begins with its addresses, those behind it with a key. */
static bool is_mapping(const char *line)
{
	uint64_t start, end;

	return sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2;
}

/* What the descriptors of BPF maps (the ring is one) and of perf events are called in the kernel.
 */
static bool is_bpf(const char *line)
{
	return strstr(line, " anon_inode:bpf-map") || strstr(line, " anon_inode:[perf_event]");
}

void memory_resident_of(FILE *smaps, struct resident_parts *ret)
{
	_cleanup_free_ char *line = NULL;
	struct resident_parts sum = { 0 };
	bool bpf = false;
	size_t size = 0;
	uint64_t kib;

	while (getline(&line, &size, smaps) > 0) {
		if (is_mapping(line)) {
			bpf = is_bpf(line);
		} else if (sscanf(line, "Rss: %" SCNu64 " kB", &kib) == 1) {
			*(bpf ? &sum.bpf : &sum.files) += kib * KIB;
		} else if (!bpf && sscanf(line, "Anonymous: %" SCNu64 " kB", &kib) == 1) {
			/* Behind Rss, which it is a part of. */
			sum.anonymous += kib * KIB;
			sum.files -= MIN(sum.files, kib * KIB);
		}
	}
	*ret = sum;
}

void memory_resident(struct resident_parts *ret)
{
	_cleanup_fclose_ FILE *smaps = fopen("/proc/self/smaps", "re");

	*ret = (struct resident_parts){ 0 };
	if (smaps)
		memory_resident_of(smaps, ret);
}

uint64_t memory_resident_sum(const struct resident_parts *parts)
{
	uint64_t sum = 0;

#define X(name, label) sum += parts->name;
	RESIDENT_PARTS(X)
#undef X
	return sum;
}

void memory_measure(struct manager *m, const struct collector_state *state,
		    struct memory_parts *ret)
{
	struct store_stats store;

	store_get_stats(m->store, &store);
	*ret = (struct memory_parts){
		.bpf_maps = state->map_bytes,
		.unwind_rows = state->segment_bytes,
		.symbols = symbolizer_memory(profiler_symbolizer(m->profiler)),
		.windows = store.bytes,
		.cumulative = manager_cumulative_memory(m),
		.taps = profiler_taps_memory(m->profiler),
		.processes = process_table_memory(profiler_processes(m->profiler)),
		.executables = executable_table_memory(profiler_executables(m->profiler)),
		.stream = stream_memory(profiler_stream(m->profiler)),
	};
}
