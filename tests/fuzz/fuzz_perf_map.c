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
#include "symbolize/jit_file.h"
#include "symbolize/kallsyms.h"
#include "symbolize/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static const char *find(const struct jit_file *m, uint64_t address)
{
	struct jit_symbol s;

	if (!jit_file_find(m, address, &s))
		return "";
	require(s.name[0] && strlen(s.name) <= PERF_MAP_LINE_MAX);
	return s.name;
}

static void look_up(const struct jit_file *m)
{
	for (unsigned int bit = 0; bit < 64; bit++)
		find(m, UINT64_C(1) << bit);
	find(m, 0);
	find(m, UINT64_MAX);
}

static void read_twice(int fd, const uint8_t *data, size_t size)
{
	struct jit_reader one = { .max_memory = 1 << 20 }, two = one;
	struct jit_file *whole = jit_file_new(&one), *m = jit_file_new(&two);
	size_t first = size ? data[0] * size / 256 : 0;

	require(fd_write_full(fd, data, first) == 0);
	jit_file_read(m, fd);
	require(fd_write_full(fd, data + first, size - first) == 0);
	jit_file_read(m, fd);
	jit_file_read(whole, fd);
	look_up(m);
	/* In two steps or in one: the same lines. */
	require(one.bad == two.bad);
	for (unsigned int bit = 0; bit < 64; bit++)
		require(strcmp(find(m, UINT64_C(1) << bit), find(whole, UINT64_C(1) << bit)) == 0);
	require(ftruncate(fd, (off_t)(size / 2)) == 0);
	jit_file_read(m, fd);
	look_up(m);
	jit_file_free(whole);
	jit_file_free(m);
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
