/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a capture, replayed and encoded, and the profile decoded again. Records are rarely
 * consistent by chance; so the input is read as a row of { u8 how, u8 size / 8, bytes }, and of the
 * records in it sizes and the like are put right, unless "how" says to leave them.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "../unit/scratch.h"
#include "abi.h"
#include "base/cleanup.h"
#include "base/fileio.h"
#include "collect/capture.h"
#include "profile/pprof.h"
#include "profile/window.h"
#include "profiler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* The header that the writer makes, as bytes. */
static size_t make_header(char *to, size_t room)
{
	static char header[256];
	static size_t size;

	if (size == 0) {
		const struct capture_info info = { .sample_frequency = 99, .start_time = 1 };
		char directory[SCRATCH_SIZE], path[SCRATCH_SIZE + 16], *text;
		struct capture_writer *w;

		require(scratch_make(directory) == 0);
		snprintf(path, sizeof(path), "%s/capture", directory);
		require(capture_create(path, &info, &w, NULL) == 0);
		require(capture_close(w) == 0);
		require(file_read(AT_FDCWD, path, sizeof(header), &text, &size) == 0);
		memcpy(header, text, size);
		free(text);
		require(scratch_remove(directory) == 0);
	}
	require(size <= room);
	memcpy(to, header, size);
	return size;
}

static void mend_sample(struct abi_sample *a, size_t size)
{
	size_t frames = (size - sizeof(*a)) / sizeof(a->frames[0]);

	a->record.type = ABI_RECORD_SAMPLE;
	a->record.time %= 1 << 16;
	a->kind = ABI_KIND_CPU + a->kind % 3;
	a->user_end %= ABI_STACK_ENDS_COUNT;
	a->value &= INT64_MAX;
	a->count &= INT64_MAX;
	a->tgid %= 4;
	a->comm[ABI_COMM_LEN - 1] = '\0';
	a->kernel_frames %= frames + 1;
	a->user_frames = (uint16_t)(frames - a->kernel_frames);
	for (size_t i = 0; i < frames; i++)
		if (a->frames[i] & 1)
			a->frames[i] &= 0x80000fffffffff | 15ULL << ABI_FRAME_FILE_SHIFT;
}

static void mend_file(struct abi_file_announcement *a)
{
	a->record.type = ABI_RECORD_FILE;
	a->record.time %= 1 << 16;
	a->tgid %= 4;
	a->file_id = 1 + a->file_id % 15;
	a->vm_end = a->vm_start + 1 + a->vm_end % 65536;
	a->name[ABI_FILE_NAME_LEN - 1] = '\0';
}

static void mend_ring(uint64_t *record, size_t size)
{
	((struct abi_record *)record)->size = (uint32_t)size;
	if (size == sizeof(struct abi_file_announcement))
		mend_file((struct abi_file_announcement *)record);
	else if (size >= sizeof(struct abi_sample))
		mend_sample((struct abi_sample *)record, size);
}

static void mend_sideband(uint64_t *record, size_t size)
{
	static const uint32_t types[] = {
		PERF_RECORD_MMAP2, PERF_RECORD_COMM, PERF_RECORD_FORK,
		PERF_RECORD_EXIT,  PERF_RECORD_LOST, PERF_RECORD_KSYMBOL
	};
	struct perf_event_header header;

	memcpy(&header, record, sizeof(header));
	header.type = types[header.type % ARRAY_SIZE(types)];
	header.size = (uint16_t)size;
	memcpy(record, &header, sizeof(header));
	((uint32_t *)record)[2] %= 4;
	record[size / 8 - 1] %= 1 << 16;
}

static size_t make_chunk(char *to, const uint8_t *data, size_t size, size_t *used)
{
	uint64_t record[256] = {};
	uint32_t header[2] = { 1 + data[0] % 5, 8U * data[1] };
	size_t n = header[1] < size - 2 ? header[1] : size - 2;

	memcpy(record, data + 2, n);
	*used = 2 + n;
	if (!(data[0] & 0x80) && header[1] >= sizeof(struct abi_record)) {
		if (header[0] == CAPTURE_RING)
			mend_ring(record, header[1]);
		else if (header[0] == CAPTURE_SIDEBAND)
			mend_sideband(record, header[1]);
	}
	memcpy(to, header, sizeof(header));
	memcpy(to + sizeof(header), record, header[1]);
	return sizeof(header) + header[1];
}

static void encode(struct replay *r)
{
	struct window *w = replay_window(r);
	_cleanup_free_ void *data = NULL;
	size_t size;

	for (uint8_t kind = ABI_KIND_CPU; kind <= ABI_KIND_MUTEX; kind++) {
		const struct pprof_options o = { .kind = kind, .period = 1, .time = 1 };
		struct pprof_profile *p;

		require(pprof_encode(&w, 1, &o, replay_symbolizer(r), &data, &size, NULL) == 0);
		require(pprof_decode(data, size, &p) == 0);
		pprof_profile_free(p);
		free(TAKE_PTR(data));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char file[256 + 64 * 4096];
	_cleanup_close_ int fd = memfd_create("capture", MFD_CLOEXEC);
	size_t n = make_header(file, 256), used;
	struct replay *r;
	char path[64];

	for (; size >= 2 && n + 4096 < sizeof(file); data += used, size -= used)
		n += make_chunk(file + n, data, size, &used);
	require(fd_write_full(fd, file, n) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (replay_run(path, &r, NULL) == 0) {
		encode(r);
		replay_free(r);
	}
	return 0;
}
