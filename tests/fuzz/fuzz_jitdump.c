/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a jitdump, read as a whole and in two steps (the last byte says where it is cut),
 * and as an answer of the parser.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "symbolize/jit_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static bool look_up(const struct jit_file *f, uint64_t address, struct jit_symbol *ret)
{
	if (!jit_file_find(f, address, ret))
		return false;
	require(ret->name[0] && strlen(ret->name) <= JIT_TEXT_MAX);
	require(!ret->file || strlen(ret->file) <= JIT_TEXT_MAX);
	return true;
}

static void require_equal(const struct jit_file *a, const struct jit_file *b)
{
	for (uint64_t i = 0; i < 64 + 64; i++) {
		uint64_t address = i < 64 ? UINT64_C(1) << i : 0x1000 + (i - 64) * 8;
		struct jit_symbol x, y;
		bool known = look_up(a, address, &x);

		require(look_up(b, address, &y) == known);
		require(!known || (strcmp(x.name, y.name) == 0 && x.line == y.line));
	}
}

static void as_file(const uint8_t *data, size_t size)
{
	struct jit_reader reader = { .format = JIT_JITDUMP, .max_memory = 1 << 20 };
	struct jit_file *whole = jit_file_new(&reader), *steps = jit_file_new(&reader);
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	size_t first = size ? data[size - 1] * size / 256 : 0;

	require(fd >= 0 && fd_write_full(fd, data, first) == 0);
	jit_file_read(steps, fd);
	require(fd_write_full(fd, data + first, size - first) == 0);
	jit_file_read(steps, fd);
	jit_file_read(whole, fd);
	require(jit_file_error(whole) == jit_file_error(steps));
	require_equal(whole, steps);
	jit_file_free(whole);
	jit_file_free(steps);
	require(reader.memory == 0);
}

static void as_answer(const uint8_t *data, size_t size)
{
	_cleanup_free_ void *copy = malloc(size + 1);
	struct jit_code *c = jit_code_new(1 << 20);
	struct jit_symbol s;

	memcpy(copy, data, size);
	if (jit_block_check(copy, size, 0) == 0 && jit_code_add(c, copy) == 0)
		for (uint64_t a = 0; a < 256; a++)
			jit_code_find(c, a, &s);
	jit_code_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_file(data, size);
	as_answer(data, size);
	return 0;
}
