/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer is the block of chains, the files that are wanted, a byte for each address, and the
 * struct line_answer; each part begins at a multiple of 8.
 */
#include "symbolize/line_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "elf/pclntab_lines.h"

DEFINE_CLEANUP(struct line_builder *, line_builder_free);

struct job {
	struct line_question question;
	const int *fds; /* of the files */
	uint64_t *addresses;
	uint8_t *incomplete;
	struct dwarf_wants *wants;
	struct line_answer answer;
};

static void job_done(struct job *j)
{
	free(j->addresses);
	free(j->incomplete);
	free(j->wants);
}

DEFINE_CLEANUP(struct job *, job_done);

static bool rises(const uint64_t *addresses, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (addresses[i] <= addresses[i - 1])
			return false;
	return true;
}

static int read_question(struct job *j, const int *fds, size_t n_fds, const void *args,
			 size_t args_size)
{
	struct line_question *q = &j->question;
	int r;

	if (args_size != sizeof(*q))
		return -EINVAL;
	memcpy(q, args, sizeof(*q));
	if (q->n_addresses == 0 || q->n_addresses > LINE_JOB_MAX_ADDRESSES ||
	    q->n_files > WORKER_MAX_FDS - 2 || n_fds != q->n_files + 2)
		return -EINVAL;
	j->fds = fds + 2;
	j->addresses = calloc(q->n_addresses, sizeof(*j->addresses));
	j->incomplete = calloc(q->n_addresses, 1);
	j->wants = calloc(1, sizeof(*j->wants));
	if (!j->addresses || !j->incomplete || !j->wants)
		return -ENOMEM;
	r = fd_pread_full(fds[0], j->addresses, q->n_addresses * sizeof(*j->addresses), 0);
	if (r < 0)
		return r;
	return rises(j->addresses, q->n_addresses) ? 0 : -EINVAL;
}

/* The file with the DWARF: the executable, or the debug file that fits; -1 = there is none. */
static int find_dwarf(const struct job *j, int executable)
{
	if (dwarf_is_in(executable))
		return executable;
	for (uint32_t i = 0; i < j->question.n_files; i++)
		if (j->question.kinds[i] == LINE_FILE_DEBUG &&
		    debug_identity_fits(&j->answer.identity, j->fds[i]) && dwarf_is_in(j->fds[i]))
			return j->fds[i];
	return -1;
}

static int find_alt(struct job *j, int dwarf)
{
	if (debug_alt_link_read(dwarf, &j->answer.alt) < 0)
		return -1;
	for (uint32_t i = 0; i < j->question.n_files; i++)
		if (j->question.kinds[i] == LINE_FILE_ALT &&
		    debug_alt_link_fits(&j->answer.alt, j->fds[i]))
			return j->fds[i];
	j->answer.wants_alt = 1;
	return -1;
}

static int read_dwarf(struct job *j, int executable, struct line_builder *b)
{
	int split[WORKER_MAX_FDS];
	struct dwarf_lines_files files = { .split = split };

	files.fd = find_dwarf(j, executable);
	if (files.fd < 0) {
		j->answer.wants_debug_file = 1;
		return 0;
	}
	files.alt_fd = find_alt(j, files.fd);
	for (uint32_t i = 0; i < j->question.n_files; i++)
		if (j->question.kinds[i] == LINE_FILE_SPLIT)
			split[files.n_split++] = j->fds[i];
	return dwarf_lines(&files, j->addresses, j->question.n_addresses, b, j->wants,
			   j->incomplete, &j->answer.stats);
}

static int pack(struct job *j, const struct line_builder *b, void **ret_data, size_t *ret_size)
{
	_cleanup_free_ void *block = NULL;
	size_t block_size, wanted = j->wants->n * sizeof(j->wants->list[0]);
	size_t n = j->question.n_addresses, size;
	char *data, *at;
	int r = line_builder_finish(b, &block, &block_size);

	if (r < 0)
		return r;
	if (block_size > UINT32_MAX)
		return -EFBIG;
	j->answer.n_wanted = j->wants->n;
	j->answer.table_size = (uint32_t)block_size;
	size = round_up_8(block_size) + wanted + round_up_8(n) + sizeof(j->answer);
	data = at = calloc(1, size);
	if (!data)
		return -ENOMEM;
	memcpy(at, block, block_size);
	at += round_up_8(block_size);
	memcpy(at, j->wants->list, wanted);
	at += wanted;
	memcpy(at, j->incomplete, n);
	at += round_up_8(n);
	memcpy(at, &j->answer, sizeof(j->answer));
	*ret_data = data;
	*ret_size = size;
	return 0;
}

static bool are_all_known(const struct job *j, const struct line_builder *b)
{
	for (uint32_t i = 0; i < j->question.n_addresses; i++)
		if (!line_builder_has(b, i))
			return false;
	return true;
}

int line_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		 size_t *ret_size)
{
	struct job job = {};
	_cleanup_(job_donep)
	struct job *j = &job;
	_cleanup_(line_builder_freep)
	struct line_builder *b = NULL;
	bool is_go = false;
	int r = read_question(j, fds, n_fds, args, args_size);

	if (r == 0)
		r = debug_identity_read(fds[1], &j->answer.identity);
	if (r < 0)
		return r;
	b = line_builder_new(j->question.n_addresses);
	if (!b)
		return -ENOMEM;
	/* What Go's own table knows nobody knows better. */
	r = pclntab_lines(fds[1], j->addresses, j->question.n_addresses, b, &is_go);
	j->answer.is_go = is_go;
	if (r == 0 && !are_all_known(j, b))
		r = read_dwarf(j, fds[1], b);
	return r < 0 ? r : pack(j, b, ret_data, ret_size);
}

static bool wanted_are_valid(const struct dwarf_wanted *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!memchr(w[i].name, '\0', sizeof(w[i].name)) ||
		    !memchr(w[i].directory, '\0', sizeof(w[i].directory)))
			return false;
	return true;
}

static bool incomplete_are_valid(const uint8_t *incomplete, uint32_t n, uint32_t n_wanted)
{
	for (uint32_t i = 0; i < n; i++)
		if (incomplete[i] > n_wanted && incomplete[i] != DWARF_NOT_LISTED)
			return false;
	return true;
}

int line_job_take(const void *data, size_t size, uint32_t n_addresses, struct line_reading *ret)
{
	const char *bytes = data;
	struct line_reading g;
	size_t wanted_at, incomplete_at;
	int r;

	if (size < sizeof(g.answer) || size % 8 != 0)
		return -EBADMSG;
	memcpy(&g.answer, bytes + size - sizeof(g.answer), sizeof(g.answer));
	if (g.answer.n_wanted > DWARF_MAX_WANTED || !debug_identity_is_valid(&g.answer.identity) ||
	    (g.answer.wants_alt && !debug_alt_link_is_valid(&g.answer.alt)))
		return -EBADMSG;
	wanted_at = round_up_8(g.answer.table_size);
	incomplete_at = wanted_at + g.answer.n_wanted * sizeof(struct dwarf_wanted);
	if (size != incomplete_at + round_up_8(n_addresses) + sizeof(g.answer))
		return -EBADMSG;
	g.wanted = (const void *)(bytes + wanted_at);
	g.incomplete = (const uint8_t *)bytes + incomplete_at;
	if (!wanted_are_valid(g.wanted, g.answer.n_wanted) ||
	    !incomplete_are_valid(g.incomplete, n_addresses, g.answer.n_wanted))
		return -EBADMSG;
	r = line_table_open(data, g.answer.table_size, n_addresses, &g.table);
	if (r < 0)
		return r;
	*ret = g;
	return 0;
}
