/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only the kernel knows a file's key (on overlayfs stat() tells another one), and it tells it of
 * mapped files: so the file is mapped for the moment of asking. Nothing of it is read, so that it
 * does not matter what happens to the file meanwhile.
 */
#include "collect/collector_learn.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "abi.h"

int collector_learn(int program, int fd, uint32_t *ret_file_id)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	struct abi_learn learn = { .addr = (uintptr_t)memory };
	struct bpf_test_run_opts opts = { .sz = sizeof(opts),
					  .ctx_in = &learn,
					  .ctx_size_in = sizeof(learn) };
	int r;

	if (memory == MAP_FAILED)
		return -errno;
	r = bpf_prog_test_run_opts(program, &opts) < 0 ? -errno : 0;
	munmap(memory, page);
	if (r < 0)
		return r;
	if (learn.file_id == ABI_FILE_ID_NONE)
		return -ENOSPC;
	*ret_file_id = learn.file_id;
	return 0;
}
