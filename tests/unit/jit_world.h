/* SPDX-License-Identifier: Apache-2.0 */
/* A perf map that grows while it is read, and its reader. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fileio.h"
#include "symbolize/jit_file.h"
#include "worker/worker.h"

/* After <cmocka.h>. */

struct world {
	struct worker *worker; /* NULL = it is read here */
	struct jit_reader reader;
	struct jit_file *file;
	int fd;
};

/* For a setup function. Takes @worker; 0 or -1. */
static inline int world_new(struct worker *worker, struct jit_reader reader, void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->worker = worker;
	w->reader = reader;
	w->reader.worker = worker;
	w->file = jit_file_new(&w->reader);
	w->fd = memfd_create("map", MFD_CLOEXEC);
	*state = w;
	return w->file && w->fd >= 0 ? 0 : -1;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	jit_file_free(w->file);
	jit_reader_done(&w->reader);
	assert_int_equal(w->reader.memory, 0);
	worker_free(w->worker);
	close(w->fd);
	free(w);
	return 0;
}

static inline void append(struct world *w, const char *text)
{
	lseek(w->fd, 0, SEEK_END);
	assert_int_equal(fd_write_full(w->fd, text, strlen(text)), 0);
}
