/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of chunks, written and read through stdio. What a reader is given may come from anyone:
 * sizes are checked before anything is allocated, and what chunks contain is for the stream to
 * check.
 */
#include "collect/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "base/cleanup.h"
#include "process/process.h"
#include "process/sideband.h"

#define MAGIC	   "PROFDCAP"
#define VERSION	   2 /* 1: samples without struct abi_wait */
#define ORDER_MARK 0x01020304

/* The largest record is a sample with a copy of its stack. */
#define CHUNK_MAX (1U << 20)
/* As in the kernel's records of a path. */
#define NAME_MAX_LEN 4096

struct file_header {
	char magic[8];
	uint32_t byte_order;
	uint32_t version;
	uint32_t info_size; /* of what follows: struct capture_info */
	uint32_t reserved;
};

struct chunk_header {
	uint32_t type;
	uint32_t size; /* of what follows */
};

struct capture_writer {
	FILE *file;
	int error; /* the first one */
};

struct capture_reader {
	FILE *file;
	uint64_t offset; /* of the next chunk */
	char *buffer;
	size_t allocated;
};

static void write_bytes(struct capture_writer *w, const void *data, size_t size)
{
	if (w->error == 0 && fwrite(data, 1, size, w->file) != size)
		w->error = errno ? -errno : -EIO;
}

int capture_create(const char *path, const struct capture_info *info, struct capture_writer **ret,
		   struct error *e)
{
	struct file_header header = {
		.magic = MAGIC,
		.byte_order = ORDER_MARK,
		.version = VERSION,
		.info_size = sizeof(*info),
	};
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	_cleanup_free_ struct capture_writer *w = NULL;

	if (fd < 0)
		return error_set(e, errno, "cannot create the capture file %s: %s", path,
				 errno == EEXIST ? "it exists; remove it or choose another name"
						 : strerror(errno));
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_set(e, ENOMEM, "out of memory");
	w->file = fdopen(fd, "w");
	if (!w->file)
		return error_set(e, errno, "cannot write to the capture file %s: %s", path,
				 strerror(errno));
	TAKE_FD(fd);
	write_bytes(w, &header, sizeof(header));
	write_bytes(w, info, sizeof(*info));
	*ret = TAKE_PTR(w);
	return 0;
}

void capture_write(struct capture_writer *w, enum capture_chunk type, const void *data, size_t size)
{
	struct chunk_header header = { .type = type, .size = (uint32_t)size };

	if (size > CHUNK_MAX) {
		w->error = w->error ? w->error : -EMSGSIZE;
		return;
	}
	write_bytes(w, &header, sizeof(header));
	write_bytes(w, data, size);
}

int capture_error(const struct capture_writer *w)
{
	return w->error;
}

int capture_close(struct capture_writer *w)
{
	int r;

	if (!w)
		return 0;
	if (w->error == 0 && fflush(w->file) != 0)
		w->error = -errno;
	if (fclose(w->file) != 0 && w->error == 0)
		w->error = -errno;
	r = w->error;
	free(w);
	return r;
}

/*
 * A perf record being put together, as perf_event_open(2) describes it: header, body, and at its
 * end what sample_id_all adds for SIDEBAND_SAMPLE_TYPE.
 */
struct perf_record {
	uint64_t words[(NAME_MAX_LEN + 256) / sizeof(uint64_t)];
	size_t size;
};

static void append(struct perf_record *r, const void *data, size_t size)
{
	memcpy((char *)r->words + r->size, data, size);
	r->size += size;
}

static void append_u32(struct perf_record *r, uint32_t value)
{
	append(r, &value, sizeof(value));
}

static void append_u64(struct perf_record *r, uint64_t value)
{
	append(r, &value, sizeof(value));
}

/* Terminated, and padded to whole words. */
static void append_name(struct perf_record *r, const char *name)
{
	size_t n = strnlen(name, NAME_MAX_LEN - 1);

	append(r, name, n);
	do
		append(r, "", 1);
	while (r->size % sizeof(uint64_t) != 0);
}

static void begin_record(struct perf_record *r)
{
	memset(r, 0, sizeof(*r));
	r->size = sizeof(struct perf_event_header);
}

static void end_record(struct capture_writer *w, struct perf_record *r, uint32_t type,
		       uint16_t misc, uint32_t pid, uint64_t time)
{
	struct perf_event_header header = { .type = type, .misc = misc };

	append_u32(r, pid);
	append_u32(r, pid);
	append_u64(r, time);
	header.size = (uint16_t)r->size;
	memcpy(r->words, &header, sizeof(header));
	capture_write(w, CAPTURE_SIDEBAND, r->words, r->size);
}

void capture_write_process(struct capture_writer *w, const struct process *p, uint64_t time)
{
	struct perf_record r;

	begin_record(&r);
	append_u32(&r, p->tgid); /* pid, ppid, tid, ptid, time */
	append_u32(&r, p->parent);
	append_u32(&r, p->tgid);
	append_u32(&r, p->parent);
	append_u64(&r, time);
	end_record(w, &r, PERF_RECORD_FORK, 0, p->parent, time);

	begin_record(&r);
	append_u32(&r, p->tgid); /* pid, tid, comm */
	append_u32(&r, p->tgid);
	append_name(&r, p->comm);
	end_record(w, &r, PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC, p->tgid, time);
}

/* Where a record with a build id has it, the others have the file's device, inode, generation. */
static void append_file_identity(struct perf_record *r, const struct process_mapping *m)
{
	uint8_t identity[24] = {}; /* u8 size, 3 reserved, 20 of build id */

	if (m->build_id) {
		identity[0] = (uint8_t)MIN(m->build_id_size, SIDEBAND_BUILD_ID_MAX);
		memcpy(identity + 4, m->build_id, identity[0]);
	}
	append(r, identity, sizeof(identity));
}

void capture_write_mapping(struct capture_writer *w, uint32_t tgid, const struct process_mapping *m,
			   uint64_t time)
{
	const uint32_t protection = 4 | 1; /* PROT_EXEC | PROT_READ */
	const uint32_t flags = 2;	   /* MAP_PRIVATE */
	struct perf_record r;

	begin_record(&r);
	append_u32(&r, tgid); /* pid, tid, addr, len, pgoff, identity, prot, flags, filename */
	append_u32(&r, tgid);
	append_u64(&r, m->start);
	append_u64(&r, m->end - m->start);
	append_u64(&r, m->offset);
	append_file_identity(&r, m);
	append_u32(&r, protection);
	append_u32(&r, flags);
	append_name(&r, m->path ? m->path : "");
	end_record(w, &r, PERF_RECORD_MMAP2,
		   m->build_id ? PERF_RECORD_MISC_USER | PERF_RECORD_MISC_MMAP_BUILD_ID
			       : PERF_RECORD_MISC_USER,
		   tgid, time);
}

struct capture_reader *capture_reader_free(struct capture_reader *r)
{
	if (!r)
		return NULL;
	if (r->file)
		fclose(r->file);
	free(r->buffer);
	free(r);
	return NULL;
}

DEFINE_CLEANUP(struct capture_reader *, capture_reader_free);

static int read_header(struct capture_reader *r, const char *path, struct capture_info *ret,
		       struct error *e)
{
	struct file_header header;
	struct capture_info info;

	if (fread(&header, sizeof(header), 1, r->file) != 1 ||
	    memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0)
		return error_set(e, EBADMSG, "%s is not a capture file", path);
	if (header.byte_order != ORDER_MARK)
		return error_set(e, EBADMSG, "%s is from a machine of another byte order", path);
	if (header.version != VERSION || header.info_size != sizeof(info))
		return error_set(e, EBADMSG,
				 "%s is a capture of format %" PRIu32
				 ", this is for format %d: replay it with the profd that made it",
				 path, header.version, VERSION);
	if (fread(&info, sizeof(info), 1, r->file) != 1)
		return error_set(e, EBADMSG, "%s ends within its header", path);
	info.kernel_release[sizeof(info.kernel_release) - 1] = '\0';
	info.boot_id[sizeof(info.boot_id) - 1] = '\0';
	r->offset = sizeof(header) + sizeof(info);
	*ret = info;
	return 0;
}

int capture_open(const char *path, struct capture_reader **ret, struct capture_info *ret_info,
		 struct error *e)
{
	_cleanup_(capture_reader_freep)
	struct capture_reader *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return error_set(e, ENOMEM, "out of memory");
	r->file = fopen(path, "re");
	if (!r->file)
		return error_set(e, errno, "cannot open %s: %s", path, strerror(errno));
	error = read_header(r, path, ret_info, e);
	if (error < 0)
		return error;
	*ret = TAKE_PTR(r);
	return 0;
}

static int make_room(struct capture_reader *r, size_t size)
{
	char *buffer;

	if (size <= r->allocated)
		return 0;
	buffer = realloc(r->buffer, size);
	if (!buffer)
		return -ENOMEM;
	r->buffer = buffer;
	r->allocated = size;
	return 0;
}

int capture_read(struct capture_reader *r, uint32_t *ret_type, const void **ret_data,
		 size_t *ret_size, struct error *e)
{
	struct chunk_header header;
	size_t n = fread(&header, 1, sizeof(header), r->file);

	if (n == 0 && feof(r->file))
		return 0;
	if (ferror(r->file))
		return error_set(e, EIO, "cannot read the capture at offset %" PRIu64, r->offset);
	if (n < sizeof(header))
		return error_set(e, EBADMSG, "the capture is cut at offset %" PRIu64, r->offset);
	if (header.size > CHUNK_MAX)
		return error_set(e, EBADMSG, "the capture is damaged at offset %" PRIu64,
				 r->offset);
	if (make_room(r, MAX(header.size, 1U)) < 0)
		return error_set(e, ENOMEM, "out of memory");
	if (fread(r->buffer, 1, header.size, r->file) != header.size)
		return error_set(e, EBADMSG, "the capture is cut at offset %" PRIu64, r->offset);
	r->offset += sizeof(header) + header.size;
	*ret_type = header.type;
	*ret_data = r->buffer;
	*ret_size = header.size;
	return 1;
}
