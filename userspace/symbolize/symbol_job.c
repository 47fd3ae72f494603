/* SPDX-License-Identifier: Apache-2.0 */
/* The answer is the table, which wants to be aligned, followed by a struct symbol_answer. */
#include "symbolize/symbol_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf_symbols.h"

int symbol_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size,
		   void **ret_data, size_t *ret_size)
{
	struct elf_symbols_limits limits;
	struct symbol_answer answer = {};
	struct elf_symbols *table;
	size_t size;
	char *data;
	int r;

	if (n_fds < 1 || args_size != sizeof(limits))
		return -EINVAL;
	memcpy(&limits, args, sizeof(limits));
	r = debug_identity_read(fds[0], &answer.identity);
	if (r < 0)
		return r;
	if (n_fds > 1 && !debug_identity_fits(&answer.identity, fds[1]))
		return -ENOENT;
	answer.wants_debug_file = !elf_symbols_has_symtab(fds[0]);
	r = elf_symbols_read(fds[0], n_fds > 1 ? fds[1] : -1, &limits, &table);
	if (r < 0)
		return r;
	size = elf_symbols_memory(table);
	data = realloc(table, size + sizeof(answer));
	if (!data) {
		elf_symbols_free(table);
		return -ENOMEM;
	}
	memcpy(data + size, &answer, sizeof(answer));
	*ret_data = data;
	*ret_size = size + sizeof(answer);
	return 0;
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
