/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_wait.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "worker/worker.h"

struct waiting {
	bool done;
	int status;
	void *data;
	size_t size;
};

static void take(void *userdata, int status, const void *data, size_t size)
{
	struct waiting *waiting = userdata;

	*waiting = (struct waiting){ .done = true, .status = status };
	if (status < 0)
		return;
	waiting->data = malloc(size + 1);
	waiting->size = size;
	if (!waiting->data)
		waiting->status = -ENOMEM;
	else
		memcpy(waiting->data, data, size);
}

int worker_wait(struct worker *w, unsigned int job, const int *fds, size_t n_fds, const void *args,
		size_t args_size, void **ret_data, size_t *ret_size)
{
	struct waiting waiting = {};
	int r = worker_submit(w, job, fds, n_fds, args, args_size, take, &waiting);

	if (r < 0)
		return r;
	while (!waiting.done) {
		struct pollfd p = { .fd = worker_fd(w), .events = POLLIN };

		poll(&p, 1, 10);
		worker_process(w, clock_monotonic_ns());
	}
	if (waiting.status == 0) {
		*ret_data = waiting.data;
		*ret_size = waiting.size;
	}
	return waiting.status;
}
