/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question for source lines, from the first job to the last: the parser process says which
 * files it lacks, they are looked for and it is asked again. All of it happens in worker_process();
 * nobody waits here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "symbolize/line_job.h"

struct debug_file_search;
struct line_request;
struct worker;

/* Who reads lines. */
struct line_reader {
	struct worker *worker; /* borrowed; NULL = in this process, and at once */
	unsigned int job;      /* the worker's number of line_job_run() */
};

/* How a question ended. */
struct line_outcome {
	int status;	    /* 0 or -errno, as of worker_submit() */
	bool is_go;	    /* it has Go's own table of lines */
	bool has_dwarf;	    /* there was a file with DWARF */
	bool alt_missing;   /* but not the one that it shares with others */
	uint32_t n_missing; /* files of split DWARF that were not found, or do not fit */
	struct dwarf_lines_stats stats;
};

struct line_request_handler {
	/*
	 * Chains that will not get any better, of addresses by their number. Called one or more
	 * times, and not for addresses of which nothing is known.
	 */
	void (*chain)(void *userdata, uint32_t i, const struct line_frame *frames, size_t n);
	/* The end: the request frees itself. */
	void (*done)(void *userdata, const struct line_outcome *o);
};

/*
 * Asks for the lines at @n addresses (copied; rising, distinct, LINE_JOB_MAX_ADDRESSES at most) of
 * the file @fd (duplicated), whose debug file is looked for by @search (its strings are copied).
 * Without a worker all has been told when it returns, and @ret is NULL. 0, or -errno and nothing
 * will be told.
 */
int line_request_start(const struct line_reader *reader, int fd, const uint64_t *addresses,
		       uint32_t n, const struct debug_file_search *search,
		       const struct line_request_handler *handler, void *userdata,
		       struct line_request **ret);

/* Drops one that was not done. Only when worker_process() is not called any more. */
struct line_request *line_request_free(struct line_request *q);
