/* SPDX-License-Identifier: Apache-2.0 */
/* The answer is the table, which wants to be aligned, followed by a struct symbol_answer. */
#include "symbolize/symbol_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fileio.h"
#include "elf/elf_symbols.h"

static int read_addresses(int fd, uint32_t n, uint64_t **ret)
{
	_cleanup_free_ uint64_t *addresses = NULL;
	int r;

	if (n > SYMBOL_JOB_MAX_ADDRESSES)
		return -E2BIG;
	addresses = calloc(n, sizeof(*addresses));
	if (!addresses)
		return -ENOMEM;
	r = fd_pread_full(fd, addresses, n * sizeof(*addresses), 0);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(addresses);
	return 0;
}

/* The table, with the answer behind it. */
static int pack(struct elf_symbols *table, const struct symbol_answer *answer, void **ret_data,
		size_t *ret_size)
{
	size_t size = elf_symbols_memory(table);
	char *data = realloc(table, size + sizeof(*answer));

	if (!data) {
		elf_symbols_free(table);
		return -ENOMEM;
	}
	memcpy(data + size, answer, sizeof(*answer));
	*ret_data = data;
	*ret_size = size + sizeof(*answer);
	return 0;
}

int symbol_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size,
		   void **ret_data, size_t *ret_size)
{
	_cleanup_free_ uint64_t *addresses = NULL;
	struct elf_symbols_request request;
	struct symbol_question q;
	struct symbol_answer answer = {};
	struct elf_symbols *table;
	int r;

	if (args_size != sizeof(q))
		return -EINVAL;
	memcpy(&q, args, sizeof(q));
	if (n_fds != 1U + (q.has_debug_file != 0) + (q.n > 0))
		return -EINVAL;
	r = q.n > 0 ? read_addresses(fds[n_fds - 1], q.n, &addresses) : 0;
	if (r == 0)
		r = debug_identity_read(fds[0], &answer.identity);
	if (r < 0)
		return r;
	if (q.has_debug_file && !debug_identity_fits(&answer.identity, fds[1]))
		return -ENOENT;
	answer.wants_debug_file = !elf_symbols_has_symtab(fds[0]);
	request = (struct elf_symbols_request){
		.fd = fds[0],
		.debug_fd = q.has_debug_file ? fds[1] : -1,
		.limits = q.limits,
		.addresses = addresses,
		.n = q.n,
		.whole_bytes = q.whole_bytes,
	};
	r = elf_symbols_read(&request, &table);
	return r < 0 ? r : pack(table, &answer, ret_data, ret_size);
}

int symbol_job_take(void *data, size_t size, struct elf_symbols **ret_table,
		    struct symbol_answer *ret)
{
	struct symbol_answer answer;
	int r;

	if (size < sizeof(answer))
		return -EBADMSG;
	size -= sizeof(answer);
	memcpy(&answer, (const char *)data + size, sizeof(answer));
	if (!debug_identity_is_valid(&answer.identity))
		return -EBADMSG;
	r = elf_symbols_check(data, size);
	if (r < 0)
		return r;
	*ret_table = data;
	*ret = answer;
	return 0;
}
