/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/table_job.h"

#include <errno.h>

#include "unwind/table_builder.h"

int table_job_run(const int *fds, size_t n_fds, const void *args, size_t args_size, void **ret_data,
		  size_t *ret_size)
{
	struct unwind_table *table;
	int r;

	(void)args, (void)args_size;
	if (n_fds < 1)
		return -EINVAL;
	r = unwind_table_build(fds[0], n_fds > 1 ? fds[1] : -1, &table);
	if (r < 0)
		return r;
	*ret_data = table;
	*ret_size = table->size;
	return 0;
}
