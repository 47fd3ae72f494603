/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler_capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "abi.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "collect/capture.h"
#include "process/executable.h"
#include "process/process.h"
#include "process/sideband.h"

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%.*s", (int)strcspn(from, "\n"), from);
}

int profiler_capture_begin(const char *path, uint32_t sample_frequency, uint64_t start_time,
			   struct capture_writer **ret, struct error *e)
{
	struct capture_info info = {
		.sample_frequency = sample_frequency,
		.start_time = start_time,
		.wall_minus_monotonic = (int64_t)(clock_ns(CLOCK_REALTIME) - clock_monotonic_ns()),
	};
	_cleanup_free_ char *boot_id = NULL;
	struct utsname machine;

	if (uname(&machine) == 0)
		copy_text(info.kernel_release, sizeof(info.kernel_release), machine.release);
	/* Without it the capture is as good, but for kernel names. */
	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, &boot_id, NULL) == 0)
		copy_text(info.boot_id, sizeof(info.boot_id), boot_id);
	return capture_create(path, &info, ret, e);
}

void profiler_capture_record(void *writer, int source, const void *record, size_t size)
{
	capture_write(writer, source == 0 ? CAPTURE_RING : CAPTURE_SIDEBAND, record, size);
}

/*
 * A little before the announcement, so that a replay knows the mapping when it gets there. Of a
 * file that could not be opened (yet) nothing is known that the side-band does not tell.
 */
void profiler_capture_file(struct capture_writer *w, const struct abi_file_announcement *file,
			   const struct executable *x)
{
	const struct process_mapping m = {
		.start = file->vm_start,
		.end = file->vm_end,
		.offset = file->offset,
		.path = x->path,
		.build_id = x->build_id,
		.build_id_size = x->build_id_size,
	};

	if (!x->readable || x->build_id_size == 0 || x->build_id_size > SIDEBAND_BUILD_ID_MAX)
		return;
	capture_write_mapping(w, file->tgid, &m, file->record.time - 1);
}

struct scan {
	struct capture_writer *writer;
	struct process_table *table;
	struct process *process;
	uint64_t time;
	bool executable; /* which of its mappings are meant */
};

static int write_mapping(const struct process_mapping *m, void *userdata)
{
	struct scan *s = userdata;
	bool executable = m->path && strcmp(m->path, s->process->executable) == 0;

	if (executable == s->executable)
		capture_write_mapping(s->writer, s->process->tgid, m, s->time);
	return 0;
}

/* The executable first: the first file that is mapped after an exec is the one. */
static int write_process(struct process *p, void *userdata)
{
	struct scan *s = userdata;

	if (p->exit_time)
		return 0;
	s->process = p;
	capture_write_process(s->writer, p, s->time);
	s->executable = true;
	process_table_each_mapping(s->table, p, write_mapping, s);
	s->executable = false;
	process_table_each_mapping(s->table, p, write_mapping, s);
	return 0;
}

void profiler_capture_processes(struct capture_writer *w, struct process_table *t, uint64_t time)
{
	struct scan s = { .writer = w, .table = t, .time = time };

	process_table_each(t, write_process, &s);
}
