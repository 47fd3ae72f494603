/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "manager.h"
#include "store.h"

/* Field 2 of /proc/self/statm is resident pages (proc(5)). */
static uint64_t resident(void)
{
	_cleanup_free_ char *text = NULL;
	uint64_t size, pages;

	if (file_read(AT_FDCWD, "/proc/self/statm", 256, &text, NULL) < 0 ||
	    sscanf(text, "%" SCNu64 " %" SCNu64, &size, &pages) != 2)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void memory_measure(struct manager *m, struct memory_parts *ret)
{
	struct collector_state state;
	struct store_stats store;

	collector_get_state(profiler_collector(m->profiler), &state);
	store_get_stats(m->store, &store);
	*ret = (struct memory_parts){
		.resident = resident(),
		.bpf_maps = state.map_bytes,
		.symbols = symbolizer_memory(profiler_symbolizer(m->profiler)),
		.windows = store.bytes,
		.processes = process_table_memory(profiler_processes(m->profiler)),
		.executables = executable_table_memory(profiler_executables(m->profiler)),
	};
}
