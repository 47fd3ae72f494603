/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "abi.h"
#include "base/cleanup.h"

/* Some 10,000 mappings; what is behind is not tested. */
#define MAPS_MAX_SIZE (1 << 20)
/* Memory can change between reading the maps and testing them: another thread, a grown heap. */
#define ATTEMPTS 3
/* Enough for every kind of mapping; a process with tens of thousands would be slow to start. */
#define MAX_MAPPINGS 512

#define VM_EXEC 4

struct mapping {
	uint64_t start, end, offset, inode;
	bool exec;
};

static bool parse_mapping(const char *line, struct mapping *ret)
{
	char permissions[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64, &ret->start,
		   &ret->end, permissions, &ret->offset, &ret->inode) != 5)
		return false;
	ret->exec = permissions[2] == 'x';
	/* [vsyscall] is in no process's tree. */
	return ret->start < ret->end && !(ret->end >> 63);
}

static int ask(int program, uint64_t addr, struct abi_selftest *ret)
{
	struct abi_selftest t = { .addr = addr, .error = -EINVAL };
	/* A syscall program's context comes back where it was (bpf_prog_test_run_syscall()). */
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .ctx_in = &t,
					  .ctx_size_in = sizeof(t) };

	if (bpf_prog_test_run_opts(program, &opts) < 0)
		return -errno;
	*ret = t;
	return 0;
}

static bool agrees(const struct abi_selftest *t, const struct mapping *m)
{
	/* maps shows offset 0 for what has no file; the kernel's vm_pgoff is an address there. */
	return !t->error && t->vm_start == m->start && t->vm_end == m->end &&
	       (!m->inode || (t->has_file && t->offset == m->offset)) &&
	       !!(t->flags & VM_EXEC) == m->exec;
}

/* Both ends, and an address just behind that belongs to another mapping or to none. */
static int test_mapping(int program, const struct mapping *m, struct error *e)
{
	const uint64_t addrs[] = { m->start, m->start + (m->end - m->start) / 2, m->end - 1 };
	struct abi_selftest t;
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(addrs); i++) {
		err = ask(program, addrs[i], &t);
		if (err)
			return error_set(e, -err, "self-test of the VMA walk did not run: %s",
					 strerror(-err));
		if (!agrees(&t, m))
			return error_set(e, EUCLEAN,
					 "the VMA walk found %" PRIx64 "-%" PRIx64
					 " (%d) at %" PRIx64 ", /proc/self/maps says %" PRIx64
					 "-%" PRIx64,
					 (uint64_t)t.vm_start, (uint64_t)t.vm_end, t.error,
					 addrs[i], m->start, m->end);
	}
	err = ask(program, m->end, &t);
	if (!err && !t.error && t.vm_start < m->end)
		return error_set(e, EUCLEAN, "the VMA walk found a mapping behind the end of one");
	return err;
}

/*
 * Reads into memory that is already there: an allocation would change what is being read. The text
 * ends at the last whole line that fits.
 */
static int read_maps(char *text, size_t size)
{
	_cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && used < size - 1) {
		n = read(fd, text + used, size - 1 - used);
		if (n < 0)
			return -errno;
		used += (size_t)n;
	}
	while (used && text[used - 1] != '\n')
		used--;
	text[used] = '\0';
	return 0;
}

static int test_all(int program, char *maps, struct error *e)
{
	char *line, *save = NULL;
	struct mapping m;
	int n = 0, err;

	err = read_maps(maps, MAPS_MAX_SIZE);
	if (err)
		return error_set(e, -err, "/proc/self/maps: %s", strerror(-err));
	for (line = strtok_r(maps, "\n", &save); line && n < MAX_MAPPINGS;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!parse_mapping(line, &m))
			continue;
		err = test_mapping(program, &m, e);
		if (err)
			return err;
		n++;
	}
	return n ? 0 : error_set(e, ENODATA, "/proc/self/maps: nothing to test the VMA walk with");
}

int selftest_vma_walk(int program, struct error *e)
{
	_cleanup_free_ char *maps = malloc(MAPS_MAX_SIZE);
	int err = 0, i;

	if (!maps)
		return error_set(e, ENOMEM, "self-test of the VMA walk: out of memory");
	for (i = 0; i < ATTEMPTS; i++) {
		err = test_all(program, maps, e);
		if (err != -EUCLEAN)
			break;
	}
	if (!err && e)
		e->number = 0;
	return err;
}
