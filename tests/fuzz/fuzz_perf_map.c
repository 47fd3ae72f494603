/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a perf map, which grows in two steps (the first byte says where it is cut) and is
 * then written anew; and as a kallsyms.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "symbolize/kallsyms.h"
#include "symbolize/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void look_up(const struct perf_map *m)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		const char *name = perf_map_find(m, UINT64_C(1) << bit);

		require(!name || (name[0] && strlen(name) <= PERF_MAP_LINE_MAX));
	}
	perf_map_find(m, 0);
	perf_map_find(m, UINT64_MAX);
}

static void read_twice(int fd, const uint8_t *data, size_t size)
{
	static const struct perf_map_limits limits = { .max_bytes = 1 << 20,
						       .max_memory = 1 << 20 };
	struct perf_map *whole = perf_map_new(&limits), *m = perf_map_new(&limits);
	size_t first = size ? data[0] * size / 256 : 0;

	require(fd_write_full(fd, data, first) == 0);
	perf_map_read(m, fd);
	require(fd_write_full(fd, data + first, size - first) == 0);
	perf_map_read(m, fd);
	perf_map_read(whole, fd);
	look_up(m);
	/* In two steps or in one: the same lines. */
	require(perf_map_bad_lines(m) == perf_map_bad_lines(whole));
	for (unsigned int bit = 0; bit < 64; bit++) {
		const char *a = perf_map_find(m, UINT64_C(1) << bit);
		const char *b = perf_map_find(whole, UINT64_C(1) << bit);

		require(!a == !b && (!a || strcmp(a, b) == 0));
	}
	require(ftruncate(fd, (off_t)(size / 2)) == 0);
	perf_map_read(m, fd);
	look_up(m);
	perf_map_free(whole);
	perf_map_free(m);
}

static void ignore(void *userdata, uint64_t address, const char *name)
{
	(void)userdata;
	(void)address;
	require(name[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct kallsyms k;
	char path[64];

	require(fd >= 0);
	read_twice(fd, data, size);
	require(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	require(fd_write_full(fd, data, size) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (kallsyms_read(path, ignore, NULL, &k) == 0) {
		for (uint32_t i = 0; i < k.n; i++)
			kallsyms_find(&k, k.base + k.entries[i].offset);
		kallsyms_find(&k, 0);
		kallsyms_find(&k, UINT64_MAX);
		kallsyms_done(&k);
	}
	return 0;
}
