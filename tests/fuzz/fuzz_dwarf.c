/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an ELF file with DWARF, as its own supplementary file and as split DWARF; and as an
 * answer of the parser process. Chains that come out must hold together.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "elf/relocations.h"
#include "symbolize/line_job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_ADDRESSES 64

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void read_all(const struct line_reading *g, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct line_frame frames[LINE_MAX_CHAIN];
		size_t k = line_table_get(&g->table, i, frames, LINE_MAX_CHAIN);

		require(k <= LINE_MAX_CHAIN && (g->incomplete[i] <= g->answer.n_wanted ||
						g->incomplete[i] == DWARF_NOT_LISTED));
		while (k-- > 0)
			require(strlen(frames[k].name) <= LINE_MAX_STRING &&
				strlen(frames[k].file) <= LINE_MAX_STRING);
	}
}

static int addresses_fd(void)
{
	uint64_t addresses[N_ADDRESSES];
	_cleanup_close_ int fd = memfd_create("addresses", MFD_CLOEXEC);

	/* Half of them as of a relocatable file: in each of its first sections. */
	for (uint64_t i = 0; i < N_ADDRESSES; i++)
		addresses[i] = i < N_ADDRESSES / 2
				       ? 0x1000 + i * 16
				       : RELOCATABLE_ADDRESS(i * 8 / N_ADDRESSES - 3, i % 8);
	require(fd >= 0 && fd_write_full(fd, addresses, sizeof(addresses)) == 0);
	return TAKE_FD(fd);
}

/* What the job answers holds together. */
static void as_file(int fd)
{
	struct line_question question = { .n_addresses = N_ADDRESSES, .n_files = 3 };
	_cleanup_close_ int addresses = addresses_fd();
	const int fds[] = { addresses, fd, fd, fd, fd };
	_cleanup_free_ void *answer = NULL;
	struct line_reading g;
	size_t size;

	question.kinds[0] = LINE_FILE_DEBUG;
	question.kinds[1] = LINE_FILE_ALT;
	question.kinds[2] = LINE_FILE_SPLIT;
	if (line_job_run(fds, ARRAY_SIZE(fds), &question, sizeof(question), &answer, &size) < 0)
		return;
	require(line_job_take(answer, size, N_ADDRESSES, &g) == 0);
	read_all(&g, N_ADDRESSES);
}

static void as_answer(const uint8_t *data, size_t size)
{
	_cleanup_free_ void *copy = malloc(size + 1);
	struct line_reading g;

	memcpy(copy, data, size);
	for (uint32_t n = 1; n <= 4; n++)
		if (line_job_take(copy, size, n, &g) == 0)
			for (uint32_t i = 0; i < n; i++) {
				struct line_frame frames[LINE_MAX_CHAIN];

				line_table_get(&g.table, i, frames, LINE_MAX_CHAIN);
			}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);

	require(fd >= 0 && fd_write_full(fd, data, size) == 0);
	as_file(fd);
	as_answer(data, size);
	return 0;
}
