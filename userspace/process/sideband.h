/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The perf side-band: PERF_RECORD_{MMAP2,COMM,FORK,EXIT,LOST,KSYMBOL} as plain values. The layout
 * of the records is described in perf_event_open(2); they are those of an event opened with
 * SIDEBAND_SAMPLE_TYPE and sample_id_all, so each ends with { u32 pid, tid; u64 time; }, a KSYMBOL
 * record perhaps with bytes behind it that nobody has written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/perf_event.h>

#define SIDEBAND_SAMPLE_TYPE  (PERF_SAMPLE_TID | PERF_SAMPLE_TIME)
#define SIDEBAND_BUILD_ID_MAX 20

enum sideband_type {
	SIDEBAND_MMAP,	  /* an executable mapping appeared */
	SIDEBAND_COMM,	  /* a thread was renamed; exec = by an exec */
	SIDEBAND_FORK,	  /* a process or thread began */
	SIDEBAND_EXIT,	  /* a thread ended */
	SIDEBAND_LOST,	  /* lost = how many records */
	SIDEBAND_KSYMBOL, /* kernel code was added or removed */
};

struct sideband_event {
	enum sideband_type type;
	uint32_t pid, tid; /* the process and thread it is about (FORK: the new one) */
	uint32_t ppid;	   /* FORK and EXIT: the parent process */
	uint64_t time;	   /* monotonic ns */
	bool exec;
	bool unregister; /* KSYMBOL */
	uint64_t lost;
	/* MMAP and KSYMBOL */
	uint64_t address, size;
	uint64_t offset; /* in the file, bytes */
	uint32_t protection;
	uint8_t build_id_size; /* 0 = none */
	uint8_t build_id[SIDEBAND_BUILD_ID_MAX];
	const char *name; /* COMM, MMAP (path), KSYMBOL: points into the record, NUL-terminated */
};

/*
 * Reads one record of @size bytes. 0; -EBADMSG if it is cut or contradicts itself; -ENOMSG if it is
 * of a type that does not matter here.
 */
int sideband_parse(const void *record, size_t size, struct sideband_event *ret);
