/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/dialogue.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "worker/worker.h"

static void take_answer(void *userdata, int status, const void *data, size_t size)
{
	struct dialogue *d = userdata;

	while (d->take(d, status, data, size)) {
		status = d->next(d);
		if (status == 0)
			return;
		data = NULL;
		size = 0;
	}
}

int dialogue_ask(struct dialogue *d, const int *fds, size_t n_fds, const void *args,
		 size_t args_size)
{
	if (!d->worker)
		return d->run(fds, n_fds, args, args_size, &d->data, &d->size);
	return worker_submit(d->worker, d->job, fds, n_fds, args, args_size, take_answer, d);
}

int dialogue_start(struct dialogue *d)
{
	bool again = true;

	if (d->worker)
		return d->next(d);
	while (again) {
		int r = d->next(d);
		_cleanup_free_ void *data = r == 0 ? TAKE_PTR(d->data) : NULL;

		again = d->take(d, r, data, data ? d->size : 0);
	}
	return 0;
}
