/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/symbol_reader.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "process/debug_file.h"
#include "worker/worker.h"

/* One reading: the same addresses are asked of each file that may have the names. */
struct reading {
	const struct symbol_reader *reader;
	const struct symbol_wish *wish;
	int addresses_fd; /* -1 = all are wanted */
	struct elf_symbols *table;
	struct symbol_answer answer;
};

static int write_addresses(const struct symbol_wish *wish)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (wish->n > SYMBOL_JOB_MAX_ADDRESSES)
		return -E2BIG;
	fd = memfd_create("profd-addresses", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_write_full(fd, wish->addresses, wish->n * sizeof(*wish->addresses));
	return r < 0 ? r : TAKE_FD(fd);
}

static int run_job(const struct reading *g, int debug_fd, void **ret_data, size_t *ret_size)
{
	const struct symbol_reader *reader = g->reader;
	const struct symbol_question question = {
		.limits = { .max_bytes = reader->max_table },
		.whole_bytes = reader->whole_bytes,
		.has_debug_file = debug_fd >= 0,
		.n = (uint32_t)g->wish->n,
	};
	int fds[3];
	size_t n = 0;

	fds[n++] = g->wish->fd;
	if (debug_fd >= 0)
		fds[n++] = debug_fd;
	if (g->addresses_fd >= 0)
		fds[n++] = g->addresses_fd;
	if (!reader->worker)
		return symbol_job_run(fds, n, &question, sizeof(question), ret_data, ret_size);
	return worker_call(reader->worker, reader->job, fds, n, &question, sizeof(question),
			   ret_data, ret_size);
}

static int read_table(struct reading *g, int debug_fd)
{
	_cleanup_free_ void *data = NULL;
	size_t size;
	int r;

	r = run_job(g, debug_fd, &data, &size);
	if (r < 0)
		return r;
	/* Who took over the parser keeps no limits. */
	if (g->reader->max_table && size > g->reader->max_table + sizeof(g->answer))
		return -EFBIG;
	r = symbol_job_take(data, size, &g->table, &g->answer);
	if (r == 0)
		data = NULL;
	return r;
}

static int try_debug_file(int debug_fd, void *userdata)
{
	return read_table(userdata, debug_fd);
}

/* 0 if there is a debug file that could be read, and its table is in @g. */
static int read_debug_file(struct reading *g, const struct symbol_answer *answer)
{
	if (!g->wish->search || !answer->wants_debug_file)
		return -ENOENT;
	return debug_file_each(&answer->identity, g->wish->search, try_debug_file, g);
}

static int read_all(struct reading *g, int *ret_debug_error)
{
	const struct symbol_answer *known = g->wish->known;
	int debug_error = known ? read_debug_file(g, known) : -ENOENT;
	struct elf_symbols *table;
	struct symbol_answer answer;
	int r;

	if (debug_error < 0) {
		r = read_table(g, -1);
		if (r < 0)
			return r;
		if (!known) {
			table = TAKE_PTR(g->table);
			answer = g->answer;
			debug_error = read_debug_file(g, &answer);
			if (g->table)
				elf_symbols_free(table);
			else
				g->table = table;
		}
	}
	*ret_debug_error = debug_error == -ENOENT ? 0 : debug_error;
	return 0;
}

int symbol_reader_read(const struct symbol_reader *reader, const struct symbol_wish *wish,
		       struct symbol_reading *ret)
{
	struct reading g = { .reader = reader, .wish = wish, .addresses_fd = -1 };
	_cleanup_close_ int addresses_fd = -1;
	int debug_error;
	int r;

	if (wish->n > 0) {
		addresses_fd = write_addresses(wish);
		if (addresses_fd < 0)
			return addresses_fd;
		g.addresses_fd = addresses_fd;
	}
	r = read_all(&g, &debug_error);
	if (r < 0)
		return r;
	*ret = (struct symbol_reading){ .table = g.table,
					.answer = g.answer,
					.debug_error = debug_error };
	return 0;
}
