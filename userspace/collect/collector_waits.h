/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs that see waits: which of them this kernel can run, attached, and read from. The
 * ladder of hooks is abi.h's enum abi_wait_hook; the first that works is taken.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "base/error.h"

struct bpf_link;
struct collector_load_options;
struct collector_options;
struct collector_state;
struct profd_bpf;

#define COLLECTOR_WAITS_LINKS 8

struct collector_waits {
	uint8_t hook;	/* enum abi_wait_hook */
	char text[128]; /* why no better one is */
	struct bpf_link *links[COLLECTOR_WAITS_LINKS];
	size_t n_links;
	struct bpf_link *reader;	 /* of waits that go on */
	const struct abi_wait_cpu *cpus; /* by number, n_cpus of them; the memory of a map */
	uint32_t n_cpus;
};

/*
 * Loads the skeleton with the best hook that works. If none does, it is loaded without, unless @o
 * asks for one hook only. @w is all zero before; free both with collector_waits_done() first. 0 or
 * -errno.
 */
int collector_waits_load(struct collector_load_options *load, const struct collector_options *o,
			 struct collector_waits *w, struct profd_bpf **ret, struct error *e);
void collector_waits_done(struct collector_waits *w);

/*
 * Attaches the programs: from here on waits come. 0 or -errno; then waits are not sampled, and
 * @w->text says why.
 */
int collector_waits_start(struct collector_waits *w, struct profd_bpf *bpf);

/* See collector_read_waits(). */
int collector_waits_read(struct collector_waits *w, struct profd_bpf *bpf, uint32_t tgid,
			 void (*record)(void *userdata, const void *record, size_t size),
			 void *userdata);

/* How many waits there were: ABI_COUNTER_waits, which is not in the map of counters. */
uint64_t collector_waits_count(const struct collector_waits *w);
/* Fills in what begins with wait_, and adds the memory of threads. */
void collector_waits_state(const struct collector_waits *w, const struct profd_bpf *bpf,
			   struct collector_state *s);
