/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the worker share. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "worker_wait.h"

/* After <cmocka.h>. */

/* Nobody asks for anything in particular; what it answers is dropped. */
static inline int call(struct worker *w, unsigned int job)
{
	_cleanup_free_ void *data = NULL;
	size_t size;

	return worker_wait(w, job, NULL, 0, NULL, 0, &data, &size);
}

/* A file in memory. */
static inline int file_with(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* A job that ends its process. */
static inline int run_crash(const int *fds, size_t n_fds, const void *args, size_t args_size,
			    void **ret_data, size_t *ret_size)
{
	(void)fds, (void)n_fds, (void)args, (void)args_size, (void)ret_data, (void)ret_size;
	raise(SIGKILL);
	return 0;
}

/* Of this process. */
static inline bool set_caps(const cap_value_t *which, int n, cap_flag_value_t value)
{
	cap_t caps = cap_get_proc();
	bool done = caps && cap_set_flag(caps, CAP_EFFECTIVE, n, which, value) == 0 &&
		    cap_set_proc(caps) == 0;

	if (caps)
		cap_free(caps);
	return done;
}
