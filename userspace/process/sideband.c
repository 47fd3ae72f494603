/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layouts: perf_event_open(2) and the comments at PERF_RECORD_* in <linux/perf_event.h>. The kernel
 * writes these records, but a capture file holds them too, so nothing in them is believed.
 */
#include "process/sideband.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

/* The head and the tail that every record has; sizes are multiples of 8. */
#define HEADER_SIZE    sizeof(struct perf_event_header)
#define TAIL_SIZE      16 /* { u32 pid, tid; u64 time; }, see SIDEBAND_SAMPLE_TYPE */
#define TAIL_TIME      8
#define RECORD_SIZE(x) (HEADER_SIZE + sizeof(struct x) + TAIL_SIZE)

struct comm_body {
	uint32_t pid, tid;
	/* char comm[] */
};

struct mmap2_body {
	uint32_t pid, tid;
	uint64_t address, length, offset;
	/*
	 * PERF_RECORD_MISC_MMAP_BUILD_ID says which it is: else { u32 maj, min; u64 inode,
	 * generation; }, which is what stat() shows, on overlayfs not what BPF sees.
	 */
	uint8_t build_id_size, reserved[3];
	uint8_t build_id[SIDEBAND_BUILD_ID_MAX];
	uint32_t protection, flags;
	/* char filename[] */
};

struct task_body {
	uint32_t pid, ppid, tid, ptid;
	uint64_t time;
};

struct lost_body {
	uint64_t id, lost;
};

struct ksymbol_body {
	uint64_t address;
	uint32_t length;
	uint16_t type, flags;
	/* char name[] */
};

_Static_assert(sizeof(struct mmap2_body) == 64, "as the kernel lays it out");
_Static_assert(sizeof(struct task_body) == 24, "as the kernel lays it out");
_Static_assert(sizeof(struct ksymbol_body) == 16, "as the kernel lays it out");

/* The text between the fixed part of a record and its tail; NULL if no NUL ends it there. */
static const char *name_of(const char *record, size_t size, size_t body_size)
{
	const char *name = record + HEADER_SIZE + body_size;
	size_t room = size - HEADER_SIZE - body_size - TAIL_SIZE;

	return memchr(name, '\0', room) ? name : NULL;
}

static int parse_comm(const char *record, size_t size, uint16_t misc, struct sideband_event *e)
{
	struct comm_body body;

	if (size < RECORD_SIZE(comm_body))
		return -EBADMSG;
	memcpy(&body, record + HEADER_SIZE, sizeof(body));
	e->type = SIDEBAND_COMM;
	e->pid = body.pid;
	e->tid = body.tid;
	e->exec = misc & PERF_RECORD_MISC_COMM_EXEC;
	e->name = name_of(record, size, sizeof(body));
	return e->name ? 0 : -EBADMSG;
}

static int parse_mmap2(const char *record, size_t size, uint16_t misc, struct sideband_event *e)
{
	struct mmap2_body body;

	if (size < RECORD_SIZE(mmap2_body))
		return -EBADMSG;
	memcpy(&body, record + HEADER_SIZE, sizeof(body));
	if (body.length == 0 || body.address + body.length < body.address)
		return -EBADMSG;
	e->type = SIDEBAND_MMAP;
	e->pid = body.pid;
	e->tid = body.tid;
	e->address = body.address;
	e->size = body.length;
	e->offset = body.offset;
	e->protection = body.protection;
	if (misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		if (body.build_id_size > SIDEBAND_BUILD_ID_MAX)
			return -EBADMSG;
		e->build_id_size = body.build_id_size;
		memcpy(e->build_id, body.build_id, body.build_id_size);
	}
	e->name = name_of(record, size, sizeof(body));
	return e->name ? 0 : -EBADMSG;
}

static int parse_task(const char *record, size_t size, enum sideband_type type,
		      struct sideband_event *e)
{
	struct task_body body;

	if (size < RECORD_SIZE(task_body))
		return -EBADMSG;
	memcpy(&body, record + HEADER_SIZE, sizeof(body));
	e->type = type;
	e->pid = body.pid;
	e->tid = body.tid;
	e->ppid = body.ppid;
	return 0;
}

static int parse_lost(const char *record, size_t size, struct sideband_event *e)
{
	struct lost_body body;

	if (size < RECORD_SIZE(lost_body))
		return -EBADMSG;
	memcpy(&body, record + HEADER_SIZE, sizeof(body));
	e->type = SIDEBAND_LOST;
	e->lost = body.lost;
	return 0;
}

static int parse_ksymbol(const char *record, size_t size, struct sideband_event *e)
{
	struct ksymbol_body body;

	if (size < RECORD_SIZE(ksymbol_body))
		return -EBADMSG;
	memcpy(&body, record + HEADER_SIZE, sizeof(body));
	if (body.address + body.length < body.address)
		return -EBADMSG;
	e->type = SIDEBAND_KSYMBOL;
	e->address = body.address;
	e->size = body.length;
	e->unregister = body.flags & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER;
	e->name = name_of(record, size, sizeof(body));
	return e->name ? 0 : -EBADMSG;
}

static int parse_body(const char *record, const struct perf_event_header *h,
		      struct sideband_event *e)
{
	switch (h->type) {
	case PERF_RECORD_MMAP2:
		return parse_mmap2(record, h->size, h->misc, e);
	case PERF_RECORD_COMM:
		return parse_comm(record, h->size, h->misc, e);
	case PERF_RECORD_FORK:
		return parse_task(record, h->size, SIDEBAND_FORK, e);
	case PERF_RECORD_EXIT:
		return parse_task(record, h->size, SIDEBAND_EXIT, e);
	case PERF_RECORD_LOST:
		return parse_lost(record, h->size, e);
	case PERF_RECORD_KSYMBOL:
		return parse_ksymbol(record, h->size, e);
	default:
		return -ENOMSG;
	}
}

/*
 * A KSYMBOL record is as much longer than it should be as there were listeners before us that it
 * was written to: perf_event_ksymbol_output() (kernel/events/core.c) adds the tail's size to that
 * of the record each time, and the record is one for all. What is too much is not written: the tail
 * follows the name.
 */
static size_t tail_of(const char *record, size_t size, const struct sideband_event *e)
{
	size_t end;

	if (e->type != SIDEBAND_KSYMBOL)
		return size - TAIL_SIZE;
	end = (size_t)(e->name - record) + strlen(e->name) + 1;
	return round_up_8(end);
}

int sideband_parse(const void *record, size_t size, struct sideband_event *ret)
{
	struct sideband_event e = { 0 };
	struct perf_event_header h;
	int r;

	if (size < HEADER_SIZE + TAIL_SIZE)
		return -EBADMSG;
	memcpy(&h, record, sizeof(h));
	if (h.size != size || size % sizeof(uint64_t))
		return -EBADMSG;
	r = parse_body(record, &h, &e);
	if (r < 0)
		return r;
	memcpy(&e.time, (const char *)record + tail_of(record, size, &e) + TAIL_TIME,
	       sizeof(e.time));
	*ret = e;
	return 0;
}
