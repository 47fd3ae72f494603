/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The perf events of all CPUs: one that samples and one with a buffer that tells of processes. CPUs
 * come and go; what the buffer of one that went still holds is read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "collect/collector_events.h"
#include "collect/collector_sideband.h"

struct collector_perf_cpu;
struct collector_state;

struct collector_perf_options {
	struct collector_opener opener;
	uint32_t frequency;
	int program;	      /* that samples run; borrowed */
	size_t sideband_size; /* bytes, a power of two */
	int epoll_fd;	      /* that side-band wakes up; borrowed */
};

/* All zero while nothing is open. */
struct collector_perf {
	struct collector_perf_options options;
	struct collector_perf_cpu *cpus; /* by number, n_cpus of them */
	size_t n_cpus;
	bool sampling;	       /* the events of new CPUs are to sample too */
	uint64_t sideband_bad; /* times a buffer was given up as inconsistent */
};

/* Opens the buffers, running. An error says what is missing; what was opened is for _done(). */
int collector_perf_open(struct collector_perf *p, const struct collector_perf_options *o,
			struct error *e);
/* Begins to sample. As above. */
int collector_perf_sample(struct collector_perf *p, struct error *e);
void collector_perf_done(struct collector_perf *p);

/* See collector_follow_cpus(). */
int collector_perf_follow(struct collector_perf *p);

/* Calls @put for each side-band record there is; returns how many. */
int collector_perf_drain(struct collector_perf *p, collector_sideband_fn put, void *userdata);

/* How many CPUs are listened to. */
unsigned int collector_perf_cpus(const struct collector_perf *p);
/* Fills in event, cpus and sideband_bad, and adds the memory of the buffers. */
void collector_perf_state(const struct collector_perf *p, struct collector_state *s);

/* Edge-triggered: a wake-up is one event, what trickles in without one is none. 0 or -errno. */
int collector_perf_watch(int epoll_fd, int fd);
