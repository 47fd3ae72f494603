/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/jitdump_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "symbolize/jitdump.h"
#include "worker/worker.h"

#define MAX_BLOCKS 16 /* for one call: a process may write faster than we want to read */

struct jitdump_file {
	struct jitdump_file_options options;
	struct jit_code *code;
	/* Where reading goes on, and how the file is known again. */
	dev_t device;
	ino_t inode;
	uint64_t offset; /* 0 = nothing was read */
	bool given_up;	 /* full, or no jitdump: until it is another file */
};

struct jitdump_file *jitdump_file_new(const struct jitdump_file_options *o)
{
	struct jitdump_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->options = *o;
	f->code = jit_code_new(o->max_memory);
	return f->code ? f : jitdump_file_free(f);
}

struct jitdump_file *jitdump_file_free(struct jitdump_file *f)
{
	if (!f)
		return NULL;
	jit_code_free(f->code);
	free(f);
	return NULL;
}

static int start_over(struct jitdump_file *f, const struct stat *st)
{
	struct jit_code *code = jit_code_new(f->options.max_memory);

	if (!code)
		return -ENOMEM;
	jit_code_free(f->code);
	f->code = code;
	f->device = st->st_dev;
	f->inode = st->st_ino;
	f->offset = 0;
	f->given_up = false;
	return 0;
}

static int call_parser(const struct jitdump_file *f, int fd, struct jitdump_block **ret,
		       size_t *ret_size)
{
	const struct jitdump_limits limits = { .offset = f->offset };
	void *data;
	int r;

	if (!f->options.worker)
		return jitdump_read(fd, &limits, ret, ret_size);
	r = worker_call(f->options.worker, f->options.job, &fd, 1, &limits, sizeof(limits), &data,
			ret_size);
	if (r == 0)
		*ret = data;
	return r;
}

/* 1 if there is more. */
static int read_block(struct jitdump_file *f, int fd, uint64_t *bad)
{
	_cleanup_free_ struct jitdump_block *block = NULL;
	size_t size;
	int r = call_parser(f, fd, &block, &size);

	if (r == 0)
		r = jitdump_check(block, size, f->offset);
	if (r < 0)
		return r;
	*bad += block->bad;
	f->offset = block->next_offset;
	r = jit_code_add(f->code, block);
	return r < 0 ? r : (int)block->more;
}

int jitdump_file_read(struct jitdump_file *f, int fd, uint64_t *bad)
{
	struct stat st;
	int r = 1;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (f->device != st.st_dev || f->inode != st.st_ino || f->offset > (uint64_t)st.st_size) {
		r = start_over(f, &st);
		if (r < 0)
			return r;
		r = 1;
	}
	if (f->given_up || f->offset == (uint64_t)st.st_size)
		return 0;
	for (unsigned int i = 0; r == 1 && i < MAX_BLOCKS; i++)
		r = read_block(f, fd, bad);
	/* A file that is there but has no header yet will have one. */
	f->given_up = r < 0 && r != -ENODATA && r != -ENOMEM;
	if (r == -ENODATA)
		return 0;
	return r == 1 ? -EFBIG : r;
}

bool jitdump_file_find(const struct jitdump_file *f, uint64_t address, struct jit_symbol *ret)
{
	return jit_code_find(f->code, address, ret);
}

size_t jitdump_file_memory(const struct jitdump_file *f)
{
	return sizeof(*f) + jit_code_memory(f->code);
}
