/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jit_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "symbolize/jitdump.h"
#include "symbolize/perf_map.h"

#define MARK_SIZE 64

/* Of what was read before, the end tells whether it is still the same text. */
static int mark_at(int fd, uint64_t offset, uint32_t *ret)
{
	char bytes[MARK_SIZE];
	size_t size = (size_t)MIN(offset, (uint64_t)MARK_SIZE);
	int r = fd_pread_full(fd, bytes, size, offset - size);

	if (r == 0)
		*ret = hash_bytes(bytes, size);
	return r;
}

static int read_file(int fd, const struct jit_question *q, struct jit_block **ret, size_t *ret_size)
{
	if (q->format == JIT_JITDUMP)
		return jitdump_read(fd, &q->limits, ret, ret_size);
	return perf_map_read(fd, &q->limits, ret, ret_size);
}

int jit_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		size_t *ret_size)
{
	_cleanup_free_ struct jit_block *block = NULL;
	struct jit_question q;
	uint32_t mark;
	int r;

	if (n_fds != 1 || args_size != sizeof(q))
		return -EINVAL;
	memcpy(&q, args, sizeof(q));
	if (q.format >= JIT_FORMATS)
		return -EINVAL;
	if (q.limits.offset > 0 && (mark_at(fds[0], q.limits.offset, &mark) < 0 || mark != q.mark))
		q.limits.offset = 0;
	r = read_file(fds[0], &q, &block, ret_size);
	if (r < 0)
		return r;
	block->first_offset = q.limits.offset;
	/* If it was cut in this moment the next time finds it changed. */
	if (block->next_offset != JIT_LOST)
		mark_at(fds[0], block->next_offset, &block->mark);
	*ret_data = TAKE_PTR(block);
	return 0;
}
