/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/vdso.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fileio.h"

#define MAX_IMAGE ((uint64_t)1 << 20)

static int find_image(uint64_t *ret_start, uint64_t *ret_end)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/maps", "re");
	_cleanup_free_ char *line = NULL;
	size_t allocated = 0;
	uint64_t start, end;

	if (!f)
		return -errno;
	while (getline(&line, &allocated, f) > 0) {
		if (!strstr(line, " [vdso]\n") ||
		    sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2)
			continue;
		if (start >= end || end - start > MAX_IMAGE)
			return -ENOENT;
		*ret_start = start;
		*ret_end = end;
		return 0;
	}
	return -ENOENT;
}

int vdso_open(void)
{
	_cleanup_close_ int fd = -1;
	uint64_t start = 0, end = 0;
	int r;

	r = find_image(&start, &end);
	if (r < 0)
		return r;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, (const void *)(uintptr_t)start, (size_t)(end - start));
	return r < 0 ? r : TAKE_FD(fd);
}
