/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/symbol_reader.h"

#include <errno.h>

#include "base/cleanup.h"
#include "elf/elf_symbols.h"
#include "process/debug_file.h"
#include "symbolize/symbol_job.h"
#include "worker/worker.h"

static int run_job(const struct symbol_reader *reader, const int *fds, size_t n_fds,
		   void **ret_data, size_t *ret_size)
{
	const struct elf_symbols_limits limits = { .max_bytes = reader->max_table };

	if (!reader->worker)
		return symbol_job_run(fds, n_fds, &limits, sizeof(limits), ret_data, ret_size);
	return worker_call(reader->worker, reader->job, fds, n_fds, &limits, sizeof(limits),
			   ret_data, ret_size);
}

static int read_table(const struct symbol_reader *reader, const int *fds, size_t n_fds,
		      struct elf_symbols **ret, struct symbol_answer *ret_answer)
{
	_cleanup_free_ void *data = NULL;
	size_t size;
	int r;

	r = run_job(reader, fds, n_fds, &data, &size);
	if (r < 0)
		return r;
	/* Who took over the parser keeps no limits. */
	if (reader->max_table && size > reader->max_table + sizeof(*ret_answer))
		return -EFBIG;
	r = symbol_job_take(data, size, ret, ret_answer);
	if (r == 0)
		data = NULL;
	return r;
}

struct debug_attempt {
	const struct symbol_reader *reader;
	int fd;
	struct elf_symbols *table;
};

static int try_debug_file(int debug_fd, void *userdata)
{
	struct debug_attempt *a = userdata;
	const int fds[] = { a->fd, debug_fd };
	struct symbol_answer answer;

	return read_table(a->reader, fds, ARRAY_SIZE(fds), &a->table, &answer);
}

int symbol_reader_read(const struct symbol_reader *reader, int fd,
		       const struct debug_file_search *search, struct elf_symbols **ret,
		       int *ret_debug_error)
{
	struct debug_attempt with_debug_file = { .reader = reader, .fd = fd };
	struct symbol_answer answer;
	struct elf_symbols *table;
	int debug_error = 0;
	int r;

	r = read_table(reader, &fd, 1, &table, &answer);
	if (r < 0)
		return r;
	if (search && answer.wants_debug_file) {
		r = debug_file_each(&answer.identity, search, try_debug_file, &with_debug_file);
		debug_error = r == -ENOENT ? 0 : r;
	}
	if (with_debug_file.table) {
		elf_symbols_free(table);
		table = with_debug_file.table;
	}
	*ret = table;
	*ret_debug_error = debug_error;
	return 0;
}
